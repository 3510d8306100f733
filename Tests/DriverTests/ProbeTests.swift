import Calibration
import FP8
import Foundation
import Frontend
import IR
import Support
import TestSupport
import Testing

/// Seventeen graphs that tools for FP8 get wrong: every one comes out right or ends in an error that
/// says why (golden/models/probes/README.md).
@Suite struct ProbeTests {
  @Test(arguments: try Expectation.all.filter { !$0.isMeasured }, ["target", "qdq"])
  func `a graph that others get wrong comes out right or is diagnosed`(
    expected: Expectation, form: String
  ) throws {
    try check(expected, form)
  }

  @Test(
    .enabled(if: runtimeIsExpected),
    arguments: try Expectation.all.filter(\.isMeasured), ["target", "qdq"])
  func `it computes what it did in a plain session and in an optimized one`(
    expected: Expectation, form: String
  ) throws {
    try check(expected, form)
  }

  private func check(_ expected: Expectation, _ form: String) throws {
    let folder = try TemporaryFolder()
    let result = try Command(
      expected.arguments + (form == "qdq" ? ["--qdq"] : []) + ["-o", "out.onnx"],
      in: folder.path)
    #expect(result.status == expected.status, "\(result.errors)")
    let warnings = result.errors.split(separator: "\n").filter {
      $0.hasPrefix("warning: ") || $0.hasPrefix("error: ")
    }
    if let diagnostic = expected.diagnostic {
      #expect(result.errors.contains(diagnostic), "\(result.errors)")
    } else {
      #expect(warnings.isEmpty)
    }
    #expect(Set(warnings).count == warnings.count, "said twice: \(result.errors)")
    guard result.status == 0, expected.status == 0 else { return }
    let table = JSONReader(
      try JSON.parse(try folder.contents("out.scales.json"), file: nil))
    #expect(try table.member("modules").items().count == expected.modules)
    let text = try Command(["print", folder["out.onnx"]]).output
    #expect(Self.weights(in: text) == expected.weights, "\(text)")
    if let decibels = expected.decibels {
      for optimize in [false, true] {
        let found = try Self.decibels(expected.model, folder["out.onnx"], optimize: optimize)
        #expect(found >= decibels, "in a session with optimize: \(optimize)")
      }
    }
  }

  @Test(arguments: ["target", "qdq"])
  func `texts and metadata stay where they were`(form: String) throws {
    let text = try printed("metadata", form)
    #expect(text.contains("producer \"probes\""))
    #expect(text.contains("domain \"example.org\""))
    #expect(text.contains("version 7"))
    #expect(text.contains("{\"licence\": \"metadata of the model\"}"))
    #expect(text.contains("doc \"doc of the model\""))
    #expect(text.contains("doc \"doc of the graph\""))
    for name in ["fc1", "relu", "fc2"] {
      // What fp8c says of a node stands behind what was there.
      let meta =
        "meta {\"example.org/note\": \"metadata of \(name)\""
        + (name == "relu" ? "}" : ", \"fp8c.module\": \"\(name)\"")
      #expect(text.contains("name \"\(name)\" doc \"doc of \(name)\" \(meta)"))
    }
  }

  @Test(arguments: ["target", "qdq"])
  func `a model of opset 13 is written at the first opset that has what it needs`(
    form: String
  ) throws {
    let text = try printed("opset13", form)
    #expect(text.contains("opset \"\" 21"))
    #expect(!text.contains("opset \"\" 13"))
  }

  /// ONNX Runtime's optimizer takes a Relu or a Clip in front of a quantizer away.
  @Test func `no Relu and no Clip feeds a quantizer`() throws {
    let text = try printed("plain", "qdq")
    #expect(text.contains("QuantizeLinear("))
    #expect(!text.contains("Clip("))
    for line in text.split(separator: "\n") where line.contains("= QuantizeLinear(") {
      let operand = try #require(line.split(separator: "(").last?.split(separator: ",").first)
      let maker = text.split(separator: "\n").first {
        $0.trimmingCharacters(in: .whitespaces).hasPrefix("\(operand) = ")
      }
      #expect(try #require(maker).contains("= Min("), "\(line)")
    }
  }

  /// The text of a probe after it was quantized with scales of 1 in float32.
  private func printed(_ probe: String, _ form: String) throws -> String {
    let folder = try TemporaryFolder()
    let result = try Command(
      [
        "quantize", goldenPath("probes/\(probe).onnx"), "-o", "out.onnx", "--scale-method",
        "unit_scale", "--hp-dtype", "fp32",
      ] + (form == "qdq" ? ["--qdq"] : []), in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    return try Command(["print", folder["out.onnx"]]).output
  }

  /// How many stored tensors of rank two and more are in FP8.
  private static func weights(in text: String) -> Int {
    text.split(separator: "\n").count { line in
      guard line.contains("weight @"),
        let type = line.components(separatedBy: "f8e4m3fn[").dropFirst().last
      else {
        return false
      }
      return type.prefix { $0 != "]" }.contains(",")
    }
  }

  // MARK: Running

  /// The SQNR in dB of the first output, over all batches, against the source unoptimized.
  private static func decibels(
    _ source: String, _ quantized: String, optimize: Bool
  ) throws -> Double {
    let runtime = try Runtime.find(
      nil, environment: { ProcessInfo.processInfo.environment[$0] }, executable: #filePath)
    let graph = try Importer.load(source).0.graph
    let set = try CalibrationSet(
      paths: [source.replacingOccurrences(of: ".onnx", with: ".npz")],
      inputs: graph.inputs.map {
        CalibrationSet.Input(
          name: graph[$0].name, type: graph[$0].type?.tensor, isOptional: false)
      }, readTensor: { (_) throws(Diagnostic) in Tensor(element: .float32, shape: [], bytes: []) })
    let reference = try Session(runtime, path: source)
    let candidate = try Session(runtime, path: quantized, optimize: optimize)
    var (signal, error) = (0.0, 0.0)
    try set.forEachBatch { (batch, _) throws(Diagnostic) in
      let expected = floats(try reference.run(batch, outputs: ["y"]).first ?? nil)
      let found = floats(try candidate.run(batch, outputs: ["y"]).first ?? nil)
      #expect(!expected.isEmpty && expected.count == found.count)
      for (x, y) in zip(expected, found) {
        signal += Double(x * x)
        error += Double((x - y) * (x - y))
      }
    }
    return error == 0 ? .infinity : 10 * log10(signal / error)
  }

  private static func floats(_ tensor: Tensor?) -> [Float] {
    guard let tensor, let precision = HighPrecision(tensor.element) else { return [] }
    var values = [Float](repeating: 0, count: tensor.bytes.count / precision.byteCount)
    var wide = values.mutableSpan
    precision.widen(tensor.bytes.span, into: &wide)
    return values
  }

  /// A line of the table.
  struct Expectation: CustomTestStringConvertible {
    let probe: String
    let isMeasured: Bool
    let options: [String]
    let status: Int32
    let modules: Int?
    let weights: Int?
    let decibels: Double?
    let diagnostic: String?

    var testDescription: String {
      ([probe, isMeasured ? "measured" : "unit"] + options).joined(separator: " ")
    }

    var model: String { goldenPath("probes/\(probe).onnx") }

    var arguments: [String] {
      let run =
        isMeasured
        ? [
          "compile", model, "--calibration", goldenPath("probes/\(probe).npz"), "--hp-dtype",
          "fp32", "--dump-stats-path", "measured/m",
        ] : ["quantize", model, "--scale-method", "unit_scale"]
      return run + options
    }

    static var all: [Expectation] {
      get throws {
        try goldenRows("probes/expected.tsv").map { row in
          Expectation(
            probe: row[0], isMeasured: row[1] == "measured",
            options: row[2].split(separator: " ").map(String.init),
            status: try #require(Int32(row[3])), modules: Int(row[4]), weights: Int(row[5]),
            decibels: Double(row[6]), diagnostic: row[7] == "-" ? nil : row[7])
        }
      }
    }
  }
}

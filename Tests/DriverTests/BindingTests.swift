import FoundationEssentials
import Support
import TestSupport
import Testing

/// Measurements that INC made of PyTorch models, on the ONNX exports of these.
@Suite struct BindingTests {
  struct Export: Sendable, CustomTestStringConvertible {
    let measured: String
    let model: String
    var options: [String] = []
    var note = ""

    var testDescription: String { model }
  }

  static let exports = [
    Export(measured: "mlp", model: "onnx/mlp_small.ts.onnx"),
    Export(measured: "mlp", model: "bound/mlp_small.dynamo.onnx"),
    Export(measured: "resnet18_w16", model: "bound/resnet18_w16.dynamo_noopt.onnx"),
    Export(
      measured: "llama_tiny", model: "bound/llama_tiny.ts.onnx",
      options: ["--allow-type", "Linear"], note: "measured names lack 'model.'"),
    Export(
      measured: "llama_tiny", model: "bound/llama_tiny.dynamo.onnx",
      options: ["--allow-type", "Linear"], note: "measured names lack 'model.'"),
  ]

  @Test(arguments: exports)
  func `the scale file is INC's, byte for byte`(export: Export) throws {
    let data = "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
    let prefix = "\(export.measured).GAUDI"
    let names = try Folder.entries(of: data).filter { $0.hasPrefix(prefix) && $0.hasSuffix("json") }
    var compared = 0
    for name in names {
      let parts = name.split(separator: ".")
      let method = String(parts[2])
      // A CPU divides where the device multiplies; fixed scales need no measurement.
      if method == "MAXABS_ARBITRARY" || method.hasSuffix("_SCALE") { continue }
      let folder = try TemporaryFolder()
      _ = try folder.write(
        "m_hooks_maxabs.json",
        InputFile.contents(of: "\(data)/\(export.measured).json", limit: 1 << 20))
      let result = try Command(
        [
          "quantize", goldenPath(export.model), "-o", folder["out.onnx"], "--dump-stats-path",
          folder["m"], "--scale-method", method, "--target", parts[1].lowercased(),
        ] + export.options)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains(export.note) || export.note.isEmpty)
      let expected = try InputFile.contents(of: "\(data)/\(name)", limit: 1 << 20)
      let found = try InputFile.contents(
        of: folder["m_hooks_maxabs_\(method).json"], limit: 1 << 20)
      let isEqual = found == expected
      #expect(isEqual, "\(name)")
      compared += 1
    }
    #expect(compared >= 4)
  }

  @Test(.enabled(if: runtimeIsExpected), arguments: exports.prefix(3))
  func `the same batches give INC's measurement, byte for byte`(export: Export) throws {
    let data = "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
    let folder = try TemporaryFolder()
    let result = try Command([
      "measure", goldenPath(export.model), "--calibration", "\(data)/\(export.measured).calib.npz",
      "--dump-stats-path", folder["m"],
    ])
    #expect(result.status == 0, "\(result.errors)")
    let expected = try InputFile.contents(of: "\(data)/\(export.measured).json", limit: 1 << 20)
    let found = try InputFile.contents(of: folder["m_hooks_maxabs.json"], limit: 1 << 20)
    let isEqual = found == expected
    #expect(isEqual)
  }

  @Test func `names that fit nothing are named on both sides, and can be mapped`() throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/mlp_small.ts.onnx")
    let data = "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
    let text = String(
      decoding: try InputFile.contents(of: "\(data)/mlp.json", limit: 1 << 20), as: UTF8.self)
    let renamed = text.split(separator: "\"").map { $0 == "fc1" ? "first" : $0 }
      .joined(separator: "\"")
    _ = try folder.write("m_hooks_maxabs.json", Array(renamed.utf8))
    let quantize = [
      "quantize", model, "-o", folder["out.onnx"], "--dump-stats-path", folder["m"],
    ]
    let unbound = try Command(quantize)
    #expect(unbound.status == 78)
    #expect(unbound.errors.contains("no measurement for 1 modules: 'fc1'"))
    #expect(
      unbound.errors.contains(
        "the first of 1 measured modules that the model does not have is 'first'"))
    let map = try folder.write("map.json", Array(#"{"first": "fc1", "third": "x"}"#.utf8))
    let mapped = try Command(quantize + ["--module-map", map])
    #expect(mapped.status == 0)
    #expect(mapped.errors.contains("warning: \(map): 'third' is no measured module"))
    #expect(
      try String(
        decoding: InputFile.contents(of: folder["m_hooks_maxabs_MAXABS_HW.json"], limit: 1 << 20),
        as: UTF8.self
      ).contains("\"first\""))
    #expect(try Command(quantize + ["--module-prefix-map", "x"]).status == 64)
  }
}

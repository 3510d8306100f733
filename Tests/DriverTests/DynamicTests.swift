import Calibration
import FoundationEssentials
import IR
import Support
import TestSupport
import Testing

/// Scales that are computed when the model runs, in ONNX Runtime.
///
/// The weight is the unit matrix, whose codes are exact, so the output shows what the cast made of the
/// input. Full scale 240 and a backoff of 0.5 map 120 to scale 1. Beside that the least code above
/// zero is 2^-9, and half of it is a tie that goes to zero.
@Suite(.enabled(if: runtimeIsExpected)) struct DynamicTests {
  private static let rows: [[Float]] = [
    // 120 over 120 is 1.
    [120, 0x1p-10, 0x1p-9, 0],
    // The next float32 above needs a scale of 2.
    [Float(120).nextUp, 0x1p-9, 0x1p-8, 0],
    [0, 0, 0, 0],
    // 1.875 · 2^-20 over 120 is 2^-26.
    [-0x1.Ep-20, 0x1p-36, 0x1p-35, 0x1p-34],
    // 2^100 over 120 is more than 2^93: the code is 64, times 2^94.
    [0x1p100, 1, 0, 0],
  ]

  @Test func `every row has the least power of two that is large enough`() throws {
    let result = try run("maxabs_pcs_pow2")
    #expect(
      result == [
        [120, 0, 0x1p-9, 0], [120, 0, 0x1p-8, 0], [0, 0, 0, 0],
        [-0x1.Ep-20, 0, 0x1p-35, 0x1p-34], [0x1p100, 0, 0, 0],
      ])
  }

  @Test func `a tensor has one scale where the method says so`() throws {
    // Without the last row the largest magnitude is above 120, and 2 is the scale of all.
    let result = try run("maxabs_pow2", rows: 4)
    #expect(
      result == [[120, 0, 0, 0], [120, 0, 0x1p-8, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
  }

  @Test func `a scale may be no power of two`() throws {
    // 90 over 120 is 0.75, 60 is then 80, a code, and 1 is 1.3333, whose nearest code is 1.375.
    // The weight's own scale is 1/120, which float32 rounds.
    let result = try run("maxabs_arbitrary", [[90, 60, 1, 0]])
    for (found, expected) in zip(result.flatMap { $0 }, [90, 60, 1.03125, 0] as [Float]) {
      #expect(abs(found - expected) <= 1e-6 * expected)
    }
  }

  @Test func `methods without such scales are refused, and what has no use for them`() throws {
    let folder = try TemporaryFolder()
    let model = try folder.write("m.onnx", Self.model(rows: 1))
    func failure(_ configuration: String, _ command: [String]) throws -> String {
      let file = try folder.write("c.json", Array(configuration.utf8))
      let result = try Command(command + ["--config", file])
      #expect(result.status == 78)
      return result.error
    }
    let quantize = ["quantize", model, "-o", folder["o.onnx"]]
    for method in ["maxabs_hw", "unit_scale", "act_maxabs_hw_weights_pcs_maxabs_pow2"] {
      let error = try failure(
        #"{"dynamic_quantization": true, "scale_method": "\#(method)"}"#, quantize)
      #expect(error.contains("scale method '\(method)' has no scales computed when the model runs"))
    }
    #expect(
      try failure(#"{"scale_method": "maxabs_pcs_pow2"}"#, quantize).contains(
        "scale method 'maxabs_pcs_pow2' computes scales when the model runs"))
    let dynamic = #"{"dynamic_quantization": true, "scale_method": "maxabs_pow2", "use_qdq": true}"#
    #expect(try failure(dynamic, quantize).contains("no form with QuantizeLinear"))
    #expect(
      try failure(
        #"{"dynamic_quantization": true, "scale_method": "maxabs_pow2", "fake_quant": true}"#,
        quantize
      ).contains("found 'fake_quant'"))
    #expect(
      try failure(
        #"{"dynamic_quantization": true, "scale_method": "maxabs_pow2"}"#,
        ["instrument", model, "-o", folder["o.onnx"]]
      ).contains("needs no measurement"))
    let measure = ["measure", model, "--calibration", folder["x.npz"]]
    #expect(
      try failure(
        #"{"dynamic_quantization": true, "scale_method": "maxabs_pow2"}"#, measure
      ).contains("needs no measurement"))
    #expect(try folder.entries() == ["c.json", "m.onnx"])
  }

  // MARK: Running

  private func run(_ method: String, rows count: Int = rows.count) throws -> [[Float]] {
    try run(method, Array(Self.rows.prefix(count)))
  }

  private func run(_ method: String, _ rows: [[Float]]) throws -> [[Float]] {
    let folder = try TemporaryFolder()
    let model = try folder.write("m.onnx", Self.model(rows: rows.count))
    let configuration = try folder.write(
      "c.json", Array(#"{"dynamic_quantization": "True", "scale_method": "\#(method)"}"#.utf8))
    let result = try Command([
      "compile", model, "-o", folder["o.onnx"], "--config", configuration, "--hp-dtype", "fp32",
    ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try folder.entries() == ["c.json", "m.onnx", "o.onnx", "o.scales.json"])
    let runtime = try Runtime.find(
      nil, environment: { ProcessInfo.processInfo.environment[$0] }, executable: #filePath)
    let session = try Session(runtime, path: folder["o.onnx"])
    let values = rows.flatMap { $0 }
    let input = Tensor(
      element: .float32, shape: [Int64(rows.count), 4],
      bytes: values.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> ($0 * 8) & 255) } })
    let bytes = try #require(try session.run([("x", input)], outputs: ["y"]).first??.bytes)
    let floats = stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << ($1 * 8) })
    }
    return stride(from: 0, to: floats.count, by: 4).map { Array(floats[$0..<$0 + 4]) }
  }

  /// x times the unit matrix.
  private static func model(rows: Int) -> [UInt8] {
    let one: [UInt8] = [0, 0, 0x80, 0x3F]
    let unit = Wire.tensor("w", [4, 4])
      .data(9, (0..<16).flatMap { $0 % 5 == 0 ? one : [0, 0, 0, 0] })
    let graph = Wire.graph(
      nodes: [Wire.node("MatMul", ["x", "w"], ["y"])], initializers: [unit],
      inputs: [Wire.value("x", [UInt64(rows), 4])], outputs: [Wire.value("y", [UInt64(rows), 4])])
    return Wire.model(graph).bytes
  }
}

import Calibration
import Foundation
import IR
import Support
import TestSupport
import Testing

/// INC's own end-to-end numbers (inc-fp8.md sections 8 and 10.4), in ONNX Runtime.
///
/// A linear layer of two inputs and one output, all weights 1, the second input 0. Inputs are rounded to
/// bfloat16 as INC's are: 3720 is 3712, 3721 is 3728 and 13721 is 13696.
@Suite(.enabled(if: runtimeIsExpected)) struct WorkedExampleTests {
  private static let small: [Float] = [232, 240, 248]
  private static let large: [Float] = [3712, 3728, 13696]

  @Test(
    arguments: [
      ("gaudi2", "maxabs_hw", small, [224, 240, 256]),
      ("gaudi3", "maxabs_hw", small, [224, 240, 256]),
      ("gaudi2", "maxabs_pow2", small, [224, 240, 256]),
      ("gaudi2", "unit_scale", small, [224, 240, 240]),
      ("gaudi2", "maxabs_hw", large, [3584, 3840, 3840]),
      ("gaudi3", "maxabs_hw", large, [3584, 3840, 13312]),
      ("gaudi2", "maxabs_pow2", large, [3584, 3840, 13312]),
      ("gaudi2", "unit_scale", large, [240, 240, 240]),
      // With a range of 448 there is no clipping at 240.
      ("gaudi3", "unit_scale", small, [224, 240, 256]),
      ("gaudi3", "unit_scale", large, [448, 448, 448]),
    ] as [(String, String, [Float], [Float])], ["target", "qdq"])
  func `one layer gives what INC's tests say`(
    example: (target: String, method: String, inputs: [Float], outputs: [Float]), form: String
  ) throws {
    let folder = try TemporaryFolder()
    let one: [UInt8] = [0, 0, 0x80, 0x3F]
    let graph = Wire.graph(
      nodes: [Wire.node("MatMul", ["x", "fc.weight"], ["y"])],
      initializers: [Wire.tensor("fc.weight", [2, 1]).data(9, one + one)],
      inputs: [Wire.value("x", [3, 2])], outputs: [Wire.value("y", [3, 1])])
    let model = try folder.write("m.onnx", Wire.model(graph).bytes)
    let largest = example.inputs.max() ?? 0
    _ = try folder.write(
      "s_hooks_maxabs.json",
      Array(
        """
        {"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange",
         "Nodes": {"fc": {"inputs": [[[\(largest)]]], "params": {"weight": [[1.0]]}}}}
        """.utf8))
    let result = try Command(
      [
        "quantize", model, "-o", folder["o.onnx"], "--dump-stats-path", folder["s"],
        "--hp-dtype", "fp32", "--scale-arithmetic", "device", "--target", example.target,
        "--scale-method", example.method,
      ] + (form == "qdq" ? ["--qdq"] : []))
    #expect(result.status == 0, "\(result.errors)")
    let runtime = try Runtime.find(
      nil, environment: { ProcessInfo.processInfo.environment[$0] }, executable: #filePath)
    let session = try Session(runtime, path: folder["o.onnx"])
    let input = Tensor(
      element: .float32, shape: [3, 2],
      bytes: example.inputs.flatMap { value in
        (0..<4).map { UInt8(value.bitPattern >> ($0 * 8) & 255) } + [0, 0, 0, 0]
      })
    let bytes = try #require(try session.run([("x", input)], outputs: ["y"]).first??.bytes)
    let outputs = stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << ($1 * 8) })
    }
    #expect(outputs == example.outputs)
  }
}

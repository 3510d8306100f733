import Backend
import Frontend
import Support
import TestSupport
import Testing

@Suite struct CopyTests {
  /// Written by `onnx.helper`, with all data inside the file.
  static let models = [
    "onnx/all_metadata", "onnx/already_fp8_qdq", "onnx/constant_nodes", "onnx/edge_initializers",
    "onnx/fp8_all_bytes", "onnx/functions_nested", "onnx/gemm_variants", "onnx/if_loop_scan",
    "onnx/ir4_overridable", "onnx/map_zipmap", "onnx/matmul_bf16", "onnx/matmul_fp16",
    "onnx/no_shapes", "onnx/node_names_dup", "onnx/optional_inputs", "onnx/sequence_optional",
    "onnx/tensor_layouts", "onnx/weight_reuse",
  ]

  @Test(arguments: models)
  func `a model that no pass touched is written with its own bytes`(name: String) throws {
    let path = goldenPath("\(name).onnx")
    let (model, store) = try Importer.load(path)
    var exporter = Exporter(model, store, placement: .inline)
    var output = MemorySink()
    try exporter.write(to: &output)
    #expect(try output.bytes == InputFile.contents(of: path, limit: 1 << 20))
  }
}

import Support
import TestSupport
import Testing

/// `fp8c verify` without inputs: the written file is the source but for its quantization.
@Suite struct StructureTests {
  private static let models = [
    "digits/digits_cnn.ts", "onnx/mlp_small.ts", "onnx/external_many", "onnx/if_loop_scan",
    "onnx/gemm_variants", "architectures/matmul_variants", "onnx/sparse_initializer",
    "architectures/bert_tiny.ts", "architectures/gpt2_tiny.dynamo",
    "architectures/llama_tiny.dynamo", "architectures/mixtral_tiny.dynamo",
    "architectures/mobilenet_v2_w16.ts", "architectures/unet2d_condition_lora.ts",
    "architectures/ms_gqa", "architectures/resnet18_w16.dynamo",
  ]

  @Test(
    arguments: models, [["--qdq", "--hp-dtype", "fp16"], ["--qdq"], ["--hp-dtype", "fp32"], []])
  func `what is written is the source but for its quantization`(
    name: String, flags: [String]
  ) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("\(name).onnx")
    let made = try Command(
      ["quantize", model, "-o", "out.onnx", "--scale-method", "unit_scale", "-q"] + flags,
      in: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let result = try Command(["verify", model, "out.onnx"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.hasPrefix("structure: "))
  }

  @Test func `another model, and other weights, are found`() throws {
    let folder = try TemporaryFolder()
    let mlp = goldenPath("onnx/mlp_small.ts.onnx")
    let made = try Command(
      [
        "quantize", mlp, "-o", "out.onnx", "--scale-method", "unit_scale", "--external-data",
        "always",
      ],
      in: folder.path)
    #expect(made.status == 0)
    let other = try Command(["verify", Self.digits, "out.onnx"], in: folder.path)
    #expect(other.status == 1)
    #expect(other.error.hasSuffix("[structure-differs]"))
    // The sign of the first code of a weight.
    var data = try folder.contents("out.onnx.data")
    data[0] ^= 0x80
    try folder.write("out.onnx.data", data)
    let changed = try Command(["verify", mlp, "out.onnx"], in: folder.path)
    #expect(changed.status == 1)
    #expect(changed.error.hasSuffix("[weight-differs]"))
    #expect(changed.error.contains("weight 'fc"))
  }

  @Test func `scales that are computed at run time are taken away`() throws {
    let folder = try TemporaryFolder()
    let configuration = #"""
      {"dynamic_quantization": true, "hp_dtype": "fp32",
       "scale_method": "act_maxabs_pcs_pow2_weight_maxabs_pts_pow2_hw"}
      """#
    try folder.write("c.json", Array(configuration.utf8))
    let made = try Command(
      ["quantize", Self.digits, "-o", "out.onnx", "--config", "c.json"], in: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let result = try Command(["verify", Self.digits, "out.onnx"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "structure: 12 operators and 10 weights are the source's\n")
  }

  @Test func `a scale that a clipped code hides is found from the equation`() throws {
    let folder = try TemporaryFolder()
    // The scale of the input, 2^-5, times that of the weight, 2^-9, is stored as one number, which as the scale
    // of the weight would give the same code: 240.
    let measurement = #"""
      {"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange", "Nodes": {
       "fc": {"inputs": [[[7.0]]], "params": {"weight": [[0.46483257]]}},
       "fc#2": {"inputs": [[[7.0]]], "params": {"weight": [[0.46483257]]}},
       "n.matmul_qk": {"inputs": [[[0.4]], [[0.4]]]}}}
      """#
    try folder.write("measure_hooks_maxabs.json", Array(measurement.utf8))
    let number = Float(0.46483257).bitPattern
    let graph = Wire.graph(
      nodes: [
        Wire.node("MatMul", ["x", "fc.weight"], ["q"]),
        Wire.node("MatMul", ["x", "fc.weight"], ["k"]),
        Wire.node("Transpose", ["k"], ["kt"]), Wire.node("MatMul", ["q", "kt"], ["qk"]),
        Wire.node("Softmax", ["qk"], ["y"]),
      ],
      initializers: [
        Wire.tensor("fc.weight", [1, 1]).data(9, (0..<4).map { UInt8(number >> ($0 * 8) & 255) })
      ],
      inputs: [Wire.value("x", [2, 1])], outputs: [Wire.value("y", [2, 2])])
    let model = try folder.write("m.onnx", Wire.model(graph).bytes)
    let made = try Command(
      [
        "quantize", model, "-o", "out.onnx", "--dump-stats-path", folder["measure"], "--hp-dtype",
        "fp32",
        "--scale-method", "act_maxabs_pow2_weights_pcs_opt_pow2",
      ], in: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let result = try Command(["verify", model, "out.onnx"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output == "structure: 5 operators and 1 weights are the source's\n")
  }

  @Test func `two weights that became one are those of the source only where they are alike`()
    throws
  {
    let folder = try TemporaryFolder()
    func model(_ name: String, _ second: Float?) throws -> String {
      func weight(_ name: String, _ value: Float) -> Wire {
        let bits = value.bitPattern
        return Wire.tensor(name, [1, 1]).data(9, (0..<4).map { UInt8(bits >> ($0 * 8) & 255) })
      }
      let graph = Wire.graph(
        nodes: [
          Wire.node("MatMul", ["x", "a"], ["y"]),
          Wire.node("MatMul", ["x", second == nil ? "a" : "b"], ["z"]),
        ],
        initializers: [weight("a", 1.5)] + (second.map { [weight("b", $0)] } ?? []),
        inputs: [Wire.value("x", [2, 1])],
        outputs: [Wire.value("y", [2, 1]), Wire.value("z", [2, 1])])
      return try folder.write("\(name).onnx", Wire.model(graph).bytes)
    }
    let made = try Command(
      ["quantize", try model("one", nil), "-o", "out.onnx", "--scale-method", "unit_scale"],
      in: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let alike = try Command(["verify", try model("alike", 1.5), "out.onnx"], in: folder.path)
    #expect(alike.status == 0, "\(alike.errors)")
    #expect(alike.output == "structure: 2 operators and 2 weights are the source's\n")
    // At twice the scale the codes would be the same.
    let twice = try Command(["verify", try model("twice", 3), "out.onnx"], in: folder.path)
    #expect(twice.status == 1)
    #expect(
      twice.error.hasSuffix("[structure-differs]") || twice.error.hasSuffix("[weight-differs]"))
  }

  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
}

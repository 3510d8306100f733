import FP8
import IR
import Support
import Testing

@testable import Targets

struct TableTests {
  // MARK: Modules

  @Test func `the default types are the thirteen of the mission`() throws {
    let table = try ModuleTable.embedded()
    #expect(
      Set(table.defaultTypes) == [
        "Matmul", "Linear", "FalconLinear", "KVCache", "Conv2d", "LoRACompatibleLinear",
        "LoRACompatibleConv", "Softmax", "ModuleFusedSDPA", "LinearLayer", "LinearAllreduce",
        "ScopedLinearAllReduce", "LmHeadLinearAllreduce",
      ])
    // 28 classes of INC's Gaudi table, the four of deepspeed (inc-fp8.md section 1.6), and behind
    // them the extensions that only an allowlist takes (decisions.md, What a module is).
    #expect(table.types.count == 40)
    #expect(
      table.types.dropFirst(32).map(\.name) == [
        "MatVec", "BatchedLinear", "Conv1d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d",
        "ConvTranspose3d", "Einsum",
      ])
  }

  @Test func `a class is found with and without its package`() throws {
    let table = try ModuleTable.embedded()
    #expect(table.kind(of: "torch.nn.Linear") == "linear")
    #expect(table.kind(of: "Conv2d") == "conv2d")
    #expect(table.kind(of: "ReLU") == nil)
    #expect(table.defaultType(of: "matmul") == "Matmul")
    let error = #expect(throws: Diagnostic.self) { try table.requireType("Linaer") }
    #expect(error?.message == "unknown module type 'Linaer'")
    #expect(error?.notes.first == "did you mean 'Linear'?")
  }

  @Test func `a linear layer under another name counts as Linear`() throws {
    let table = try ModuleTable.embedded()
    for name in [
      "torch.nn.Linear", "transformers.pytorch_utils.Conv1D", "Conv1D",
      "torch.nn.modules.linear.NonDynamicallyQuantizableLinear",
    ] {
      #expect(table.canonicalType(name) == "Linear")
      #expect(table.kind(of: name) == "linear")
    }
    #expect(try table.requireType("Conv1D").name == "Linear")
    #expect(table.canonicalType("FalconLinear") == "FalconLinear")
    #expect(table.canonicalType("Conv1d") == "Conv1d")
    #expect(!table.supportedTypes.contains("Conv1D"))
  }

  @Test func `records of a module list the ports that INC lists`() throws {
    let table = try ModuleTable.embedded()
    let attention = try #require(table.kind(named: "fused_sdpa"))
    #expect(attention.ports(measuredIn: .inputs).map(\.name) == ["query", "key", "value"])
    #expect(attention.ports(measuredIn: .outputs).map(\.name) == ["output", "amax"])
    #expect(attention.ports(scaledIn: .inputs).map(\.name) == ["query", "key", "value", "amax"])
    #expect(attention.ports(scaledIn: .outputs).map(\.name) == ["output"])
    let softmax = try #require(table.kind(named: "softmax"))
    #expect(softmax.ports(measuredIn: .inputs).map(\.name) == ["input"])
    #expect(softmax.ports(scaledIn: .inputs).isEmpty)
    #expect(table.kind(named: "b2b_matmul")?.port("other")?.range == "output")
    #expect(table.kind(named: "kv_cache")?.port("output")?.scale == .input)
    #expect(table.kind(named: "linear")?.port("output")?.scale == .product)
    let always = table.kinds.filter(\.alwaysMeasuresOutput).map(\.name)
    #expect(
      Set(always)
        == ["row_parallel_linear", "b2b_matmul", "softmax", "fused_sdpa", "dynamic_moe"])
  }

  // MARK: Methods

  @Test func `the methods decompose as in INC's table`() throws {
    let table = try MethodTable.embedded()
    #expect(table.methods.count == 14)
    let standard = try table.method("MAXABS_HW")
    #expect(
      standard.weight == ScaleChoice(value: .maxabs, rounding: .aligned, backoff: 0.5))
    #expect(
      standard.activation == ScaleChoice(value: .maxabs, rounding: .aligned, backoff: 0.25))
    let searched = try table.method("act_maxabs_pow2_weights_pcs_opt_pow2")
    #expect(searched.weight.granularity == .perChannel)
    #expect(searched.weight.value == .search)
    #expect(searched.weight.candidates == [0.125, 0.25, 0.5, 1, 2, 4, 8, 16])
    #expect(try table.method("maxabs_pow2_opt_weight").weight.candidates?.first == 0x1p-10)
    #expect(try table.method("maxabs_pow2_opt_weight").weight.candidates?.last == 512)
    #expect(table.isDynamic("maxabs_pcs_pow2"))
    #expect(!table.isDynamic("maxabs_pow2"))
    #expect(
      try table.method("without_scale").weight == table.method("unit_scale").weight)
  }

  private func plan(_ text: String) throws -> MethodPlan {
    let object = JSONReader(try JSON.parse(Array(text.utf8), file: "c.json"), file: "c.json")
    return try MethodPlan(object, try MethodTable.embedded())
  }

  /// A search that leaves its candidates out has those of the method that it is like, whatever the default
  /// has ([R-11]); what an override leaves out is the default's (inc-fp8.md section 4.8).
  @Test func `an object gives modules methods of their own`() throws {
    let plan = try plan(
      #"""
      {"default": {"weight": {"scale_value_type": "opt", "rounding_method": "HW_ALIGNED",
                              "params": {"weight_scales": [1, 2],
                                         "objective": "relative-per-channel"}},
                   "activation": {"rounding_method": "HW_ALIGNED", "backoff": 0.25}},
       "nodes": {"lm_head": {"weight": {"rounding_method": "POW2"},
                             "activation": {"rounding_method": "POW2"}}}}
      """#)
    #expect(plan.standard.name == "maxabs_hw_opt_weight")
    #expect(plan.standard.weight.candidates == [1, 2])
    #expect(plan.standard.weight.objective == .relativePerChannel)
    #expect(plan.standard.weight.backoff == 1)
    let head = plan.method(path: "lm_head", type: "Linear")
    #expect(head.name == "maxabs_pow2_opt_weight")
    #expect(head.weight.candidates?.first == 0x1p-10)
    #expect(head.activation.backoff == 0.25)
    #expect(plan.method(path: "model.lm_head", type: "Linear") == plan.standard)
    #expect(plan.needsRanges)
  }

  @Test func `choices that no method makes together are refused with the nearest`() throws {
    let error = #expect(throws: Diagnostic.self) {
      try plan(
        #"""
        {"default": {"weight": {"rounding_method": "HW_ALIGNED"},
                     "activation": {"rounding_method": "POW2"}}}
        """#)
    }
    #expect(error?.status == .configuration)
    #expect(error?.message == "'default' makes choices that no scale method makes together")
    #expect(
      error?.notes == [
        "the nearest is 'maxabs_hw': weight per-tensor, maxabs, aligned, activation per-tensor, "
          + "maxabs, aligned"
      ])
  }

  @Test func `methods with dynamic scales are for those who ask for such scales`() throws {
    let table = try MethodTable.embedded()
    let dynamic = try plan(
      #"""
      {"default": {"weight": {"granularity": "PCS", "rounding_method": "POW2"},
                   "activation": {"granularity": "PCS", "rounding_method": "POW2"}}}
      """#)
    #expect(dynamic.standard.name == "maxabs_pcs_pow2")
    try dynamic.check(isDynamic: true, table)
    let error = #expect(throws: Diagnostic.self) { try dynamic.check(isDynamic: false, table) }
    #expect(error?.message.contains("'maxabs_pcs_pow2'") == true)
    // inc-fp8.md section 3.5: the names that are left.
    let usable = [
      "maxabs_pow2", "maxabs_arbitrary", "maxabs_pow2_opt_weight",
      "act_maxabs_pow2_weights_pcs_maxabs_pow2", "act_maxabs_pow2_weights_pcs_opt_pow2",
      "act_maxabs_pcs_pow2_weight_maxabs_pts_pow2_hw", "maxabs_pcs_pow2",
    ]
    let found = table.methods.filter { method in
      (try? MethodPlan(method).check(isDynamic: true, table)) != nil
    }
    #expect(found.map(\.name) == usable)
  }

  @Test func `an unknown method is named with the nearest`() throws {
    let table = try MethodTable.embedded()
    let error = #expect(throws: Diagnostic.self) { try table.method("maxabs_hv") }
    #expect(error?.message == "unknown scale method 'maxabs_hv'")
    #expect(error?.notes.first == "did you mean 'maxabs_hw'?")
  }

  @Test func `an object in INC's words names a method`() throws {
    let table = try MethodTable.embedded()
    let text = #"{"granularity": "pcs", "scale_value_type": "MAXABS", "rounding_method": "POW2"}"#
    let weight = try table.choice(JSONReader(try JSON.parse(Array(text.utf8))))
    #expect(weight == ScaleChoice(granularity: .perChannel, value: .maxabs, rounding: .pow2))
    let activation = ScaleChoice(value: .maxabs, rounding: .aligned)
    #expect(
      table.method(weight: weight, activation: activation)?.name
        == "act_maxabs_hw_weights_pcs_maxabs_pow2")
    let wrong = JSONReader(try JSON.parse(Array(#"{"rounding_method": "POW3"}"#.utf8)))
    #expect(throws: Diagnostic.self) { try table.choice(wrong) }
  }

  // MARK: Targets

  @Test func `Gaudi2 saturates at 240 and aligns four scales`() throws {
    let target = try Target.load("gaudi2")
    #expect(target.domain == "ai.fp8c.gaudi2")
    let e4m3 = try target.limits(of: .e4m3)
    #expect(e4m3.fullscale == 240)
    #expect(e4m3.alignedScales == [0x1p-8, 0x1p-4, 1, 16])
    #expect(try target.limits(of: .e5m2).fullscale == 57344)
    #expect(target.kernel(for: "linear")?.op == "Fp8MatMul")
    #expect(target.kernel(for: "linear")?.perChannelWeights == true)
    #expect(target.kernel(for: "conv2d")?.perChannelWeights == false)
    #expect(target.kernel(for: "conv2d")?.padding == .symmetric)
    #expect(target.kernel(for: "dynamic_moe") == nil)
  }

  @Test func `Gaudi3 saturates at 448 and aligns 63 scales`() throws {
    let e4m3 = try Target.load("gaudi3").limits(of: .e4m3)
    #expect(e4m3.fullscale == 448)
    #expect(e4m3.alignedScales.count == 63)
    #expect(e4m3.alignedScales.first == 0x1p-55)
    #expect(e4m3.alignedScales.last == 128)
  }

  @Test func `every embedded target reads, and its text describes it`() throws {
    #expect(Target.names == ["gaudi2", "gaudi3", "generic"])
    for name in Target.names {
      let target = try Target.load(name)
      #expect(target.name == name)
      let text = try Target.text(name)
      #expect(try Target(JSONReader(try JSON.parse(Array(text.utf8)))) == target)
    }
  }

  @Test func `a file of one's own is read as it is`() throws {
    let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
    let path = tests + "/Data/Targets/own.json"
    #expect(try Target.load(path).name == "own")
    #expect(try Target.text(path).hasPrefix("{\n  \"name\": \"own\","))
  }

  @Test func `an unknown target is named with the nearest`() {
    let error = #expect(throws: Diagnostic.self) { try Target.load("gaudi") }
    #expect(error?.message == "unknown target 'gaudi'")
    #expect(error?.notes.first == "did you mean 'gaudi2'?")
  }

  @Test(arguments: [
    ("{\"name\": 1}", "'name' is 1, expected a string"),
    ("{\"nam\": \"x\"}", "unknown key 'nam'"),
    (
      """
      {"name": "x", "domain": "y", "highPrecision": ["bf16"],
       "formats": {"e4m3": {"fullscale": 241, "alignedScales": []}}}
      """, "fullscale 241.0 is not a positive number of format 'e4m3'"
    ),
    (
      """
      {"name": "x", "domain": "y", "highPrecision": ["bf16"],
       "formats": {"e4m3": {"fullscale": 240, "alignedScales": []}},
       "casts": {"quantize": "Q", "dequantize": "D"},
       "kernels": [{"module": "linaer", "op": "G", "perChannelWeights": true}]}
      """, "'kernels[0].module' is 'linaer', which is not accepted"
    ),
    (
      #"{"name": "x", "domain": "y", "highPrecision": ["bf17"]}"#,
      "'highPrecision[0]' is 'bf17', which is not accepted"
    ),
  ])
  func `a wrong description is refused where it is wrong`(text: String, message: String) throws {
    let reader = JSONReader(try JSON.parse(Array(text.utf8)), file: "own.json")
    let error = #expect(throws: Diagnostic.self) { try Target(reader) }
    #expect(error?.message == message)
    #expect(error?.location.file == "own.json")
  }
}

import Driver
import FP8
import FoundationEssentials
import Passes
import Support
import Targets
import TestSupport
import Testing

/// INC's configuration file: keys, values and coercions of inc-fp8.md section 1.2.
@Suite struct ConfigurationTests {
  private func read(_ text: String) throws -> Configuration {
    let folder = try TemporaryFolder()
    return try Configuration(file: try folder.write("c.json", Array(text.utf8)))
  }

  private func json(_ configuration: Configuration, _ key: String) throws -> JSON? {
    try JSONReader(configuration.json).optional(key)?.value
  }

  /// Words in any case, booleans as words, digits as text, fractions cut off, legacy names.
  @Test(arguments: [
    (#""mode": "Measure""#, "mode", #""MEASURE""#),
    (#""fp8_config": "e5m2""#, "fp8_config", #""E5M2""#),
    (#""hp_dtype": "FP16""#, "hp_dtype", #""fp16""#),
    (#""observer": "maxabs_per_channel""#, "observer", #""maxabs_per_channel""#),
    (#""measure_exclude": "none""#, "measure_exclude", #""NONE""#),
    (#""measure_exclude": "INPUT""#, "measure_exclude", #""NONE""#),
    (#""measure_exclude": "params""#, "measure_exclude", #""NONE""#),
    (#""measure_exclude": "ALL""#, "measure_exclude", #""OUTPUT""#),
    (#""whitelist": {"types": ["Linear"]}"#, "allowlist", #"{"names": [], "types": ["Linear"]}"#),
    (#""blacklist": {"names": ["lm_head"]}"#, "blocklist", #"{"names": ["lm_head"], "types": []}"#),
    (#""scale_method": "MAXABS_POW2""#, "scale_method", #""MAXABS_POW2""#),
    (#""use_qdq": "True""#, "use_qdq", "true"),
    (#""fake_quant": true"#, "fake_quant", "true"),
    (#""dynamic_quantization": "TRUE""#, "dynamic_quantization", "true"),
    (#""recalc_scales": "false""#, "recalc_scales", "false"),
    (#""ignore_modules_wo_measures": true"#, "ignore_modules_wo_measures", "true"),
    (#""device_for_scales": "GAUDI3""#, "device_for_scales", #""gaudi3""#),
    (#""device_for_scales": null"#, "device_for_scales", #""gaudi2""#),
    (#""device_for_scales": "My.json""#, "device_for_scales", #""My.json""#),
    (#""calibration_sample_interval": "50""#, "calibration_sample_interval", "50"),
    (#""calibration_sample_interval": 7.9"#, "calibration_sample_interval", "7"),
    (#""global_rank": 3, "world_size": 8"#, "world_size", "8"),
    (#""global_rank": null"#, "global_rank", "null"),
    (#""seperate_measure_files": false"#, "seperate_measure_files", "false"),
    (#""dump_stats_path": "a/b""#, "dump_stats_path", #""a/b""#),
  ])
  func `a value is read as INC reads it`(text: String, key: String, expected: String) throws {
    let configuration = try read("{\(text)}")
    #expect(try json(configuration, key)?.text(indent: nil) == expected)
    #expect("\(configuration.origin(of: key))".hasSuffix("c.json'"))
    #expect(configuration.origin(of: key == "mode" ? "observer" : "mode") == .standard)
  }

  @Test(arguments: [
    #""mode": "LOAD""#, #""mode": "NONE""#, #""mode": "SHAPE""#, #""fp8_config": "E3M4""#,
    #""observer": "MAXABS""#, #""measure_exclude": "INPUT,OUTPUT""#, #""use_qdq": 1"#,
    #""use_qdq": "yes""#, #""seperate_measure_files": "False""#, #""mod_dict": {"a": "b"}"#,
    #""scale_format": "VECTOR""#, #""scale_params": 1"#, #""measure_on_hpu": 0"#,
    #""row_parallel_linear_allreduce_quantization": true"#, #""world_size": -1"#,
    #""calibration_sample_interval": "often""#, #""allowlist": ["Linear"]"#,
    #""allowlist": {"type": ["Linear"]}"#, #""scale_method": 3"#, #""scale_method": {}"#,
    #""scale_method": {"default": {"weight": {"granularity": "PTX"}}}"#, #""hp_type": "BF16""#,
  ])
  func `what INC refuses or ignores by mistake is refused with the key`(text: String) throws {
    let error = try #require(throws: Diagnostic.self) { try read("{\(text)}") }
    #expect(error.status == .configuration)
    let key = text.split(separator: "\"")[0]
    #expect(error.message.contains("'\(key)") || error.message.contains("key 'type'"))
    #expect(error.location.file?.hasSuffix("c.json") == true)
  }

  /// What the configurations of optimum-habana and of INC itself contain (inc-fp8.md sections 1.2, 6.5).
  @Test(arguments: [
    #"{"method": "HOOKS", "mode": "MEASURE", "observer": "maxabs", "allowlist": {"types": [], "names": []}, "blocklist": {"types": [], "names": []}, "dump_stats_path": "./hqt_output/measure", "dump_stats_xlsx_path": "./hqt_output/measure/fp8stats.xlsx"}"#,
    #"{"method": "HOOKS", "mode": "QUANTIZE", "observer": "maxabs", "scale_method": "maxabs_hw", "allowlist": {"types": [], "names": []}, "blocklist": {"types": [], "names": ["matmul_qk", "matmul_av", "lm_head"]}, "dump_stats_path": "./hqt_output/measure"}"#,
    #"{"mode": "QUANTIZE", "scale_method": "ACT_MAXABS_POW2_WEIGHTS_PCS_OPT_POW2", "scale_format": "const", "quantize_weight": false, "dump_stats_path": "x"}"#,
    #"{"mode": "MEASURE", "measure_exclude": "NONE", "_json_file": "c.json", "local_rank": 1, "measure_on_hpu": true, "mod_dict": {}, "scale_params": {"input_backoff": 1}}"#,
    #"{"mode": "QUANTIZE", "fp8_config": "E4M3", "allowlist": {"types": ["torch.nn.Linear", "torch.nn.Conv2d"]}, "dump_stats_path": "./run_outputs/fp8/stats"}"#,
    #"{"$schema": "config.schema.json"}"#,
  ])
  func `configurations in use are read`(text: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("c.json", Array(text.utf8))
    let result = try Command(["quantize", "x", "-o", "y", "--config", path, "--print-config"])
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test func `printed are all values, as a file again, and where each is from`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "c.json",
      Array(#"{"hp_dtype": "FP32", "observer": "shape", "whitelist": {"names": ["a"]}}"#.utf8))
    let arguments = ["quantize", "x", "-o", "y", "--config", path, "--print-config"]
    let result = try Command(
      arguments + ["--hp-dtype", "fp16", "--qdq", "--block-type", "Softmax"])
    #expect(result.status == 0)
    for line in [
      "hp_dtype: --hp-dtype", "observer: '\(path)'", "allowlist: '\(path)'",
      "blocklist: --block-type", "use_qdq: --qdq", "mode: default",
    ] {
      #expect(result.errors.split(separator: "\n").contains { $0 == line }, "\(line)")
    }
    let printed = try folder.write("p.json", Array(result.output.utf8))
    let again = try Command(["quantize", "x", "-o", "y", "--config", printed, "--print-config"])
    #expect(again.output == result.output)
  }

  // MARK: Schemas

  private func schema(_ name: String) throws -> JSONReader {
    JSONReader(try JSON.parse(Array(try Command(["schema", name]).output.utf8)))
  }

  @Test func `the schema of configurations has the keys and words that are read`() throws {
    #expect(try Command(["schema"]).output == "config\ninspect\nmeasurement\nscale-table\ntarget\n")
    let unknown = try Command(["schema", "targets"])
    #expect(unknown.status == 64 && unknown.errors.contains("did you mean 'target'?"))
    let properties = try schema("config").member("properties")
    let keys = Configuration.keys + Configuration.checkedKeys + Configuration.ignoredKeys
    #expect(Set(try properties.members().map(\.key)) == Set(keys))
    for (key, row) in try properties.members() {
      for word in try row.optional("enum")?.items() ?? [] {
        _ = try read(#"{"\#(key)": \#(word.value.text(indent: nil))}"#)
      }
      // The default is what is left where the key is absent, in the words of the table.
      if let value = try row.optional("default"), let standard = try json(Configuration(), key) {
        let configuration = try read(#"{"\#(key)": \#(value.value.text(indent: nil))}"#)
        #expect(try json(configuration, key) == standard, "\(key)")
      }
    }
    let methods = try properties.member("scale_method").member("anyOf").items()[0].member("enum")
    let table = try MethodTable.embedded()
    for name in try methods.items() { _ = try table.method(try name.string()) }
    #expect(try methods.items().count == 2 * table.methods.count)
  }

  @Test func `the schema of targets has the keys that are read`() throws {
    let schema = try schema("target")
    let known = try schema.member("properties").members().map(\.key)
    for name in Target.names {
      let text = try Command(["targets", name]).output
      let target = JSONReader(try JSON.parse(Array(text.utf8)))
      #expect(Set(try target.members().map(\.key)).isSubset(of: known))
      for key in try schema.member("required").items() { _ = try target.member(key.string()) }
    }
    let kernel = try schema.member("$defs").member("kernel").member("properties")
    let kinds = try kernel.member("module").member("enum").items().map { try $0.string() }
    #expect(kinds == (try ModuleTable.embedded().kinds.map(\.name)))
    #expect(try kernel.members().map(\.key) == ["module", "op", "perChannelWeights", "padding"])
  }
}

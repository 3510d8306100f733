internal import FP8
internal import Passes
package import Support

extension Configuration {
  /// The keys that decide something, by INC's names.
  package static let keys = [
    "mode", "fp8_config", "hp_dtype", "observer", "measure_exclude", "allowlist", "blocklist",
    "whitelist", "blacklist", "scale_method", "use_qdq", "fake_quant", "dynamic_quantization",
    "recalc_scales", "ignore_modules_wo_measures", "device_for_scales", "dump_stats_path",
    "calibration_sample_interval", "global_rank", "world_size", "seperate_measure_files",
  ]
  /// Keys that are read and whose values are checked, and that change nothing in a static compiler.
  package static let checkedKeys = [
    "scale_format", "scale_params", "measure_on_hpu", "mod_dict",
    "row_parallel_linear_allreduce_quantization",
  ]
  /// Keys that INC overwrites or never reads; samples in use have them (inc-fp8.md section 1.2).
  package static let ignoredKeys = [
    "$schema", "local_rank", "method", "quantize_weight", "dump_stats_xlsx_path", "_json_file",
  ]

  /// Reads a configuration file.
  package init(file path: String) throws(Diagnostic) {
    let bytes = try InputFile.contents(of: path, limit: 1 << 24)
    let root = JSONReader(try JSON.parse(bytes, file: path), file: path)
    self.init()
    for (key, value) in try root.members() {
      let name = ["whitelist": "allowlist", "blacklist": "blocklist"][key] ?? key
      if try read(name, value) {
        note(name, from: .file(path))
        continue
      }
      let isKnown = try readChecked(key, value)
      guard isKnown || Self.ignoredKeys.contains(key) else {
        throw .unknownConfigurationKey(
          key, accepted: Self.keys + Self.checkedKeys + Self.ignoredKeys, file: path)
      }
    }
  }

  /// Takes the value of a key that decides something; false for others.
  private mutating func read(_ key: String, _ value: JSONReader) throws(Diagnostic) -> Bool {
    switch key {
    case "mode": mode = try Self.mode(value)
    case "fp8_config": format = try value.word(["E4M3": .e4m3, "E5M2": .e5m2])
    case "hp_dtype": hp = try value.word(["BF16": .bf16, "FP16": .fp16, "FP32": .fp32])
    case "observer": observer = try value.choice(of: ObserverKind.self)
    case "measure_exclude":
      // Inputs and weights are measured whatever it says (inc-fp8.md section 5.2).
      measuresOutputs = try value.word([
        "NONE": true, "INPUT": true, "OUTPUT": false, "PARAMS": true, "ALL": false,
      ])
    case "allowlist": try value.list(names: &allowedNames, types: &allowedTypes)
    case "blocklist": try value.list(names: &blockedNames, types: &blockedTypes)
    case "scale_method":
      if case .object = value.value {
        try setMethods(value)
      } else {
        setMethod(try value.string())
      }
    case "use_qdq": usesQDQ = try value.flag()
    case "fake_quant": isFake = try value.flag()
    case "dynamic_quantization": isDynamic = try value.flag()
    case "recalc_scales": recalculatesScales = try value.flag()
    case "ignore_modules_wo_measures": ignoresUnmeasured = try value.flag()
    case "device_for_scales":
      if !value.isNull {
        let name = try value.string()
        target = name.hasSuffix(".json") ? name : name.lowercased()
      }
    case "dump_stats_path": dumpStatsPath = try value.string()
    case "calibration_sample_interval": sampleInterval = try value.count()
    case "global_rank": globalRank = value.isNull ? nil : try value.count()
    case "world_size": worldSize = value.isNull ? nil : try value.count()
    case "seperate_measure_files": separatesRanks = try value.bool()
    default: return false
    }
    return true
  }

  /// Looks at the value of a key that changes nothing; false for others.
  private func readChecked(_ key: String, _ value: JSONReader) throws(Diagnostic) -> Bool {
    switch key {
    case "scale_format": _ = try value.word(["CONST": true, "SCALAR": true])
    case "scale_params": _ = try value.members()
    case "measure_on_hpu": _ = try value.flag()
    case "mod_dict":
      guard try value.members().isEmpty else { throw value.wrongType("an empty object") }
    case "row_parallel_linear_allreduce_quantization":
      guard try !value.flag() else {
        throw .unsupportedKey(
          value, "INC cannot build modules for it, and a reduction in FP8 is no part of a graph")
      }
    default: return false
    }
    return true
  }

  private static func mode(_ value: JSONReader) throws(Diagnostic) -> Mode {
    switch try value.string().uppercased() {
    case "SHAPE":
      throw .unsupportedKey(value, "'observer' with the value 'shape' records shapes")
    case "LOAD":
      throw .unsupportedKey(value, "an FP8 model is a file of its own and is loaded as such")
    case "NONE": throw .unsupportedKey(value, "it does nothing")
    default: return try value.word(["MEASURE": .measure, "QUANTIZE": .quantize, "AUTO": .auto])
    }
  }
}

extension JSONReader {
  /// One of a few words, whatever its case.
  fileprivate func word<Meaning>(
    _ words: KeyValuePairs<String, Meaning>
  ) throws(Diagnostic) -> Meaning {
    let text = try string().uppercased()
    for (word, meaning) in words where word == text { return meaning }
    throw notOneOf(words.map(\.key))
  }

  /// A boolean, or INC's words for one.
  fileprivate func flag() throws(Diagnostic) -> Bool {
    if case .bool(let flag) = value { return flag }
    guard case .string(let text) = value else { throw wrongType("true or false") }
    switch text.uppercased() {
    case "TRUE": return true
    case "FALSE": return false
    default: throw notOneOf(["true", "false"])
    }
  }

  /// A whole number that is not negative; as INC does, a fraction is cut off and digits may be a string.
  fileprivate func count() throws(Diagnostic) -> Int {
    var number: Int?
    switch value {
    case .number(let given): number = Int(exactly: given.double.rounded(.towardZero))
    case .string(let text): number = Int(text)
    case .null, .bool, .array, .object: break
    }
    guard let number, number >= 0 else {
      throw wrongType("a whole number that is not negative")
    }
    return number
  }

  fileprivate func list(
    names: inout [String], types: inout [String]
  ) throws(Diagnostic) {
    try onlyKeys(["names", "types"])
    if let items = try optional("names")?.items() {
      names = try items.map { (item) throws(Diagnostic) in try item.string() }
    }
    if let items = try optional("types")?.items() {
      types = try items.map { (item) throws(Diagnostic) in try item.string() }
    }
  }
}

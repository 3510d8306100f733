package import FP8
package import Measurements
internal import Passes
package import Support
package import Targets

/// What INC's configuration says, with the defaults of the mission's table.
///
/// Read from INC's JSON (inc-fp8.md section 1.2); options of the command line are laid over it.
package struct Configuration: Equatable, Sendable {
  package enum Mode: String, CaseIterable, Sendable {
    case measure = "MEASURE"
    case quantize = "QUANTIZE"
    case auto = "AUTO"
  }

  package var mode = Mode.auto
  package var format = FP8Format.e4m3
  package var hp = HighPrecision.bf16
  package var observer = "maxabs"
  /// True where the outputs of every module are measured too.
  package var measuresOutputs = false
  package var allowedNames: [String] = []
  package var allowedTypes: [String] = []
  package var blockedNames: [String] = []
  package var blockedTypes: [String] = []
  package var scaleMethod = "maxabs_hw"
  /// INC's object form of `scale_method`, and the methods that it gives to modules.
  private var methodObject: JSON?
  package private(set) var methodPlan: MethodPlan?
  package var usesQDQ = false
  /// Scales of an earlier run are not used again.
  package var recalculatesScales = false
  /// Scales of activations are computed when the model runs, and nothing is measured.
  package var isDynamic = false
  package var ignoresUnmeasured = false
  package var target = "gaudi2"
  package var dumpStatsPath = "./hqt_output/measure"
  package var globalRank: Int?
  package var worldSize: Int?
  /// False where all ranks share one file.
  package var separatesRanks = true

  package init() {}

  /// Every key of INC's configuration; those in the second list change nothing in a static compiler.
  private static let keys = [
    "mode", "fp8_config", "hp_dtype", "observer", "measure_exclude", "allowlist", "blocklist",
    "whitelist", "blacklist", "scale_method", "use_qdq", "dump_stats_path", "device_for_scales",
    "dynamic_quantization", "recalc_scales", "ignore_modules_wo_measures", "global_rank",
    "world_size",
    "seperate_measure_files",
  ]
  private static let withoutEffect = [
    "scale_params", "scale_format", "fake_quant", "measure_on_hpu", "method",
    "local_rank",
  ]

  /// Reads a configuration file.
  package init(file path: String) throws(Diagnostic) {
    let bytes = try InputFile.contents(of: path, limit: 1 << 24)
    let root = JSONReader(try JSON.parse(bytes, file: path), file: path)
    for member in try root.members() {
      try read(member.key, member.value)
    }
  }

  private mutating func read(_ key: String, _ value: JSONReader) throws(Diagnostic) {
    switch key {
    case "mode":
      mode = try word(value, ["MEASURE": .measure, "QUANTIZE": .quantize, "AUTO": .auto])
    case "fp8_config": format = try word(value, ["E4M3": .e4m3, "E5M2": .e5m2])
    case "hp_dtype":
      hp = try word(value, ["BF16": .bf16, "FP16": .fp16, "FP32": .fp32])
    case "observer":
      guard try value.string() == "maxabs" else { throw value.notOneOf(["maxabs"]) }
    case "measure_exclude":
      measuresOutputs = try word(value, ["NONE": true, "OUTPUT": false])
    case "allowlist", "whitelist":
      try list(value, names: &allowedNames, types: &allowedTypes)
    case "blocklist", "blacklist":
      try list(value, names: &blockedNames, types: &blockedTypes)
    case "scale_method":
      guard case .object = value.value else {
        scaleMethod = try value.string()
        return
      }
      let plan = try MethodPlan(value, try MethodTable.embedded())
      (scaleMethod, methodObject, methodPlan) = (plan.standard.name, value.value, plan)
    case "dynamic_quantization": isDynamic = try flag(value)
    case "recalc_scales": recalculatesScales = try flag(value)
    case "use_qdq": usesQDQ = try flag(value)
    case "ignore_modules_wo_measures": ignoresUnmeasured = try flag(value)
    case "dump_stats_path": dumpStatsPath = try value.string()
    case "global_rank": globalRank = value.isNull ? nil : try value.count()
    case "world_size": worldSize = value.isNull ? nil : try value.count()
    case "seperate_measure_files": separatesRanks = try flag(value)
    case "device_for_scales": if !value.isNull { target = try value.string().lowercased() }
    default:
      guard Configuration.withoutEffect.contains(key) else {
        throw value.unknownKey(key, accepted: Configuration.keys + Configuration.withoutEffect)
      }
      if key == "fake_quant", try flag(value) { throw value.notOneOf(["false"]) }
    }
  }

  /// One of a few words, whatever its case.
  private func word<Meaning>(
    _ value: JSONReader, _ words: KeyValuePairs<String, Meaning>
  ) throws(Diagnostic) -> Meaning {
    let text = try value.string().uppercased()
    for (word, meaning) in words where word == text { return meaning }
    throw value.notOneOf(words.map(\.key))
  }

  /// A boolean, or INC's words for one.
  private func flag(_ value: JSONReader) throws(Diagnostic) -> Bool {
    if case .bool(let flag) = value.value { return flag }
    return try word(value, ["TRUE": true, "FALSE": false])
  }

  private func list(
    _ value: JSONReader, names: inout [String], types: inout [String]
  ) throws(Diagnostic) {
    try value.onlyKeys(["names", "types"])
    if let items = try value.optional("names")?.items() {
      names = try items.map { (item) throws(Diagnostic) in try item.string() }
    }
    if let items = try value.optional("types")?.items() {
      types = try items.map { (item) throws(Diagnostic) in try item.string() }
    }
  }

  /// One method for every module, in the place of what a file says.
  package mutating func setMethod(_ name: String) {
    (scaleMethod, methodObject, methodPlan) = (name, nil, nil)
  }

  /// The files of this run, of its rank where it is one of several.
  package var files: MeasurementFiles {
    let rank = globalRank.flatMap { rank in
      worldSize.map { Rank(rank: rank, worldSize: $0) }
    }
    return MeasurementFiles(
      prefix: dumpStatsPath, observer: observer, rank: separatesRanks ? rank : nil)
  }

  /// The configuration in INC's keys, defaults included.
  package var json: JSON {
    func strings(_ items: [String]) -> JSON { .array(items.map { .string($0) }) }
    return .object([
      "mode": .string(mode.rawValue),
      "fp8_config": .string(format == .e4m3 ? "E4M3" : "E5M2"),
      "hp_dtype": .string(hp.rawValue),
      "observer": .string(observer),
      "measure_exclude": .string(measuresOutputs ? "NONE" : "OUTPUT"),
      "allowlist": .object(["names": strings(allowedNames), "types": strings(allowedTypes)]),
      "blocklist": .object(["names": strings(blockedNames), "types": strings(blockedTypes)]),
      "scale_method": methodObject ?? .string(scaleMethod),
      "use_qdq": .bool(usesQDQ),
      "dynamic_quantization": .bool(isDynamic),
      "recalc_scales": .bool(recalculatesScales),
      "ignore_modules_wo_measures": .bool(ignoresUnmeasured),
      "device_for_scales": .string(target),
      "dump_stats_path": .string(dumpStatsPath),
      "global_rank": globalRank.map { .number($0) } ?? .null,
      "world_size": worldSize.map { .number($0) } ?? .null,
      "seperate_measure_files": .bool(separatesRanks),
    ])
  }
}

extension JSONReader {
  /// A whole number that is not negative.
  fileprivate func count() throws(Diagnostic) -> Int {
    guard let number = Int(exactly: try double()), number >= 0 else {
      throw wrongType("a whole number that is not negative")
    }
    return number
  }

  fileprivate func unknownKey(_ key: String, accepted: [String]) -> Diagnostic {
    .unknownConfigurationKey(key, accepted: accepted, file: file)
  }
}

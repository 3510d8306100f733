package import FP8
package import Measurements
package import Passes
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

  /// Where a value is from.
  package enum Origin: Equatable, Sendable, CustomStringConvertible {
    case standard
    case file(String)
    /// Of the command line.
    case option(String)

    package var description: String {
      switch self {
      case .standard: "default"
      case .file(let path): "'\(path)'"
      case .option(let name): name
      }
    }
  }

  package var mode = Mode.auto
  package var format = FP8Format.e4m3
  package var hp = HighPrecision.bf16
  package var observer = ObserverKind.maxabs
  /// True where the outputs of every module are measured too.
  package var measuresOutputs = false
  package var allowedNames: [String] = []
  package var allowedTypes: [String] = []
  package var blockedNames: [String] = []
  package var blockedTypes: [String] = []
  package var scaleMethod = "maxabs_hw"
  /// INC's object form of `scale_method`, and the methods that it gives to modules.
  var methodObject: JSON?
  package var methodPlan: MethodPlan?
  package var usesQDQ = false
  /// INC quantizes and dequantizes values where they are used; so does the form with QuantizeLinear.
  package var isFake = false
  /// Scales of activations are computed when the model runs, and nothing is measured.
  package var isDynamic = false
  /// Scales of an earlier run are not used again.
  package var recalculatesScales = false
  package var ignoresUnmeasured = false
  package var target = "gaudi2"
  package var dumpStatsPath = "./hqt_output/measure"
  /// After how many batches the measurement is written meanwhile; 0 for never.
  package var sampleInterval = 0
  package var globalRank: Int?
  package var worldSize: Int?
  /// False where all ranks share one file.
  package var separatesRanks = true
  private var origins: [String: Origin] = [:]

  package init() {}

  /// Notes where the value of a key is from.
  package mutating func note(_ key: String, from origin: Origin) { origins[key] = origin }

  package func origin(of key: String) -> Origin { origins[key] ?? .standard }

  /// One method for every module, in the place of what a file says.
  package mutating func setMethod(_ name: String) {
    (scaleMethod, methodObject, methodPlan) = (name, nil, nil)
  }

  /// Reads the object form of `scale_method`.
  mutating func setMethods(_ object: JSONReader) throws(Diagnostic) {
    let plan = try MethodPlan(object, try MethodTable.embedded())
    (scaleMethod, methodObject, methodPlan) = (plan.standard.name, object.value, plan)
  }

  /// The files of this run, of its rank where it is one of several.
  package var files: MeasurementFiles {
    let rank = globalRank.flatMap { rank in
      worldSize.map { Rank(rank: rank, worldSize: $0) }
    }
    return MeasurementFiles(
      prefix: dumpStatsPath, observer: observer.rawValue, rank: separatesRanks ? rank : nil)
  }

  /// The configuration in INC's keys, defaults included; keys without an effect are left out.
  package var json: JSON {
    func strings(_ items: [String]) -> JSON { .array(items.map { .string($0) }) }
    return .object([
      "mode": .string(mode.rawValue),
      "fp8_config": .string(format == .e4m3 ? "E4M3" : "E5M2"),
      "hp_dtype": .string(hp.rawValue),
      "observer": .string(observer.rawValue),
      "measure_exclude": .string(measuresOutputs ? "NONE" : "OUTPUT"),
      "allowlist": .object(["names": strings(allowedNames), "types": strings(allowedTypes)]),
      "blocklist": .object(["names": strings(blockedNames), "types": strings(blockedTypes)]),
      "scale_method": methodObject ?? .string(scaleMethod),
      "use_qdq": .bool(usesQDQ),
      "fake_quant": .bool(isFake),
      "dynamic_quantization": .bool(isDynamic),
      "recalc_scales": .bool(recalculatesScales),
      "ignore_modules_wo_measures": .bool(ignoresUnmeasured),
      "device_for_scales": .string(target),
      "dump_stats_path": .string(dumpStatsPath),
      "calibration_sample_interval": .number(sampleInterval),
      "global_rank": globalRank.map { .number($0) } ?? .null,
      "world_size": worldSize.map { .number($0) } ?? .null,
      "seperate_measure_files": .bool(separatesRanks),
    ])
  }

  /// The keys of `json`, each with its origin.
  package var provenance: [(key: String, origin: Origin)] {
    guard case .object(let members) = json else { return [] }
    return members.map { ($0.key, origin(of: $0.key)) }
  }
}

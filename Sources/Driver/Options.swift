package import FP8
package import Passes
package import Support

/// What a command was asked to do; a `nil` leaves the choice to the configuration file or a default.
package struct Options: Sendable {
  package var model = ""
  package var output: String?
  package var config: String?
  package var mode: Configuration.Mode?
  package var format: FP8Format?
  package var hp: HighPrecision?
  package var scaleMethod: String?
  package var observer: ObserverKind?
  package var measuresOutputs: Bool?
  package var allowedNames: [String] = []
  package var allowedTypes: [String] = []
  package var blockedNames: [String] = []
  package var blockedTypes: [String] = []
  package var dumpStatsPath: String?
  /// A file of the model's names for measured modules.
  package var moduleMap: String?
  /// Parents of measured names to exchange, as `OLD=NEW`.
  package var modulePrefixes: [String] = []
  package var target: String?
  package var usesQDQ = false
  package var calibration: [String] = []
  /// Which of the batches to measure.
  package var shard: Shard?
  package var scales: String?
  /// What the quantized model has to reach.
  package var budget: Budget?
  /// The right answers for the batches, `FILE.npz:KEY`.
  package var labels: String?
  package var ir: String?
  package var printBefore: [String] = []
  package var printAfter: [String] = []
  /// What `--explain` asks about; `all` for everything.
  package var explain: String?
  package var depfile: String?
  /// The record of what a later run may take over.
  package var incremental: String?
  package var externalData = ExternalData.auto
  package var externalDataThreshold: Int64 = 1024
  package var jobs: Int?
  /// In bytes.
  package var memoryLimit: Int64?
  package var isVerbose = false
  package var showsStatistics = false
  package var showsTiming = false
  package var printsConfiguration = false
  package var arithmetic: ScaleArithmetic?
  package var weightsViaHP = false
  package var allowsNonFinite = false
  package var hasFP8Cache = false
  package var printsTable = false
  package var printsDependencies = false
  package var syncs = true
  package var onnxruntime: String?

  package init() {}

  package enum ExternalData: String, CaseIterable, Sendable {
    case never
    /// Beside the model where all weights together are above 1 GiB.
    case auto
    case always
  }

  /// The configuration: the file's, with the options given laid over it.
  ///
  /// Without `--config` the file is named by FP8C_CONFIG or, as INC has it, QUANT_CONFIG.
  package func configuration(
    environment: (String) -> String?
  ) throws(Diagnostic) -> (Configuration, file: String?) {
    let file = config ?? environment("FP8C_CONFIG") ?? environment("QUANT_CONFIG")
    var configuration = Configuration()
    if let file { configuration = try Configuration(file: file) }
    func set(_ key: String, by option: String, _ change: (inout Configuration) -> Void) {
      change(&configuration)
      configuration.note(key, from: .option(option))
    }
    if let mode { set("mode", by: "--mode") { $0.mode = mode } }
    if let format { set("fp8_config", by: "--fp8-config") { $0.format = format } }
    if let hp { set("hp_dtype", by: "--hp-dtype") { $0.hp = hp } }
    if let observer { set("observer", by: "--observer") { $0.observer = observer } }
    if let scaleMethod {
      set("scale_method", by: "--scale-method") { $0.setMethod(scaleMethod) }
    }
    if let measuresOutputs {
      set("measure_exclude", by: "--measure-exclude") { $0.measuresOutputs = measuresOutputs }
    }
    if !allowedNames.isEmpty || !allowedTypes.isEmpty {
      set("allowlist", by: allowedNames.isEmpty ? "--allow-type" : "--allow-name") {
        $0.allowedNames = allowedNames
        $0.allowedTypes = allowedTypes
      }
    }
    if !blockedNames.isEmpty || !blockedTypes.isEmpty {
      set("blocklist", by: blockedNames.isEmpty ? "--block-type" : "--block-name") {
        $0.blockedNames = blockedNames
        $0.blockedTypes = blockedTypes
      }
    }
    if let dumpStatsPath {
      set("dump_stats_path", by: "--dump-stats-path") { $0.dumpStatsPath = dumpStatsPath }
    }
    if let target { set("device_for_scales", by: "--target") { $0.target = target } }
    if usesQDQ { set("use_qdq", by: "--qdq") { $0.usesQDQ = true } }
    return (configuration, file)
  }
}

package import FP8
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
  package var scales: String?
  package var ir: String?
  package var printBefore: [String] = []
  package var printAfter: [String] = []
  /// What `--explain` asks about; `all` for everything.
  package var explain: String?
  package var depfile: String?
  package var externalData = ExternalData.auto
  package var externalDataThreshold: Int64 = 1024
  package var jobs: Int?
  package var progress = Progress.auto
  package var isQuiet = false
  package var isVerbose = false
  package var showsStatistics = false
  package var showsTiming = false
  package var printsConfiguration = false
  package var arithmetic: ScaleArithmetic?
  package var weightsViaHP = false
  package var allowsNonFinite = false
  package var hasFP8Cache = false
  package var printsTable = false
  package var syncs = true
  package var onnxruntime: String?

  package init() {}

  package enum ExternalData: String, CaseIterable, Sendable {
    case never
    /// Beside the model where all weights together are above 1 GiB.
    case auto
    case always
  }

  package enum Progress: String, CaseIterable, Sendable {
    case auto
    case always
    case never
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
    if let mode { configuration.mode = mode }
    if let format { configuration.format = format }
    if let hp { configuration.hp = hp }
    if let scaleMethod { configuration.setMethod(scaleMethod) }
    if let measuresOutputs { configuration.measuresOutputs = measuresOutputs }
    if !allowedNames.isEmpty || !allowedTypes.isEmpty {
      configuration.allowedNames = allowedNames
      configuration.allowedTypes = allowedTypes
    }
    if !blockedNames.isEmpty || !blockedTypes.isEmpty {
      configuration.blockedNames = blockedNames
      configuration.blockedTypes = blockedTypes
    }
    if let dumpStatsPath { configuration.dumpStatsPath = dumpStatsPath }
    if let target { configuration.target = target }
    if usesQDQ { configuration.usesQDQ = true }
    return (configuration, file)
  }
}

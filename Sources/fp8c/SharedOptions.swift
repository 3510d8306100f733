internal import ArgumentParser
internal import Driver
internal import FP8
internal import Passes
internal import Support

/// The options that compile, measure and quantize share (cli.md section 2).
struct SharedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The configuration of Intel Neural Compressor, a JSON file.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var config: String?

  @Option(
    name: .customLong("fp8-config"),
    help: ArgumentHelp("E4M3 or E5M2 (default: E4M3).", valueName: "format"))
  var format: FP8Spelling?

  @Option(
    help: ArgumentHelp(
      "The type of what is not FP8: bf16, fp16 or fp32 (default: bf16).", valueName: "type"))
  var hpDtype: HPSpelling?

  @Option(help: ArgumentHelp("How scales are chosen (default: maxabs_hw).", valueName: "name"))
  var scaleMethod: String?

  @Option(
    help: ArgumentHelp(
      "What is measured: maxabs, maxabs_per_channel, save or shape (default: maxabs).",
      valueName: "kind"))
  var observer: ObserverSpelling?

  @Option(
    help: ArgumentHelp(
      "OUTPUT and ALL leave outputs out; NONE, INPUT and PARAMS do not (default: OUTPUT).",
      valueName: "what"))
  var measureExclude: ExcludeSpelling?

  @Option(
    help: ArgumentHelp(
      "Take modules whose path matches this regular expression (repeatable).", valueName: "regex"))
  var allowName: [String] = []

  @Option(help: ArgumentHelp("Take modules of this type (repeatable).", valueName: "type"))
  var allowType: [String] = []

  @Option(
    help: ArgumentHelp(
      "Leave modules whose path matches this regular expression (repeatable).", valueName: "regex"))
  var blockName: [String] = []

  @Option(help: ArgumentHelp("Leave modules of this type (repeatable).", valueName: "type"))
  var blockType: [String] = []

  @Option(
    help: ArgumentHelp(
      "Folder and prefix of measurement files (default: ./hqt_output/measure).", valueName: "prefix"
    ))
  var dumpStatsPath: String?

  @Option(
    help: ArgumentHelp(
      "A target by name, or its description as a file (default: gaudi2).", valueName: "target"),
    completion: .file(extensions: ["json"]))
  var target: String?

  @Flag(help: "Write QuantizeLinear and DequantizeLinear instead of the target's operators.")
  var qdq = false

  @Option(
    help: ArgumentHelp(
      "Batches to measure: .npz, a folder of them, or test_data_set_* (repeatable).",
      valueName: "path"), completion: .file(extensions: ["npz"]))
  var calibration: [String] = []

  @Option(
    help: ArgumentHelp(
      "Where the scale table goes (default: OUT with .scales.json for .onnx).", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var scales: String?

  @Option(
    help: ArgumentHelp("Where the final graph goes as text.", valueName: "file"),
    completion: .file(extensions: ["ir"]))
  var ir: String?

  @Option(
    help: ArgumentHelp(
      "Print the graph after this pass, or after all (repeatable).", valueName: "pass"))
  var printIrAfter: [String] = []

  @Option(
    help: ArgumentHelp(
      "Print the graph before this pass, or before all (repeatable).", valueName: "pass"))
  var printIrBefore: [String] = []

  @Option(
    help: ArgumentHelp(
      "Say why nodes were or were not taken: all, or those of a kind, type, path or name.",
      valueName: "subject"))
  var explain: String?

  @Option(
    help: ArgumentHelp(
      "A JSON object of the model's names by the measurement's.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var moduleMap: String?

  @Option(
    help: ArgumentHelp(
      "Exchange parents of measured names, OLD=NEW; an empty one drops or adds (repeatable).",
      valueName: "old=new"))
  var modulePrefixMap: [String] = []

  @Option(
    help: ArgumentHelp("Where a dependency file for Make and Ninja goes.", valueName: "file"),
    completion: .file())
  var depfile: String?

  @Option(
    help: ArgumentHelp(
      "Take over from the last run what did not change; the file remembers what that was.",
      valueName: "file"),
    completion: .file())
  var incremental: String?

  @Option(
    help: ArgumentHelp(
      "Keep weights in a file beside the model: never, auto or always.", valueName: "when"))
  var externalData: ExternalSpelling = .auto

  @Option(
    help: ArgumentHelp("Weights below this many bytes stay inside the model.", valueName: "bytes"))
  var externalDataThreshold: Int64 = 1024

  @Option(help: ArgumentHelp("How many processors to use (default: all).", valueName: "count"))
  var jobs: Int?

  @Option(
    help: ArgumentHelp(
      "Memory to keep to, in bytes or with K, M or G behind; too little is refused at the start.",
      valueName: "size"),
    transform: { try SharedOptions.size($0) })
  var memoryLimit: Int64?

  @OptionGroup var messages: MessageSettings

  @Flag(name: .customShort("v"), help: "Say more.")
  var verbose = false

  @Flag(help: "Print what every pass counted.")
  var statistics = false

  @Flag(help: "Print how long every pass took.")
  var timing = false

  @Flag(help: "Print the resolved configuration and end.")
  var printConfig = false

  @Option(
    help: ArgumentHelp(
      "Compute scales as the device does, or exactly: device or exact.", valueName: "arithmetic"))
  var scaleArithmetic: ArithmeticSpelling?

  @Flag(help: "Round weights to the high precision type before FP8, as INC does.")
  var weightsViaHp = false

  @Flag(help: "Accept weights and ranges that are NaN or infinite.")
  var allowNonfinite = false

  @Flag(
    name: .customLong("fp8-kv-cache"),
    help: "Let caches of keys and values enter and leave the graph as FP8 codes.")
  var fp8Cache = false

  @Flag(help: "Do not wait for the disk.")
  var noSync = false

  @Option(
    help: ArgumentHelp("The shared library of ONNX Runtime.", valueName: "file"),
    completion: .file(extensions: ["so"]))
  var onnxruntime: String?

  func validate() throws {
    if let jobs, jobs < 1 {
      throw ValidationError("option '--jobs' has the value '\(jobs)', expected a number above zero")
    }
  }

  /// Bytes as people write them: `512M` is 512 times 2^20.
  private static func size(_ text: String) throws -> Int64 {
    let units: [Character: Int64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    let unit = text.last.flatMap { units[$0] }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard digits.allSatisfy({ ("0"..."9").contains($0) }), let count = Int64(digits), count > 0,
      case let (bytes, overflow) = count.multipliedReportingOverflow(by: unit ?? 1), !overflow
    else {
      throw ValidationError(
        "expected a number of bytes above zero, with K, M or G behind it or not")
    }
    return bytes
  }

  /// The driver's options; `model` and `output` are the command's own.
  func options(model: String, output: String? = nil) -> Options {
    var options = Options()
    options.model = model
    options.output = output
    options.config = config
    options.format = format?.value
    options.hp = hpDtype?.value
    options.scaleMethod = scaleMethod
    options.observer = observer?.value
    options.measuresOutputs = measureExclude.map { $0 != .output && $0 != .all }
    options.allowedNames = allowName
    options.allowedTypes = allowType
    options.blockedNames = blockName
    options.blockedTypes = blockType
    options.dumpStatsPath = dumpStatsPath
    options.moduleMap = moduleMap
    options.modulePrefixes = modulePrefixMap
    options.target = target
    options.usesQDQ = qdq
    options.calibration = calibration
    options.scales = scales
    options.ir = ir
    options.printBefore = printIrBefore
    options.printAfter = printIrAfter
    options.explain = explain
    options.depfile = depfile
    options.incremental = incremental
    options.externalData = externalData.value
    options.externalDataThreshold = externalDataThreshold
    options.jobs = jobs
    options.memoryLimit = memoryLimit
    options.isVerbose = verbose
    options.showsStatistics = statistics
    options.showsTiming = timing
    options.printsConfiguration = printConfig
    options.arithmetic = scaleArithmetic?.value
    options.weightsViaHP = weightsViaHp
    options.allowsNonFinite = allowNonfinite
    options.hasFP8Cache = fp8Cache
    options.syncs = !noSync
    options.onnxruntime = onnxruntime
    return options
  }
}

enum FP8Spelling: String, ExpressibleByArgument, CaseIterable {
  case e4m3 = "E4M3"
  case e5m2 = "E5M2"

  init?(argument: String) { self.init(rawValue: argument.uppercased()) }

  var value: FP8Format {
    switch self {
    case .e4m3: .e4m3
    case .e5m2: .e5m2
    }
  }
}

enum HPSpelling: String, ExpressibleByArgument, CaseIterable {
  case bf16
  case fp16
  case fp32

  init?(argument: String) { self.init(rawValue: argument.lowercased()) }

  var value: HighPrecision {
    switch self {
    case .bf16: .bf16
    case .fp16: .fp16
    case .fp32: .fp32
    }
  }
}

enum ObserverSpelling: String, ExpressibleByArgument, CaseIterable {
  case maxabs
  case maxabsPerChannel = "maxabs_per_channel"
  case save
  case shape

  var value: ObserverKind {
    switch self {
    case .maxabs: .maxabs
    case .maxabsPerChannel: .maxabsPerChannel
    case .save: .save
    case .shape: .shape
    }
  }
}

enum ExcludeSpelling: String, ExpressibleByArgument, CaseIterable {
  case none = "NONE"
  case input = "INPUT"
  case output = "OUTPUT"
  case params = "PARAMS"
  case all = "ALL"

  init?(argument: String) { self.init(rawValue: argument.uppercased()) }
}

enum ExternalSpelling: String, ExpressibleByArgument, CaseIterable {
  case never
  case auto
  case always

  var value: Options.ExternalData {
    switch self {
    case .never: .never
    case .auto: .auto
    case .always: .always
    }
  }
}

enum ArithmeticSpelling: String, ExpressibleByArgument, CaseIterable {
  case device
  case exact

  var value: ScaleArithmetic {
    switch self {
    case .device: .device
    case .exact: .exact
    }
  }
}

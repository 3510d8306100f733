internal import ArgumentParser
internal import Driver
internal import Support

struct Compile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures where needed and quantizes: the whole job.")

  @Argument(help: "The model, binary ONNX.") var model: String
  @Option(name: .short, help: "Where the FP8 model goes.") var output: String
  @Option(help: "MEASURE, QUANTIZE or AUTO (default: AUTO).") var mode: ModeSpelling?
  @OptionGroup var shared: SharedOptions

  func run() throws {
    var options = shared.options(model: model, output: output)
    options.mode = mode?.value
    let chosen = options
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: chosen, console: console).compile()
    }
  }
}

enum ModeSpelling: String, ExpressibleByArgument, CaseIterable {
  case measure = "MEASURE"
  case quantize = "QUANTIZE"
  case auto = "AUTO"

  init?(argument: String) { self.init(rawValue: argument.uppercased()) }

  var value: Configuration.Mode {
    switch self {
    case .measure: .measure
    case .quantize: .quantize
    case .auto: .auto
    }
  }
}

struct Measure: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs the calibration batches and writes the measurement files.")

  @Argument(help: "The model, binary ONNX.") var model: String
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: model), console: console).measure()
    }
  }
}

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads the measurements and writes the FP8 model and its scale table.")

  @Argument(help: "The model, binary ONNX.") var model: String
  @Option(name: .short, help: "Where the FP8 model goes.") var output: String
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: model, output: output), console: console)
        .quantize()
    }
  }
}

struct Instrument: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes the model with observers, for a runtime of your own.")

  @Argument(help: "The model, binary ONNX.") var model: String
  @Option(name: .short, help: "Where the model with observers goes.") var output: String
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: model, output: output), console: console)
        .instrument()
    }
  }
}

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns what such observers gave into the measurement files.")

  @Argument(help: "The model that was given observers, binary ONNX.") var model: String
  @Argument(
    help: "Archives of the observers' outputs by name: a number each, or one for every batch.")
  var observed: [String]
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: model), console: console).collect(observed)
    }
  }
}

struct Unify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Takes the largest ranges of several ranks or shards.")

  @Argument(help: "Measurement files, INC's JSON or NPZ, in the order of their ranks.")
  var measurements: [String]
  @Option(name: .short, help: "Where the measurement of all goes.") var output: String
  @Option(help: "Make so many measurements, each of ranks in a row, as OUT_<group>_<groups>.")
  var groups = 1
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: "", output: output), console: console)
        .unify(measurements, groups: groups)
    }
  }
}

struct Scales: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns a measurement file into a scale file; needs no model.")

  @Argument(help: "A measurement file, INC's JSON or NPZ.") var measurement: String
  @Option(name: .short, help: "Where the scale file goes.") var output: String
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: measurement, output: output), console: console)
        .scales()
    }
  }
}

struct AlignKV: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "align-kv",
    abstract: "Gives products of attention the measured ranges of the caches that they read.")

  @Argument(help: "A measurement file, INC's JSON or NPZ.") var measurement: String
  @Option(name: .short, help: "Where the aligned measurement goes.") var output: String
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: measurement, output: output), console: console)
        .alignCaches()
    }
  }
}

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists every module found, and why other nodes were left.")

  @Argument(help: "The model, binary ONNX.") var model: String
  @Flag(help: "Print columns for people instead of JSON.") var table = false
  @Flag(help: "Print the files that compile with these options reads, one a line, and end.")
  var printDeps = false
  @OptionGroup var shared: SharedOptions

  func run() throws {
    var options = shared.options(model: model)
    options.printsTable = table
    options.printsDependencies = printDeps
    let chosen = options
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: chosen, console: console).inspect()
    }
  }
}

struct Opt: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs named passes over textual IR or ONNX and prints textual IR.")

  @Argument(help: "A model, binary ONNX or .ir.") var input: String
  @Option(help: "The passes: P1,P2{option=value}.") var passes: String
  @Option(name: .short, help: "Where the text goes (default: standard output).")
  var output: String?
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      try Compiler(options: shared.options(model: input, output: output), console: console)
        .opt(passes: passes)
    }
  }
}

struct Print: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the stable text form; weights as type and digest.")

  @Argument(help: "A model, binary ONNX or .ir.") var model: String
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      var options = Options()
      options.model = model
      return try Compiler(options: options, console: console).printModel()
    }
  }
}

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what changed from one model or table to another; status 1 where anything did.")

  @Argument(help: "A model, binary ONNX or .ir, or a scale table or other .json.") var old: String
  @Argument(help: "Another of the same kind.") var new: String
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      try Compiler(options: Options(), console: console).diff(old, new)
    }
  }
}

struct Golden: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares a folder of models and graphs with the texts expected of them.",
    subcommands: [Check.self, Update.self])

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints how texts differ from what is expected; status 1 where one does.")

    @OptionGroup var folder: GoldenSettings

    func run() throws {
      try perform(folder.messages) { console throws(Diagnostic) in
        try folder.compiler(console).goldenCheck(folder.folder)
      }
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes what comes out over what is expected, and prints the files it changed.")

    @OptionGroup var folder: GoldenSettings

    func run() throws {
      try perform(folder.messages) { console throws(Diagnostic) in
        try folder.compiler(console).goldenUpdate(folder.folder)
      }
    }
  }
}

struct GoldenSettings: ParsableArguments {
  @Argument(help: "A folder; those below it are looked through too.") var folder: String
  @Option(help: "How many processors to use (default: all).") var jobs: Int?
  @OptionGroup var messages: MessageSettings

  func compiler(_ console: Console) -> Compiler {
    var options = Options()
    options.jobs = jobs
    return Compiler(options: options, console: console)
  }
}

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs a model and its FP8 form on the same inputs and compares.")

  @Argument(help: "The source model.") var model: String
  @Argument(help: "The FP8 model.") var quantized: String
  @Option(help: "Batches: .npz, a folder of them, or test_data_set_* (repeatable).")
  var inputs: [String]
  @Option(help: "Right answers of a classifier, as FILE.npz:KEY.") var labels: String?
  @Option(help: "Fail where an output has less SQNR than this many dB.") var minSqnr: Double?
  @Option(help: "The shared library of ONNX Runtime.") var onnxruntime: String?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      var options = Options()
      options.model = model
      options.onnxruntime = onnxruntime
      return try Compiler(options: options, console: console).verify(
        quantized: quantized, inputs: inputs, labels: labels, minimum: minSqnr)
    }
  }
}

struct Targets: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the target descriptions, or prints one.")

  @Argument(help: "A target's name.") var name: String?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      try Compiler(options: Options(), console: console).targets(name)
    }
  }
}

struct Schema: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the JSON Schemas of configurations, targets and scale tables, or prints one.")

  @Argument(help: "A schema's name.") var name: String?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      try Compiler(options: Options(), console: console).schema(name)
    }
  }
}

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what a message means and what to do about it; without one lists them.")

  @Argument(help: "A message's identifier, which stands in brackets behind it.") var id: String?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      try Compiler(options: Options(), console: console).explain(id)
    }
  }
}

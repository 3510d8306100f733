internal import ArgumentParser
internal import Driver
internal import Support

/// The examples of a command as its help and its manual page show them.
func examples(_ lines: String) -> String { "EXAMPLES:\n\(lines)" }

struct Compile: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures where needed and quantizes: the whole job.",
    discussion: examples(
      """
      fp8c compile resnet18.onnx -o resnet18.fp8.onnx --calibration images.npz
      fp8c compile llama.onnx -o llama.fp8.onnx --config fp8.json --depfile llama.d
      fp8c compile model.onnx -o out.onnx --scale-method unit_scale --qdq --hp-dtype fp32
      fp8c compile model.onnx -o out.onnx --calibration b.npz --budget 'sqnr>=30'
      """))

  @Argument(help: "The model, binary ONNX.", completion: .file(extensions: ["onnx"])) var model:
    String
  @Option(name: .short, help: ArgumentHelp("Where the FP8 model goes.", valueName: "file"))
  var output: String
  @Option(help: "MEASURE, QUANTIZE or AUTO (default: AUTO).") var mode: ModeSpelling?
  @Option(
    help: ArgumentHelp(
      "Keep modules in high precision until the batches give sqnr>=DB or accuracy>=SHARE.",
      valueName: "expr"))
  var budget: String?
  @Option(
    help: ArgumentHelp("Right answers for an accuracy budget.", valueName: "file.npz:key"))
  var labels: String?
  @OptionGroup var shared: SharedOptions

  func run() throws {
    var options = shared.options(model: model, output: output)
    options.mode = mode?.value
    options.labels = labels
    let chosen = options
    try perform(shared.messages) { console throws(Diagnostic) in
      var options = chosen
      options.budget = try budget.map { (text) throws(Diagnostic) in try Budget(text) }
      return try Compiler(options: options, console: console).compile()
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
    abstract: "Runs the calibration batches and writes the measurement files.",
    discussion: examples(
      """
      fp8c measure model.onnx --calibration batches.npz --dump-stats-path stats/run1
      fp8c measure model.onnx --calibration test_data_set_0 --observer maxabs_per_channel
      fp8c measure model.onnx --calibration batches.npz --shard 1/4
      """))

  @Argument(help: "The model, binary ONNX.", completion: .file(extensions: ["onnx"])) var model:
    String
  @Option(
    help: ArgumentHelp(
      "Measure only every N-th batch, from the K-th on; 'unify' makes one of all shards.",
      valueName: "k/n"))
  var shard: String?
  @OptionGroup var shared: SharedOptions

  func run() throws {
    try perform(shared.messages) { console throws(Diagnostic) in
      var options = shared.options(model: model)
      options.shard = try shard.map { (text) throws(Diagnostic) in try Shard(text) }
      return try Compiler(options: options, console: console).measure()
    }
  }
}

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads the measurements and writes the FP8 model and its scale table.",
    discussion: examples(
      """
      fp8c quantize model.onnx -o model.fp8.onnx --dump-stats-path stats/run1
      fp8c quantize model.onnx -o out.onnx --block-name '^lm_head$' --scale-method maxabs_pow2
      """))

  @Argument(help: "The model, binary ONNX.", completion: .file(extensions: ["onnx"])) var model:
    String
  @Option(name: .short, help: ArgumentHelp("Where the FP8 model goes.", valueName: "file"))
  var output: String
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
    abstract: "Writes the model with observers, for a runtime of your own.",
    discussion: examples(
      """
      fp8c instrument model.onnx -o observed.onnx
      """))

  @Argument(help: "The model, binary ONNX.", completion: .file(extensions: ["onnx"])) var model:
    String
  @Option(
    name: .short, help: ArgumentHelp("Where the model with observers goes.", valueName: "file"))
  var output: String
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
    abstract: "Turns what such observers gave into the measurement files.",
    discussion: examples(
      """
      fp8c collect model.onnx run1.npz run2.npz --dump-stats-path stats/run
      """))

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
    abstract: "Takes the largest ranges of several ranks or shards.",
    discussion: examples(
      """
      fp8c unify rank0.json rank1.json -o all.json
      fp8c unify r0.json r1.json r2.json r3.json --groups 2 -o all.json
      """))

  @Argument(help: "Measurement files, INC's JSON or NPZ, in the order of their ranks.")
  var measurements: [String]
  @Option(name: .short, help: ArgumentHelp("Where the measurement of all goes.", valueName: "file"))
  var output: String
  @Option(
    help: ArgumentHelp(
      "Make so many measurements, each of ranks in a row, as OUT_<group>_<groups>.",
      valueName: "count"))
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
    abstract: "Turns a measurement file into a scale file; needs no model.",
    discussion: examples(
      """
      fp8c scales run1_hooks_maxabs.json -o scales.json --scale-method maxabs_pow2
      """))

  @Argument(help: "A measurement file, INC's JSON or NPZ.") var measurement: String
  @Option(name: .short, help: ArgumentHelp("Where the scale file goes.", valueName: "file"))
  var output: String
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
    abstract: "Gives products of attention the measured ranges of the caches that they read.",
    discussion: examples(
      """
      fp8c align-kv run1_hooks_maxabs.json -o aligned.json
      """))

  @Argument(help: "A measurement file, INC's JSON or NPZ.") var measurement: String
  @Option(
    name: .short, help: ArgumentHelp("Where the aligned measurement goes.", valueName: "file"))
  var output: String
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
    abstract: "Lists every module found, and why other nodes were left.",
    discussion: examples(
      """
      fp8c inspect model.onnx --table
      fp8c inspect model.onnx --explain linear >/dev/null
      fp8c inspect model.onnx --print-deps --config fp8.json
      """))

  @Argument(help: "The model, binary ONNX.", completion: .file(extensions: ["onnx"])) var model:
    String
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
    abstract: "Runs named passes over textual IR or ONNX and prints textual IR.",
    discussion: examples(
      """
      fp8c opt model.onnx --passes 'infer-types, canonicalize'
      fp8c opt graph.ir --passes 'lower-to-fp8' -o lowered.ir
      """))

  @Argument(help: "A model, binary ONNX or .ir.") var input: String
  @Option(help: "The passes: P1,P2{option=value}.") var passes: String
  @Option(
    name: .short,
    help: ArgumentHelp("Where the text goes (default: standard output).", valueName: "file"))
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
    abstract: "Prints the stable text form; weights as type and digest.",
    discussion: examples(
      """
      fp8c print model.fp8.onnx >model.txt
      """))

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

struct Targets: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the target descriptions, or prints one.",
    discussion: examples(
      """
      fp8c targets
      fp8c targets gaudi2 >mine.json
      """))

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
    abstract: "Lists the JSON Schemas of files that people and programs read, or prints one.",
    discussion: examples(
      """
      fp8c schema config >config.schema.json
      """))

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
    abstract: "Says what a message means and what to do about it; without one lists them.",
    discussion: examples(
      """
      fp8c explain idle-selector
      """))

  @Argument(help: "A message's identifier, which stands in brackets behind it.") var id: String?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      try Compiler(options: Options(), console: console).explain(id)
    }
  }
}

internal import ArgumentParser
internal import Driver
internal import Support

// The commands that look at what was written: what differs, what is proven, what it costs.

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what changed from one model or table to another; status 1 where anything did.",
    discussion: examples(
      """
      fp8c diff old.fp8.onnx new.fp8.onnx
      fp8c diff old.fp8.scales.json new.fp8.scales.json
      """))

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
    discussion: examples(
      """
      fp8c golden check tests/models
      fp8c golden update tests/models
      """),
    subcommands: [Check.self, Update.self])

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints how texts differ from what is expected; status 1 where one does.",
      discussion: examples(
        """
        fp8c golden check tests/models
        """))

    @OptionGroup var folder: GoldenSettings

    func run() throws {
      try perform(folder.messages) { console throws(Diagnostic) in
        try folder.compiler(console).goldenCheck(folder.folder)
      }
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes what comes out over what is expected, and prints the files it changed.",
      discussion: examples(
        """
        fp8c golden update tests/models
        """))

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
  @Option(help: ArgumentHelp("How many processors to use (default: all).", valueName: "count"))
  var jobs: Int?
  @OptionGroup var messages: MessageSettings

  func compiler(_ console: Console) -> Compiler {
    var options = Options()
    options.jobs = jobs
    return Compiler(options: options, console: console)
  }
}

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes one page on a scale table: ranges, scales, errors, plots.",
    discussion: examples(
      """
      fp8c report model.fp8.scales.json -o report.html
      fp8c report model.fp8.scales.json -o report.html --source model.onnx --inputs batches.npz
      """))

  @Argument(
    help: "A scale table; the model that was written with it is looked for beside it.",
    completion: .file(extensions: ["json"]))
  var table: String
  @Option(
    name: .short, help: ArgumentHelp("Where the page goes.", valueName: "file"),
    completion: .file(extensions: ["html"]))
  var output: String
  @Option(
    help: ArgumentHelp(
      "The source model, to measure what every module costs; needs --inputs.", valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var source: String?
  @Option(
    help: ArgumentHelp(
      "Where the decibels of every module's nodes go for Model Explorer; needs --source.",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var nodeData: String?
  @OptionGroup var batches: BatchSettings
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      var options = Options()
      options.output = output
      options.onnxruntime = batches.onnxruntime
      return try Compiler(options: options, console: console).report(
        table, source: source, inputs: batches.inputs, nodeData: nodeData)
    }
  }
}

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Proves a model and its FP8 form one but for the quantization; with inputs, runs both.",
    discussion: examples(
      """
      fp8c verify model.onnx model.fp8.onnx --inputs batches.npz --min-sqnr 25
      fp8c verify model.onnx model.fp8.onnx
      fp8c verify model.onnx model.fp8.onnx --inputs test.npz --labels test.npz:label --max-drop 0.01
      """))

  @Argument(help: "The source model.") var model: String
  @Argument(help: "The FP8 model.") var quantized: String
  @OptionGroup var batches: BatchSettings
  @Option(
    help: ArgumentHelp(
      "The description of the target the FP8 model is for, where it is none of the built-in ones.",
      valueName: "target"), completion: .file(extensions: ["json"]))
  var target: String?
  @Option(help: ArgumentHelp("Right answers of a classifier.", valueName: "file.npz:key"))
  var labels: String?
  @Option(help: ArgumentHelp("Fail where an output has less SQNR than this.", valueName: "dB"))
  var minSqnr: Double?
  @Option(
    help: ArgumentHelp(
      "Fail where more than this share of all answers is lost; needs --labels.", valueName: "share")
  )
  var maxDrop: Double?
  @OptionGroup var messages: MessageSettings

  func run() throws {
    try perform(messages) { console throws(Diagnostic) in
      var options = Options()
      options.model = model
      options.onnxruntime = batches.onnxruntime
      options.target = target
      return try Compiler(options: options, console: console).verify(
        quantized: quantized, inputs: batches.inputs, labels: labels, minimum: minSqnr,
        maximumDrop: maxDrop
      )
    }
  }
}

/// The batches that models are run on, and what runs them.
struct BatchSettings: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Batches: .npz, a folder of them, or test_data_set_* (repeatable).", valueName: "path"),
    completion: .file(extensions: ["npz"]))
  var inputs: [String] = []
  @Option(help: ArgumentHelp("The shared library of ONNX Runtime.", valueName: "file"))
  var onnxruntime: String?
}

internal import Driver
internal import Support
internal import Synchronization

/// Work on one ONNX model: what the command `fp8c` does, for a program in Swift.
///
///     var job = Job(model: "model.onnx") { event in print(event) }
///     job.options.scaleMethod = "unit_scale"
///     try job.quantize(to: "model.fp8.onnx")
///
/// Nothing is printed and no signal is handled: what the command writes to its streams comes as events.
/// Environment variables decide nothing.
public struct Job: Sendable {
  /// The path of the model, in binary ONNX.
  public let model: String
  public var options = Options()
  private let console: Console

  /// What the flags of the same names say; `nil` leaves the choice to the configuration or a default.
  public struct Options: Sendable {
    /// A configuration file with INC's keys.
    public var configuration: String?
    /// The name of a scale method, such as `maxabs_hw`.
    public var scaleMethod: String?
    /// Batches: .npz files, or folders of them.
    public var calibration: [String] = []
    /// Folder and prefix of measurement files.
    public var statisticsPath: String?
    /// The shared library of ONNX Runtime.
    public var runtime: String?
    /// The name of a target, or the path of a description that ends in `.json`.
    public var target: String?
    /// Standard operators instead of the target's own.
    public var writesQDQ = false
    /// How many threads work; the bytes that are written do not depend on it.
    public var jobs: Int?
    /// In bytes.
    public var memoryLimit: Int64?
    /// Outputs are on the disk before they get their names.
    public var syncs = true

    public init() {}
  }

  /// `observer` is called on any thread, by one at a time.
  public init(model: String, observer: @escaping @Sendable (Event) -> Void = { _ in }) {
    self.model = model
    let order = Mutex<Void>(())
    console = Console { event in order.withLock { _ in observer(Event(event)) } }
  }

  /// The version of the compiler.
  public static var version: String { Compiler.version }

  /// The modules that were found and why other nodes were left, as JSON (`inspect.schema.json`), in an event.
  public func inspect() throws(Failure) {
    try run(nil) { (compiler) throws(Diagnostic) in try compiler.inspect() }
  }

  /// Runs the batches and writes the measurement files.
  public func measure() throws(Failure) {
    try run(nil) { (compiler) throws(Diagnostic) in try compiler.measure() }
  }

  /// Writes the FP8 model and its tables from measurements that are there.
  public func quantize(to output: String) throws(Failure) {
    try run(output) { (compiler) throws(Diagnostic) in try compiler.quantize() }
  }

  /// Measures where needed and quantizes.
  public func compile(to output: String) throws(Failure) {
    try run(output) { (compiler) throws(Diagnostic) in try compiler.compile() }
  }

  /// Proves a quantized model to be this one but for its quantization; with batches, runs both.
  ///
  /// What was found comes in events; a difference is thrown.
  public func verify(_ quantized: String, inputs: [String] = []) throws(Failure) {
    try run(nil) { (compiler) throws(Diagnostic) in
      try compiler.verify(
        quantized: quantized, inputs: inputs, labels: nil, minimum: nil, maximumDrop: nil)
    }
  }

  /// Ends the work that is under way, and what follows, with a failure `cancelled`; from any thread.
  public func cancel() { console.cancel() }

  private func run(
    _ output: String?, _ work: (Compiler) throws(Diagnostic) -> ExitStatus
  ) throws(Failure) {
    var given = Driver.Options()
    given.model = model
    given.output = output
    given.config = options.configuration
    given.scaleMethod = options.scaleMethod
    given.calibration = options.calibration
    given.dumpStatsPath = options.statisticsPath
    given.onnxruntime = options.runtime
    given.target = options.target
    given.usesQDQ = options.writesQDQ
    given.jobs = options.jobs
    given.memoryLimit = options.memoryLimit
    given.syncs = options.syncs
    let compiler = Compiler(
      options: given, console: console, environment: { _ in nil }, handlesSignals: false)
    do throws(Diagnostic) {
      try console.checkCancelled()
      let status = try work(compiler)
      guard status == .done else { throw .notDone(status) }
    } catch {
      throw Failure(error)
    }
  }
}

extension Diagnostic {
  /// The command says no more than the status, after what it printed.
  fileprivate static func notDone(_ status: ExitStatus) -> Diagnostic {
    Diagnostic(.error, status, "the model is not as asked; the results say how")
  }
}

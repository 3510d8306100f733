internal import Backend
internal import Calibration
internal import FP8
internal import Frontend
internal import IR
internal import Measurements
internal import ONNX
internal import Passes
package import Support
internal import Targets
internal import Weights

extension Compiler {
  /// `fp8c measure`: runs the batches and writes the measurement files.
  package func measure() throws(Diagnostic) -> ExitStatus {
    let (configuration, _) = try options.configuration(environment: environment)
    if try printed(configuration) { return .done }
    try measure(configuration)
    return .done
  }

  /// `fp8c compile`: measures where no usable measurement exists, then quantizes.
  package func compile() throws(Diagnostic) -> ExitStatus {
    let (configuration, file) = try options.configuration(environment: environment)
    if try printed(configuration) { return .done }
    var measured = MeasuredJust()
    switch configuration.mode {
    case .measure:
      try measure(configuration)
      return .done
    case .quantize: break
    case .auto:
      if try settings(configuration).plan.needsRanges {
        measured = try measureIfNeeded(configuration)
      }
    }
    return try quantize(configuration, configurationFile: file, measured: measured)
  }

  /// AUTO: says which of measuring and reusing it chose and why.
  private func measureIfNeeded(
    _ configuration: Configuration
  ) throws(Diagnostic) -> MeasuredJust {
    let files = configuration.files
    guard !options.calibration.isEmpty else {
      guard Folder.exists(files.json) else { throw .nothingMeasured(files.json) }
      if !console.isQuiet { console.note("using the measurement '\(files.json)'") }
      return MeasuredJust()
    }
    let job = try MeasuringJob(self, configuration)
    let paths = job.calibration.files
    if try isCurrent(files, provenance: try job.provenance()) {
      if !console.isQuiet {
        console.note("using the measurement '\(files.json)', made from the same model and batches")
      }
      return MeasuredJust(files: paths)
    }
    if !console.isQuiet {
      console.note("measuring: no measurement of this model and these batches")
    }
    return MeasuredJust(files: paths, said: try job.run())
  }

  private func isCurrent(
    _ files: MeasurementFiles, provenance: JSON
  ) throws(Diagnostic) -> Bool {
    guard Folder.exists(files.json), Folder.exists(files.provenance) else { return false }
    let text = try InputFile.contents(of: files.provenance, limit: 1 << 24)
    return text == Array((provenance.text(indent: 2) + "\n").utf8)
  }

  func measure(_ configuration: Configuration) throws(Diagnostic) {
    try MeasuringJob(self, configuration).run()
  }
}

extension Compiler {
  /// A tensor of ONNX's test data.
  static func readTensor(_ path: String) throws(Diagnostic) -> Tensor {
    let (type, bytes) = try Importer.loadTensor(path)
    return Tensor(element: type.element, shape: type.sizes ?? [], bytes: bytes)
  }
}

/// What the same command measured just before it quantizes.
struct MeasuredJust {
  /// The calibration files.
  var files: [String] = []
  /// The diagnostics that were reported and need no repetition.
  var said: [Diagnostic] = []
}

/// One measurement: a model with observers, and the batches that go through it.
private struct MeasuringJob {
  let compiler: Compiler
  let configuration: Configuration
  let calibration: CalibrationSet
  private let model: Model
  private let store: WeightStore
  private let context: PassContext

  init(_ compiler: Compiler, _ configuration: Configuration) throws(Diagnostic) {
    self.compiler = compiler
    self.configuration = configuration
    var context = PassContext(try compiler.settings(configuration))
    var (model, given) = try compiler.load(compiler.options.model)
    guard let store = given else { throw .needsWeights(compiler.options.model) }
    given = nil
    let graph = model.graph
    calibration = try CalibrationSet(
      paths: compiler.options.calibration,
      inputs: graph.inputs.map { id in
        CalibrationSet.Input(
          name: graph[id].name, type: graph[id].type?.tensor, isOptional: graph[id].weight != nil)
      }, readTensor: Compiler.readTensor)
    try compiler.run(
      try Pipeline(parsing: Compiler.finding), on: &model, in: &context)
    compiler.explain(model, context)
    self.model = model
    self.store = store
    self.context = context
  }

  /// What the measurement is made of, by digests: no path of it.
  func provenance() throws(Diagnostic) -> JSON {
    var batches: [JSON] = []
    for file in calibration.files { batches.append(.string(try digest(ofFile: file))) }
    var sources: [JSON] = []
    for path in store.paths { sources.append(.string(try digest(ofFile: path))) }
    return .object([
      "format_version": .number(1),
      "model_sha256": .array(sources),
      "calibration_sha256": .array(batches),
      "observer": .string(configuration.observer),
      "hp_dtype": .string(configuration.hp.rawValue),
      "measure_exclude": .string(configuration.measuresOutputs ? "NONE" : "OUTPUT"),
      "modules": .array(model.modules.map { .string($0.path) }),
    ])
  }

  private func digest(ofFile path: String) throws(Diagnostic) -> String {
    let file = try InputFile(path: path)
    var digest = try SHA256()
    var offset: Int64 = 0
    while offset < file.size {
      let count = Int(min(file.size - offset, 1 << 20))
      let bytes = try file.bytes(at: offset, count: count)
      try digest.update(bytes.span)
      offset += Int64(count)
    }
    return try digest.finish()
  }

  /// Runs the batches and writes the files; gives what was said meanwhile.
  @discardableResult
  func run() throws(Diagnostic) -> [Diagnostic] {
    var context = context
    var observed = model
    let weights = try weightRanges()
    // ONNX Runtime has no bfloat16 arithmetic on a CPU: such a model is run as its float32 twin.
    let isShort = observed.graph.values.contains { observed.graph[$0].type?.element == .bfloat16 }
    let twin = isShort ? ", convert-precision{hp=fp32,weights=at-run-time}" : ""
    try compiler.run(
      try Pipeline(parsing: "erase-collectives, insert-observers\(twin)"), on: &observed,
      in: &context)
    observed.irVersion = max(observed.irVersion, 8)
    let names = model.modules.flatMap { module in
      module.ports.map { InsertObservers.outputName(path: module.path, port: $0.name) }
    }.filter { observed.graph.value(named: $0) != nil }
    var run = ObserverRun(
      names: names, precision: configuration.hp,
      allowsNonFinite: compiler.options.allowsNonFinite,
      unquantized: Set(
        model.modules.flatMap { module in
          module.ports.filter { $0.role == .unquantized }.map {
            InsertObservers.outputName(path: module.path, port: $0.name)
          }
        }))
    if !names.isEmpty { try feed(observed, &run) }
    try write(try measurement(from: run, weights))
    compiler.report(context)
    return context.diagnostics
  }

  /// The range of every module's weight, which must be finite unless the user accepts others.
  private func weightRanges() throws(Diagnostic) -> [String: Float] {
    var ranges: [String: Float] = [:]
    for placed in model.placedModules {
      guard let port = placed.module.port("weight"), let weight = placed.weight(of: port) else {
        continue
      }
      var none: ScaleSearch?
      let range = try store.ranges(of: weight, axis: nil, feeding: &none)
      guard range.nonFiniteCount == 0 || compiler.options.allowsNonFinite else {
        throw .weightNotFinite(
          placed.graph.name(of: port), count: range.nonFiniteCount,
          first: range.firstNonFinite ?? 0
        ).inFile(compiler.options.model)
      }
      ranges[placed.module.path] = configuration.hp.round(range.tensorMaxAbs)
    }
    return ranges
  }

  private func feed(_ observed: Model, _ run: inout ObserverRun) throws(Diagnostic) {
    let options = compiler.options
    let runtime = try Runtime.find(
      options.onnxruntime, environment: compiler.environment,
      executable: compiler.executablePath)
    let path = store.paths[0]
    let name = path.split(separator: "/").last.map(String.init) ?? path
    var exporter = Exporter(observed, store, placement: .references(model: name))
    var bytes = MemorySink()
    try exporter.write(to: &bytes)
    let session = try Session(runtime, model: bytes.bytes, folder: InputFile.folder(of: path))
    var state = run
    try calibration.forEachBatch { (batch, index) throws(Diagnostic) in
      compiler.console.progress("measuring: batch \(index + 1)")
      try state.add(batch, session)
    }
    compiler.console.progress("")
    run = state
  }

  /// INC's record of every module, in the order of the graph.
  private func measurement(
    from run: ObserverRun, _ weights: [String: Float]
  ) throws(Diagnostic) -> Measurement {
    var maxima: [String: Float] = [:]
    for (index, name) in run.names.enumerated() where run.counts[index] > 0 {
      maxima[name] = run.maxima[index]
    }
    var measurement = Measurement()
    for placed in model.placedModules {
      let module = placed.module
      guard let kind = context.settings.modules.kind(named: module.kind) else { continue }
      func tables(_ record: ModuleKind.Record) -> [RangeTable] {
        kind.ports(measuredIn: record).compactMap { port in
          let name = InsertObservers.outputName(path: module.path, port: port.name)
          // An attention operator has no softmax to look at: INC's record gets what is known of it.
          let known = module.port(port.name) != nil ? port.otherwise : nil
          return (maxima[name] ?? known).map { RangeTable($0) }
        }
      }
      let expected = module.ports.map {
        InsertObservers.outputName(path: module.path, port: $0.name)
      }.filter { run.names.contains($0) }
      // A branch that no batch took: absent is not the same as zero.
      if !expected.isEmpty, expected.allSatisfy({ maxima[$0] == nil }) {
        compiler.console.report(.notExecuted(module.path).inFile(compiler.options.model))
        continue
      }
      var node = MeasuredNode(name: module.path)
      node.inputs = tables(.inputs)
      node.outputs = tables(.outputs)
      if let range = weights[module.path] {
        node.parameters = [MeasuredNode.Parameter(name: "weight", table: RangeTable(range))]
      }
      measurement.nodes.append(node)
    }
    return measurement
  }

  private func write(_ measurement: Measurement) throws(Diagnostic) {
    let files = configuration.files
    let contents = [
      (path: files.json, bytes: Array(measurement.text.utf8)),
      (path: files.npz, bytes: measurement.archive),
      (path: files.moduleList, bytes: Array(measurement.moduleListText.utf8)),
      (path: files.provenance, bytes: Array((try provenance().text(indent: 2) + "\n").utf8)),
    ]
    if let backup = try files.backUp(before: contents), !compiler.console.isQuiet {
      compiler.console.note("earlier files moved to '\(backup)'")
    }
    for item in contents {
      var file = try OutputFile(path: item.path, createFolders: true)
      try file.write(item.bytes)
      try file.commit(sync: compiler.options.syncs)
    }
  }
}

internal import Backend
internal import Calibration
internal import FP8
internal import Frontend
internal import IR
internal import Measurements
internal import NPZ
internal import ONNX
internal import Passes
internal import Support
internal import Targets
internal import Weights

/// One measurement: a model with observers, and the batches that go through it.
struct MeasuringJob {
  let compiler: Compiler
  let configuration: Configuration
  /// The files that the ranges come from: batches of inputs, or what observers gave elsewhere.
  let files: [String]
  private let calibration: CalibrationSet?
  private let model: Model
  private let store: WeightStore
  private let context: PassContext

  /// `calibration` names the batches to run; `observed` the files of a model that something else ran.
  init(
    _ compiler: Compiler, _ configuration: Configuration, calibration paths: [String]? = nil,
    observed: [String] = []
  ) throws(Diagnostic) {
    self.compiler = compiler
    self.configuration = configuration
    var context = PassContext(try compiler.settings(configuration))
    var (model, given) = try compiler.load(compiler.options.model)
    guard let store = given else { throw .needsWeights(compiler.options.model) }
    given = nil
    let graph = model.graph
    calibration = try paths.map { (paths) throws(Diagnostic) in
      try CalibrationSet(
        paths: paths,
        inputs: graph.inputs.map { id in
          CalibrationSet.Input(
            name: graph[id].name, type: graph[id].type?.tensor,
            isOptional: graph[id].weight != nil)
        }, readTensor: Compiler.readTensor)
    }
    files = calibration?.files ?? observed
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
    for file in files { batches.append(.string(try compiler.digest(ofFile: file))) }
    var sources: [JSON] = []
    for path in store.paths { sources.append(.string(try compiler.digest(ofFile: path))) }
    return .object([
      "format_version": .number(1),
      "model_sha256": .array(sources),
      "calibration_sha256": .array(batches),
      "observer": .string(configuration.observer.rawValue),
      "hp_dtype": .string(configuration.hp.rawValue),
      "measure_exclude": .string(configuration.measuresOutputs ? "NONE" : "OUTPUT"),
      "modules": .array(model.modules.map { .string($0.path) }),
    ])
  }

  /// Runs the batches and writes the files; gives what was said meanwhile.
  @discardableResult
  func run() throws(Diagnostic) -> [Diagnostic] {
    var context = context
    let weights = try weightRanges()
    // ONNX Runtime has no bfloat16 arithmetic on a CPU: such a model is run as its float32 twin.
    let isShort = model.graph.values.contains { model.graph[$0].type?.element == .bfloat16 }
    let twin = isShort ? ", convert-precision{hp=fp32,weights=at-run-time}" : ""
    let observed = try observed(by: "erase-collectives, insert-observers\(twin)", &context)
    var run = observers(in: observed)
    if !run.names.isEmpty { try feed(observed, &run) }
    try write(try measurement(from: run, weights))
    compiler.report(context)
    return context.diagnostics
  }

  /// Writes the model with its observers, collectives and all, for a runtime of the user's own.
  func instrument(to output: String) throws(Diagnostic) {
    var context = context
    let observed = try observed(by: "insert-observers", &context)
    _ = try compiler.writeModel(observed, store, to: output) { _ in }
    compiler.report(context)
    if !compiler.console.isQuiet {
      compiler.console.note("\(output): \(observers(in: observed).names.count) observers")
    }
  }

  /// Turns what the observers gave elsewhere into the measurement files.
  ///
  /// Every file holds arrays by the names of the observers' outputs: one number, or one for each batch.
  func collect() throws(Diagnostic) {
    var context = context
    let weights = try weightRanges()
    var run = observers(in: try observed(by: "insert-observers", &context))
    for path in files {
      let file = try NPZFile(path: path)
      func numbers(_ name: String) throws(Diagnostic) -> [Double] {
        guard file.keys.contains(name) else { throw .notObserved(name, file: path) }
        guard let numbers = try file.array(name).numbers else {
          throw .notObserved(name, file: path)
        }
        return numbers
      }
      for index in run.names.indices {
        let name = run.names[index]
        let (maxima, flags) = (try numbers(name), try numbers("\(name)/flag"))
        let counts = try numbers("\(name)/count")
        guard maxima.count == flags.count, maxima.count == counts.count else {
          throw .observedUnevenly(name, file: path)
        }
        for batch in maxima.indices {
          try run.add(
            maximum: Float(maxima[batch]), flag: Float(flags[batch]), count: Float(counts[batch]),
            at: index)
        }
      }
    }
    try write(try measurement(from: run, weights))
    compiler.report(context)
  }

  private func observed(
    by passes: String, _ context: inout PassContext
  ) throws(Diagnostic) -> Model {
    var observed = model
    try compiler.run(try Pipeline(parsing: passes), on: &observed, in: &context)
    observed.irVersion = max(observed.irVersion, 8)
    return observed
  }

  /// The observers of a model, in the order of the modules.
  private func observers(in observed: Model) -> ObserverRun {
    let names = model.modules.flatMap { module in
      module.ports.map { InsertObservers.outputName(path: module.path, port: $0.name) }
    }.filter { observed.graph.value(named: $0) != nil }
    return ObserverRun(
      names: names, precision: configuration.hp,
      allowsNonFinite: compiler.options.allowsNonFinite,
      unquantized: Set(
        model.modules.flatMap { module in
          module.ports.filter { $0.role == .unquantized }.map {
            InsertObservers.outputName(path: module.path, port: $0.name)
          }
        }))
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
    try calibration?.forEachBatch { (batch, index) throws(Diagnostic) in
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
    let observed = Set(run.names)
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
      }.filter(observed.contains)
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

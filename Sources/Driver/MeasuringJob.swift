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
  let shard: Shard?
  let model: Model
  let store: WeightStore
  let context: PassContext

  /// `calibration` names the batches to run; `observed` the files of a model that something else ran.
  init(
    _ compiler: Compiler, _ configuration: Configuration, calibration paths: [String]? = nil,
    observed: [String] = []
  ) throws(Diagnostic) {
    guard !configuration.isDynamic else { throw .dynamicMeasure() }
    self.compiler = compiler
    self.configuration = configuration
    shard = compiler.options.shard
    if shard != nil, configuration.globalRank != nil { throw .shardOfRank() }
    var context = PassContext(try compiler.settings(configuration))
    var (model, given) = try compiler.load(compiler.options.model)
    guard let store = given else { throw .needsWeights(compiler.options.model) }
    given = nil
    let graph = model.graph
    calibration = try paths.map { (paths) throws(Diagnostic) in
      let labels = try compiler.options.labels.map { (text) throws(Diagnostic) in
        try ArrayPlace(labels: text)
      }
      return try compiler.calibrationSet(paths, of: graph, labels: labels)
    }
    files = calibration?.files ?? observed
    try compiler.run(
      try Pipeline(parsing: Compiler.finding), on: &model, in: &context)
    compiler.explain(model, context)
    if calibration != nil {
      var plan = MemoryPlan(model, structure: store.model.structureLength)
      plan.addSession(of: model)
      do throws(Diagnostic) {
        _ = try plan.jobs(upTo: 1, within: compiler.options.memoryLimit)
      } catch {
        throw error.inFile(compiler.options.model)
      }
    }
    self.model = model
    self.store = store
    self.context = context
  }

  /// What the measurement is made of, by digests: no path of it.
  func provenance() throws(Diagnostic) -> String {
    var batches: [String] = []
    for file in files { batches.append(try compiler.digest(ofFile: file)) }
    var sources: [String] = []
    for path in store.paths { sources.append(try compiler.digest(ofFile: path)) }
    return Provenance(
      models: sources, batches: batches, shard: shard?.text,
      observer: configuration.observer.rawValue, precision: configuration.hp.rawValue,
      exclusion: configuration.measuresOutputs ? "NONE" : "OUTPUT",
      modules: model.modules.map(\.path)
    ).text
  }

  /// The files of this measurement; those of a shard are named as those of a rank.
  var measurementFiles: MeasurementFiles {
    guard let shard else { return configuration.files }
    return MeasurementFiles(
      prefix: configuration.dumpStatsPath, observer: configuration.observer.rawValue,
      rank: Rank(rank: shard.index, worldSize: shard.count))
  }

  /// Runs the batches and writes the files; gives what was said meanwhile.
  @discardableResult
  func run() throws(Diagnostic) -> [Diagnostic] {
    var context = context
    // ONNX Runtime has no bfloat16 arithmetic on a CPU: such a model is run as its float32 twin.
    let isShort = model.graph.values.contains { model.graph[$0].type?.element == .bfloat16 }
    let twin = isShort ? ", convert-precision{hp=fp32,weights=at-run-time}" : ""
    let observed = try observed(by: "erase-collectives, insert-observers\(twin)", &context)
    switch configuration.observer {
    case .maxabs: try measureMaxima(observed)
    case .maxabsPerChannel: try measureTensors(observed, .channels)
    case .shape: try measureTensors(observed, .shapes)
    case .save: try saveTensors(observed)
    }
    compiler.report(context)
    return context.diagnostics
  }

  /// Writes the model with its observers, collectives and all, for a runtime of the user's own.
  func instrument(to output: String) throws(Diagnostic) {
    var context = context
    let observed = try observed(by: "insert-observers", &context)
    _ = try compiler.writeModel(observed, store, to: output) { _ in }
    compiler.report(context)
    compiler.console.note("\(output): \(names(observedIn: observed).count) observers")
  }

  /// Turns what the observers gave elsewhere into the measurement files.
  ///
  /// Every file holds arrays by the names of the observers' outputs: one number, or one for each batch.
  func collect() throws(Diagnostic) {
    guard configuration.observer == .maxabs else {
      throw .collectsOtherObserver(configuration.observer.rawValue)
    }
    var context = context
    let weights = try weightRanges()
    var run = observerRun(of: try observed(by: "insert-observers", &context))
    for path in files {
      let file = try NPZFile(path: path)
      func numbers(_ name: String) throws(Diagnostic) -> [Double] {
        guard file.keys.contains(name), let numbers = try file.array(name).numbers else {
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
    try write(measurement(of: Records(run), weights))
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

  // MARK: Observers

  private func measureMaxima(_ observed: Model) throws(Diagnostic) {
    let weights = try weightRanges()
    var run = observerRun(of: observed)
    var dumps = 0
    if !run.names.isEmpty {
      try feed(observed) { (batch, _, session) throws(Diagnostic) in
        try run.add(batch, session)
        try dump(Records(run), weights, after: run.batchCount, &dumps)
      }
    }
    try finish(Records(run), weights, batches: run.batchCount, dumps)
  }

  private func measureTensors(
    _ observed: Model, _ kind: TensorRun.Kind
  ) throws(Diagnostic) {
    let weights = try kind == .shapes ? weightShapes() : weightChannels()
    var run = TensorRun(
      kind, names: names(observedIn: observed),
      allowsNonFinite: compiler.options.allowsNonFinite, unquantized: unquantizedNames)
    var dumps = 0
    if !run.names.isEmpty {
      try feed(observed) { (batch, _, session) throws(Diagnostic) in
        try run.add(batch, session)
        try dump(Records(run, kind), weights, after: run.batchCount, &dumps)
      }
    }
    try finish(Records(run, kind), weights, batches: run.batchCount, dumps)
  }

  /// Writes what modules read and make, batch by batch; weights are in the model already.
  private func saveTensors(_ observed: Model) throws(Diagnostic) {
    let files = measurementFiles
    // Other shards write to the same folder, at the same time maybe.
    if shard == nil, let backup = try files.backUpTensors() {
      compiler.console.note("earlier tensors moved to '\(backup)'")
    }
    var outputs: [(name: String, module: String, port: String)] = []
    for module in model.modules {
      for port in module.ports {
        let name = InsertObservers.outputName(path: module.path, port: port.name)
        if observed.graph.value(named: name) != nil {
          outputs.append((name, module.path, port.name))
        }
      }
    }
    var count = 0
    if !outputs.isEmpty {
      try feed(observed) { (batch, index, session) throws(Diagnostic) in
        let tensors = try session.run(batch, outputs: outputs.map(\.name))
        for (output, tensor) in zip(outputs, tensors) {
          guard let array = tensor?.array else { throw .notAnArray(output.name) }
          try array.write(
            to: files.tensor(module: output.module, port: output.port, batch: index),
            createFolders: true)
          count += 1
        }
      }
    }
    compiler.console.note("\(files.tensorFolder): \(count) tensors")
  }

  /// The observers of a model, in the order of the modules.
  private func names(observedIn observed: Model) -> [String] {
    model.modules.flatMap { module in
      module.ports.map { InsertObservers.outputName(path: module.path, port: $0.name) }
    }.filter { observed.graph.value(named: $0) != nil }
  }

  private func observerRun(of observed: Model) -> ObserverRun {
    ObserverRun(
      names: names(observedIn: observed), precision: configuration.hp,
      allowsNonFinite: compiler.options.allowsNonFinite, unquantized: unquantizedNames)
  }

  /// The observers of ports that no scale comes from.
  private var unquantizedNames: Set<String> {
    Set(
      model.modules.flatMap { module in
        module.ports.filter { $0.role == .unquantized }.map {
          InsertObservers.outputName(path: module.path, port: $0.name)
        }
      })
  }

  private func feed(
    _ observed: Model,
    _ body: (
      _ batch: [(name: String, tensor: Tensor)], _ index: Int, Session
    ) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let session = try RunnableModel(running: observed, store).session(try compiler.runtime())
    let console = compiler.console
    if let count = try calibration?.batchCount() {
      let taken = shard.map { count / $0.count + (count % $0.count > $0.index ? 1 : 0) }
      console.begin("measuring", of: Int64(taken ?? count), in: .batches)
    }
    var isEmpty = true
    try calibration?.forEachBatch { (batch, index) throws(Diagnostic) in
      guard shard?.holds(batch: index) ?? true else { return }
      try body(batch, index, session)
      try console.advance(by: 1)
      isEmpty = false
    }
    if isEmpty, let shard { console.report(.emptyShard(shard.text)) }
    console.finish()
  }
}

extension Tensor {
  /// The tensor as NumPy has it, where NumPy has its type.
  fileprivate var array: NPYArray? {
    let type: NPYType
    switch element {
    case .float32: type = .float32
    case .float16: type = .float16
    case .bfloat16: type = .bfloat16
    case .float64: type = .float64
    default: return nil
    }
    return NPYArray(type: type, shape: shape.map { Int($0) }, bytes: bytes)
  }
}

internal import Backend
internal import FP8
internal import IR
internal import Measurements
internal import ONNX
internal import Passes
package import Support
internal import Targets
internal import Weights

extension Compiler {
  /// The passes that find the modules: what could hide one is taken apart first.
  private static let search =
    "inline-functions, infer-types, canonicalize, expand-fused, expand-attention, hoist-weights, "
    + "select-modules"
  static let finding = "infer-types, canonicalize, \(search)"
  /// The passes up to the point where the statistics of weights are needed, and those behind it.
  static let front = "infer-types, canonicalize, raise-opset, \(search)"
  private static let back =
    "bind-measurements, assign-scales, lower-to-fp8, fold-scales, clamp-quantizers, "
    + "convert-precision, annotate-nodes"

  /// `fp8c quantize`: reads the measurements and writes the FP8 model with its tables.
  package func quantize() throws(Diagnostic) -> ExitStatus {
    let (configuration, file) = try options.configuration(environment: environment)
    if try printed(configuration) { return .done }
    return try quantize(configuration, configurationFile: file, measured: MeasuredJust())
  }

  func quantize(
    _ configuration: Configuration, configurationFile: String?, measured: MeasuredJust
  ) throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    let lowered = try lower(
      configuration, configurationFile, measured, recordPath: options.incremental)
    let model = lowered.model
    var context = lowered.context
    let beside =
      [scaleTablePath(output)]
      + [options.ir, options.depfile, options.incremental].compactMap { $0 }
    let exporter = try writeModel(
      model, lowered.store, to: output, beside: beside, inputs: lowered.files.paths,
      isQDQ: lowered.context.settings.form == .qdq, record: lowered.record,
      check: { (written) throws(Diagnostic) in
        if let unproved = try prove(written, of: lowered, as: output) { console.report(unproved) }
      }
    ) { exporter throws(Diagnostic) in
      let table = try scaleTable(of: lowered, configuration, exporter.losses)
      try write(to: scaleTablePath(output)) { (file) throws(Diagnostic) in
        try table.write(to: &file)
      }
      if let (read, names) = lowered.measurement {
        try writeScaleFile(read, model, names, context, to: configuration.files)
        try lowered.cache?.write { (text, path) throws(Diagnostic) in try write(text, to: path) }
      }
      if let path = options.ir { try write(model.text, to: path) }
      if let path = options.depfile {
        try write(Dependencies(target: output, files: lowered.files).text, to: path)
      }
    }
    if exporter.reusedBytes > 0 {
      console.note(
        "\(output): \(exporter.reusedBytes) of \(exporter.weightBytes) bytes of weights are those "
          + "of the last run")
    }
    try lowered.record?.write(
      exporter.placed, model: output, data: exporter.hasData ? "\(output).data" : nil,
      of: lowered.store
    ) { (text, path) throws(Diagnostic) in try write(text, to: path) }
    for item in exporter.clamped { context.remark(.clamped(item.name, count: item.count)) }
    report(context, except: measured.said)
    summarize(model, exporter.losses, context, output)
    return .done
  }

  /// The table of what was lowered; `losses` are known once the weights are written.
  func scaleTable(
    of lowered: LoweredModel, _ configuration: Configuration,
    _ losses: [Weight: QuantizationLoss]
  ) throws(Diagnostic) -> ScaleTable {
    let context = lowered.context
    let header = ScaleTable.Header(
      toolVersion: Compiler.version, modelDigest: lowered.structureDigest,
      configurationDigest: try SHA256.hex(of: Array(configuration.digestText.utf8)),
      measurementDigest: lowered.measurementDigest, target: context.settings.target.name,
      format: configuration.format.rawValue.uppercased(),
      method: context.settings.plan.standard.name,
      form: context.settings.form.rawValue,
      weightBytes: (lowered.sourceWeightBytes, Exporter.weightBytes(of: lowered.model)))
    return ScaleTable(
      header, model: lowered.model, losses: losses, limits: context.settings.limits,
      left: context.left.map {
        ScaleTable.LeftModule(
          path: $0.path, kind: $0.kind, type: $0.type, node: $0.node, reason: $0.reason)
      })
  }

  /// Everything that quantizing does before a byte is written; `recordPath` names what an earlier run left.
  func lower(
    _ configuration: Configuration, _ configurationFile: String?, _ measured: MeasuredJust,
    recordPath: String? = nil
  ) throws(Diagnostic) -> LoweredModel {
    var context = PassContext(try settings(configuration))
    var (model, given) = try load(options.model)
    guard let store = given else { throw .needsWeights(options.model) }
    given = nil
    var files = FileList(store.paths)
    files.add([configurationFile].compactMap { $0 })
    if configuration.target.hasSuffix(".json") { files.add([configuration.target]) }
    let structure = try store.model.structureDigest()
    let sourceWeightBytes = Exporter.weightBytes(of: model)
    let source = model.graph.nodeCount <= Compiler.provedNodes ? model : nil
    try run(try Pipeline(parsing: Compiler.front), on: &model, in: &context)
    do throws(Diagnostic) {
      // Calls that are written out may leave out what a node of the function needs.
      try OperatorCheck(context.settings.operators).check(model)
    } catch {
      throw error.inFile(options.model)
    }
    explain(model, context)
    if configuration.isFake { context.warn(.fakeQuantization()) }
    if !model.hasModules { context.warn(.noModules()) }

    var measurement: (Measurement, names: [String: String])?
    var measurementDigest: String?
    var cache: ScaleCache?
    let needsRanges = context.settings.needsRanges
    if needsRanges, !configuration.observer.recordsRanges {
      throw .noRanges(configuration.observer.rawValue)
    }
    if needsRanges, model.hasModules {
      let path = configuration.files.measurement
      let read = try Measurement(path: path)
      measurementDigest = try digest(ofFile: path)
      let names = try measuredNames(of: model, in: read, files: &files)
      bind(read, to: &context, model, names)
      measurement = (read, names)
      cache = try ScaleCache(
        configuration.files, context.settings, configuration, weights: store.paths, digest: digest)
      // INC recalculates whatever an object says (inc-fp8.md section 4.8).
      if !configuration.recalculatesScales, configuration.methodPlan == nil {
        note(try cache?.fill(&context.settings, for: model, names) ?? .absent)
      }
      files.add(measured.files.isEmpty ? [path] : measured.files)
    }
    var record: IncrementalRecord?
    if let recordPath {
      record = try IncrementalRecord(
        path: recordPath, of: model, store,
        jobs: try jobs(for: model, store, isQDQ: context.settings.form == .qdq))
    }
    do throws(Diagnostic) {
      try gatherWeightStatistics(of: model, store, &context, &record)
      try checkStoredCodes(of: model, store, context)
    } catch {
      throw error.inFile(options.model)
    }
    try run(try Pipeline(parsing: Compiler.back), on: &model, in: &context)
    try OutputCheck(context.settings.target, context.settings.limits).check(model)
    return LoweredModel(
      model: model, source: source, store: store, context: context, files: files,
      structureDigest: structure,
      sourceWeightBytes: sourceWeightBytes,
      measurementDigest: measurementDigest, measurement: measurement, cache: cache, record: record)
  }

  private func note(_ outcome: ScaleCache.Outcome) {
    switch outcome {
    case .absent: return
    case .used(let path): console.note("using the scales that were searched for in '\(path)'")
    case .stale(let path):
      console.note(
        "the scales in '\(path)' follow from another model, method, format or target: not used")
    }
  }

  /// `OUT` with `.scales.json` for `.onnx`.
  func scaleTablePath(_ output: String) -> String {
    if let path = options.scales { return path }
    let stem = output.hasSuffix(".onnx") ? String(output.dropLast(5)) : output
    return "\(stem).scales.json"
  }

  // MARK: Writing

  /// Writes data file and model.
  ///
  /// `others` are written with them, and none of `inputs` may be. `check` sees both before either has its
  /// name. `beforeModel` runs when all bytes are written and the model is not renamed, so that it appears last.
  func writeModel(
    _ model: Model, _ store: WeightStore, to output: String, beside others: [String] = [],
    inputs: [String] = [], isQDQ: Bool = false, record: IncrementalRecord? = nil,
    check: (WrittenModel) throws(Diagnostic) -> Void = { _ in },
    beforeModel: (Exporter) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Exporter {
    let dataPath = "\(output).data"
    let placement = placement(model, dataPath)
    var outputs = [output] + others
    if case .dataFile = placement { outputs.append(dataPath) }
    _ = try OutputPaths(outputs, inputs: store.paths + inputs, model: store.paths.first)
    var exporter = Exporter(
      model, store, placement: placement,
      jobs: try jobs(for: model, store, isQDQ: isQDQ),
      keys: record?.keys,
      earlier: record?.earlier)
    var file = try OutputFile(path: output)
    file.startsWriteback = options.syncs
    console.begin("writing \(output)", of: exporter.weightBytes, in: .bytes)
    let report = { [console] (bytes: Int64) throws(Diagnostic) in try console.advance(by: bytes) }
    try exporter.write(to: &file, progress: report)
    try file.flush()
    file.startWriteback(ofAtLeast: 1)
    if exporter.hasData {
      var data = try OutputFile(path: dataPath)
      data.startsWriteback = options.syncs
      try exporter.writeData(to: &data, progress: report)
      try data.flush()
      data.startWriteback(ofAtLeast: 1)
      if let model = file.written, let path = data.written {
        try check(WrittenModel(path: model, data: (Folder.name(of: dataPath), path)))
      }
      try data.commit(sync: options.syncs, keepIfEqual: options.depfile != nil)
    } else if let model = file.written {
      try check(WrittenModel(path: model, data: nil))
    }
    console.finish()
    try beforeModel(exporter)
    try file.commit(sync: options.syncs, keepIfEqual: options.depfile != nil)
    return exporter
  }

  /// Weights above this many bytes together leave the model unless the user says otherwise.
  private static let inlineLimit: Int64 = 1 << 30

  private func placement(_ model: Model, _ dataPath: String) -> Exporter.Placement {
    let location = Folder.name(of: dataPath)
    let outside = Exporter.Placement.dataFile(
      threshold: options.externalDataThreshold, location: location)
    switch options.externalData {
    case .never: return .inline
    case .always: return outside
    case .auto:
      return Exporter.weightBytes(of: model) > Compiler.inlineLimit ? outside : .inline
    }
  }

  /// INC's scale file beside the measurement, for the modules of this model.
  private func writeScaleFile(
    _ measurement: Measurement, _ model: Model, _ names: [String: String], _ context: PassContext,
    to files: MeasurementFiles
  ) throws(Diagnostic) {
    var kinds: [String: RecordKind] = [:]
    var types: [String: String] = [:]
    var weights: [String: RecordedScale] = [:]
    for placed in model.placedModules {
      let module = placed.module
      kinds[module.path] = recordKind(of: module)
      types[module.path] = module.type
      guard let port = module.port("weight"), let scale = port.scale else { continue }
      switch scale {
      case .dynamic: continue
      case .perTensor(let value):
        weights[module.path] =
          context.settings.method(of: module).weight.value == .search
          ? .list([value]) : .scalar(value)
      case .perChannel(let values, _):
        let count = placed.graph.type(of: port)?.elementCount ?? 0
        weights[module.path] = .channels(values, inputs: count / max(values.count, 1))
      }
    }
    // Methods are chosen by the model's names, and the file has the measurement's.
    let paths = Dictionary(names.map { ($0.value, $0.key) }) { first, _ in first }
    var taken = measurement
    taken.nodes = measurement.nodes.compactMap { node in
      guard let path = paths[node.name], kinds[path] != nil else { return nil }
      var node = node
      node.name = path
      return node
    }
    let recorder = try ScaleRecorder(
      plan: context.settings.plan, limits: context.settings.limits,
      arithmetic: context.settings.arithmetic, precision: context.settings.hp,
      allowsNonFinite: options.allowsNonFinite)
    var file = try recorder.scales(of: taken, kinds: kinds, types: types, weights: weights).file
    for index in file.records.indices {
      file.records[index].name = names[file.records[index].name] ?? file.records[index].name
    }
    let method = context.settings.plan.standard.name
    try write(file, to: files.scales(method: method))
  }

  /// What INC's record of a module of this kind means: one with a weight is a linear's.
  private func recordKind(of module: QuantizedModule) -> RecordKind? {
    if let kind = RecordKind(rawValue: module.kind) { return kind }
    if module.port("weight") != nil { return .linear }
    return module.port("other") != nil ? .matmul : nil
  }

  /// A few lines on what was done.
  private func summarize(
    _ model: Model, _ losses: [Weight: QuantizationLoss], _ context: PassContext, _ output: String
  ) {
    var worst = 0.0
    var elements = 0
    for placed in model.placedModules {
      for port in placed.module.ports where port.role == .weight {
        guard let weight = placed.weight(of: port), let loss = losses[weight] else {
          continue
        }
        elements += loss.elements
        worst = max(worst, Double(loss.clipped) / Double(max(loss.elements, 1)))
      }
    }
    console.note(
      "\(output): \(model.modules.count) modules in FP8, \(context.left.count) left, "
        + "\(elements) weight elements as codes, worst clipped fraction \(worst)")
  }
}

/// A model whose operators are those of FP8, and what belongs to it.
struct LoweredModel {
  var model: Model
  /// The source as it was read; not kept where it has too many nodes to be proved.
  let source: Model?
  let store: WeightStore
  let context: PassContext
  /// Every file that was read.
  let files: FileList
  let structureDigest: String
  /// The bytes of all weights before anything was done to them.
  let sourceWeightBytes: Int64
  let measurementDigest: String?
  /// The measurement, and its names by the model's.
  let measurement: (Measurement, names: [String: String])?
  let cache: ScaleCache?
  /// What the next run may take over.
  let record: IncrementalRecord?
}

extension Configuration {
  /// What decides the output, without the places of files.
  fileprivate var digestText: String {
    var copy = self
    copy.dumpStatsPath = ""
    return copy.json.text(indent: nil)
  }
}

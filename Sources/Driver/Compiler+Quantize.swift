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
  private static let front = "infer-types, canonicalize, raise-opset, \(search)"
  private static let back =
    "bind-measurements, assign-scales, lower-to-fp8, fold-scales, clamp-quantizers, "
    + "convert-precision"

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
    var dependencies = Dependencies(target: output)
    var context = PassContext(try settings(configuration))
    var (model, given) = try load(options.model)
    guard let store = given else { throw .needsWeights(options.model) }
    given = nil
    dependencies.add(store.paths)
    dependencies.add([configurationFile].compactMap { $0 })
    if configuration.target.hasSuffix(".json") { dependencies.add([configuration.target]) }
    let structure = try store.model.structureDigest()
    try run(try Pipeline(parsing: Compiler.front), on: &model, in: &context)
    explain(model, context)
    if model.modules.isEmpty { context.warn(.noModules()) }

    let files = configuration.files
    let needsRanges = context.settings.needsRanges
    var measurement: Measurement?
    var measurementDigest: String?
    if needsRanges, !model.modules.isEmpty {
      let path = files.measurement
      let read = try Measurement(path: path)
      measurementDigest = try digest(ofFile: path)
      bind(read, to: &context, model)
      measurement = read
      dependencies.add(measured.files.isEmpty ? [path] : measured.files)
    }
    do throws(Diagnostic) {
      try gatherWeightStatistics(of: model, store, &context)
      try checkStoredCodes(of: model, store, context)
    } catch {
      throw error.inFile(options.model)
    }
    try run(try Pipeline(parsing: Compiler.back), on: &model, in: &context)
    try OutputCheck(context.settings.target, context.settings.limits).check(model)

    let exporter = try writeModel(model, store, to: output) { exporter throws(Diagnostic) in
      let header = ScaleTable.Header(
        toolVersion: Compiler.version, modelDigest: structure,
        configurationDigest: try SHA256.hex(of: Array(configuration.digestText.utf8)),
        measurementDigest: measurementDigest, target: context.settings.target.name,
        method: context.settings.plan.standard.name, form: context.settings.form.rawValue)
      let table = ScaleTable(
        header, model: model, losses: exporter.losses, limits: context.settings.limits)
      try write(table.json.text(indent: 2) + "\n", to: scaleTablePath(output))
      if let measurement {
        try writeScaleFile(measurement, model, context, to: files)
      }
      if let path = options.ir { try write(model.text, to: path) }
      if let path = options.depfile { try write(dependencies.text, to: path) }
    }
    for item in exporter.clamped { context.remark(.clamped(item.name, count: item.count)) }
    report(context, except: measured.said)
    if !console.isQuiet {
      summarize(model, exporter.losses, context, output)
    }
    return .done
  }

  /// `OUT` with `.scales.json` for `.onnx`.
  func scaleTablePath(_ output: String) -> String {
    if let path = options.scales { return path }
    let stem = output.hasSuffix(".onnx") ? String(output.dropLast(5)) : output
    return "\(stem).scales.json"
  }

  // MARK: Ranges

  /// Gives the passes the measured ranges by the names of ports.
  private func bind(_ measurement: Measurement, to context: inout PassContext, _ model: Model) {
    var records: [String: MeasuredNode] = [:]
    for node in measurement.nodes { records[node.name] = node }
    context.settings.measuredPaths = measurement.nodes.map(\.name)
    for module in model.modules {
      guard let record = records[module.path],
        let kind = context.settings.modules.kind(named: module.kind)
      else { continue }
      var ranges: [String: [Float]] = [:]
      for (port, table) in zip(kind.ports(measuredIn: .inputs), record.inputs) {
        ranges[port.name] = table.rows.flatMap { $0 }
      }
      for (port, table) in zip(kind.ports(measuredIn: .outputs), record.outputs) {
        ranges[port.name] = table.rows.flatMap { $0 }
      }
      context.settings.ranges[module.path] = ranges
    }
  }

  /// Reads every weight once, for its range and, where the method searches, for its best scale.
  private func gatherWeightStatistics(
    of model: Model, _ store: WeightStore, _ context: inout PassContext
  ) throws(Diagnostic) {
    for placed in model.placedModules {
      let method = context.settings.method(of: placed.module)
      let choice = method.weight
      let rule = try context.settings.rule(choice)
      for port in placed.module.ports where port.role == .weight {
        let channels = context.settings.channels(of: port, in: placed.graph, method)
        let key = WeightSearch(channels, choice)
        let isSearched = choice.value != .search || context.settings.searchedScales[key] != nil
        guard let weight = placed.weight(of: port),
          context.settings.weightRanges[channels] == nil || !isSearched
        else { continue }
        let name = placed.graph.name(of: port)
        let axis = channels.axis
        var search: ScaleSearch?
        if choice.value == .search, axis == nil {
          search = ScaleSearch(
            encoding: context.settings.limits.encoding,
            fullscale: context.settings.limits.fullscale, candidates: rule.tensorCandidates)
        }
        let ranges = try store.ranges(of: weight, axis: axis, feeding: &search)
        if ranges.nonFiniteCount > 0 {
          guard options.allowsNonFinite else {
            throw .weightNotFinite(
              name, count: ranges.nonFiniteCount, first: ranges.firstNonFinite ?? 0)
          }
          context.warn(
            .weightNotFinite(
              name, count: ranges.nonFiniteCount, first: ranges.firstNonFinite ?? 0))
        }
        context.settings.weightRanges[channels] = ranges.maxAbs
        if let found = search?.best(comparingIn: context.settings.hp) {
          context.settings.searchedScales[key] = .perTensor(found)
        } else if choice.value == .search, let axis {
          context.settings.searchedScales[key] = .perChannel(
            try searchChannels(weight, axis, ranges, rule, store, context), axis: axis)
        }
      }
    }
  }

  /// FP8 weights that the model already has must lie within the target's range.
  private func checkStoredCodes(
    of model: Model, _ store: WeightStore, _ context: PassContext
  ) throws(Diagnostic) {
    let limits = context.settings.limits
    let limit = limits.encoding.encode(limits.fullscale, fullscale: limits.fullscale)
    for id in model.graph.weights {
      guard let weight = model.graph[id].weight, weight.stored.element == limits.encoding.element
      else { continue }
      let largest = try store.largestCode(of: weight)
      guard largest <= limit || largest == FP8Format.nanCode else {
        throw .storedCodeOutOfRange(model.graph[id].name, limit: limits.fullscale)
      }
    }
  }

  /// The multiples of each channel's own scale with the least error; reads the weight once more.
  private func searchChannels(
    _ weight: Weight, _ axis: Int, _ ranges: RangeAccumulator, _ rule: ScaleRule,
    _ store: WeightStore, _ context: PassContext
  ) throws(Diagnostic) -> [Float] {
    let precision = HighPrecision(weight.type().element) ?? .fp32
    let references = ranges.maxAbs.map {
      rule.channelScale(forMaxAbs: $0, in: precision).value ?? 1
    }
    var search = ScaleSearch(
      encoding: context.settings.limits.encoding, fullscale: context.settings.limits.fullscale,
      references: references, multipliers: rule.channelMultipliers,
      layout: try store.layout(of: weight, axis: axis))
    try store.feed(weight, to: &search)
    return search.bestPerChannel(comparingIn: context.settings.hp)
  }

  // MARK: Writing

  /// Writes data file and model; `beforeModel` runs when all bytes are written and nothing is renamed,
  /// so that the model appears last.
  func writeModel(
    _ model: Model, _ store: WeightStore, to output: String,
    beforeModel: (Exporter) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Exporter {
    let dataPath = "\(output).data"
    var exporter = Exporter(model, store, placement: placement(model, dataPath))
    var file = try OutputFile(path: output)
    try exporter.write(to: &file)
    if exporter.hasData {
      var data = try OutputFile(path: dataPath)
      try exporter.writeData(to: &data)
      try data.commit(sync: options.syncs, keepIfEqual: options.depfile != nil)
    }
    try beforeModel(exporter)
    try file.commit(sync: options.syncs, keepIfEqual: options.depfile != nil)
    return exporter
  }

  /// Weights above this many bytes together leave the model unless the user says otherwise.
  private static let inlineLimit: Int64 = 1 << 30

  private func placement(_ model: Model, _ dataPath: String) -> Exporter.Placement {
    let location = dataPath.split(separator: "/").last.map(String.init) ?? dataPath
    let outside = Exporter.Placement.dataFile(
      threshold: options.externalDataThreshold, location: location)
    switch options.externalData {
    case .never: return .inline
    case .always: return outside
    case .auto:
      var total: Int64 = 0
      for id in model.graph.weights {
        guard let type = model.graph[id].type?.tensor, let count = type.elementCount,
          let bytes = type.element.byteCount(of: count)
        else { continue }
        total += Int64(bytes)
      }
      return total > Compiler.inlineLimit ? outside : .inline
    }
  }

  /// INC's scale file beside the measurement, for the modules of this model.
  private func writeScaleFile(
    _ measurement: Measurement, _ model: Model, _ context: PassContext,
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
    var taken = measurement
    taken.nodes = measurement.nodes.filter { kinds[$0.name] != nil }
    let recorder = try ScaleRecorder(
      plan: context.settings.plan, limits: context.settings.limits,
      arithmetic: context.settings.arithmetic, precision: context.settings.hp,
      allowsNonFinite: options.allowsNonFinite)
    let scales = try recorder.scales(of: taken, kinds: kinds, types: types, weights: weights)
    let method = context.settings.plan.standard.name
    try write(
      scales.file.text, archive: scales.file.archive, to: files.scales(method: method))
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

extension Configuration {
  /// What decides the output, without the places of files.
  fileprivate var digestText: String {
    var copy = self
    copy.dumpStatsPath = ""
    return copy.json.text(indent: nil)
  }
}

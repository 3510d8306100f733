internal import FP8
internal import IR
internal import Measurements
internal import ONNX
internal import Passes
internal import Support
internal import Targets
internal import Weights

/// Where the passes get their ranges from: the measurement, and the bytes of weights.
extension Compiler {
  /// The measured name of every module that has one, by the module's path.
  func measuredNames(
    of model: Model, in measurement: Measurement, files: inout Dependencies
  ) throws(Diagnostic) -> [String: String] {
    var renaming = Renaming()
    if let path = options.moduleMap {
      renaming = try Renaming(file: path)
      files.add([path])
      let measured = measurement.nodes.map(\.name)
      for old in renaming.modules.keys.sorted() where !measured.contains(old) {
        console.report(
          .nothingToRename(old, near: nearest(to: old, among: measured)).inFile(path))
      }
    }
    for text in options.modulePrefixes {
      let parts = text.split(separator: "=", omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw .prefixMap(text) }
      renaming.prefixes.append((String(parts[0]), String(parts[1])))
    }
    let binding = try MeasurementBinding(
      modules: model.modules.map(\.path), measured: measurement.nodes.map(\.name),
      renaming: renaming)
    if !console.isQuiet {
      switch binding.dropped {
      case .ofModel(let prefix)?:
        console.note("measured names lack '\(prefix).', with which all names of the model begin")
      case .ofMeasurement(let prefix)?:
        console.note("the model's names lack '\(prefix).', with which all measured names begin")
      case nil: break
      }
    }
    return binding.names
  }

  /// Gives the passes the measured ranges by the names of ports; those of channels as their largest
  /// (inc-fp8.md section 4.6).
  func bind(
    _ measurement: Measurement, to context: inout PassContext, _ model: Model,
    _ names: [String: String]
  ) {
    var records: [String: MeasuredNode] = [:]
    for node in measurement.nodes { records[node.name] = node }
    let bound = Set(names.values)
    context.settings.unboundNames = measurement.nodes.map(\.name).filter { !bound.contains($0) }
    for module in model.modules {
      guard let record = names[module.path].flatMap({ records[$0] }),
        let kind = context.settings.modules.kind(named: module.kind)
      else { continue }
      var ranges: [String: [Float]] = [:]
      for (port, table) in zip(kind.ports(measuredIn: .inputs), record.inputs) {
        ranges[port.name] = [table.maxAbs]
      }
      for (port, table) in zip(kind.ports(measuredIn: .outputs), record.outputs) {
        ranges[port.name] = [table.maxAbs]
      }
      context.settings.ranges[module.path] = ranges
    }
  }

  /// Reads every weight once, for its range and, where the method searches, for its best scale.
  func gatherWeightStatistics(
    of model: Model, _ store: WeightStore, _ context: inout PassContext
  ) throws(Diagnostic) {
    for placed in model.placedModules {
      let method = context.settings.method(of: placed.module)
      let choice = method.weight
      let rule = try context.settings.rule(choice)
      for port in placed.module.ports where port.role == .weight {
        let channels = context.settings.channels(of: port, in: placed.graph, method)
        let key = WeightSearch(channels, choice)
        let searches = choice.value == .search && context.settings.searchedScales[key] == nil
        guard let weight = placed.weight(of: port),
          context.settings.weightRanges[channels] == nil || searches
        else { continue }
        let name = placed.graph.name(of: port)
        let axis = channels.axis
        var search: ScaleSearch?
        if searches, axis == nil, choice.objective == .squaredError {
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
        } else if searches, axis == nil, choice.objective == .relativePerChannel {
          context.settings.searchedScales[key] = try searchByRelativeError(
            weight, port.channelAxis, rule, store, context
          ).map { .perTensor($0) }
        } else if searches, let axis {
          context.settings.searchedScales[key] = .perChannel(
            try searchChannels(weight, axis, ranges, rule, store, context), axis: axis)
        }
      }
    }
  }

  /// FP8 weights that the model already has must lie within the target's range.
  func checkStoredCodes(
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

  /// The scale of a whole tensor that its channels are best with; reads the weight once more.
  private func searchByRelativeError(
    _ weight: Weight, _ axis: Int?, _ rule: ScaleRule, _ store: WeightStore, _ context: PassContext
  ) throws(Diagnostic) -> Float? {
    var search = ScaleSearch(
      encoding: context.settings.limits.encoding, fullscale: context.settings.limits.fullscale,
      candidates: rule.tensorCandidates, channels: try store.layout(of: weight, axis: axis))
    try store.feed(weight, to: &search)
    return search.bestByRelativeError()
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
}

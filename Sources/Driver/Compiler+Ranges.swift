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
    of model: Model, in measurement: Measurement, files: inout FileList
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
    switch binding.dropped {
    case .ofModel(let prefix)?:
      console.note("measured names lack '\(prefix).', with which all names of the model begin")
    case .ofMeasurement(let prefix)?:
      console.note("the model's names lack '\(prefix).', with which all measured names begin")
    case nil: break
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
}

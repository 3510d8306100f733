internal import Calibration
internal import FP8
internal import IR
internal import Measurements
internal import Passes
internal import Support
internal import Targets
internal import Weights

/// What observers gave, by the names of their outputs.
struct Records {
  /// What was asked for.
  private(set) var observed: Set<String> = []
  private var tables: [String: RangeTable] = [:]

  /// What was executed at least once.
  init(_ run: ObserverRun) {
    observed = Set(run.names)
    for (index, name) in run.names.enumerated() where run.counts[index] > 0 {
      tables[name] = RangeTable(run.maxima[index])
    }
  }

  init(_ run: TensorRun, _ kind: TensorRun.Kind) {
    observed = Set(run.names)
    for (name, row) in zip(run.names, run.rows) {
      tables[name] = row.map { kind == .shapes ? RangeTable(rows: [$0]) : RangeTable(channels: $0) }
    }
  }

  subscript(name: String) -> RangeTable? { tables[name] }

  /// True where nothing was executed.
  var isEmpty: Bool { tables.isEmpty }
}

/// From what observers gave to the files of a measurement.
extension MeasuringJob {
  /// INC's record of every module, in the order of the graph.
  func measurement(of records: Records, _ weights: [String: RangeTable]) -> Measurement {
    var measurement = Measurement()
    // Of a shard without batches that is said once.
    let isEmpty = shard != nil && records.isEmpty
    for placed in model.placedModules {
      let module = placed.module
      guard let kind = context.settings.modules.kind(named: module.kind) else { continue }
      func tables(_ record: ModuleKind.Record) -> [RangeTable] {
        kind.ports(measuredIn: record).compactMap { port in
          let name = InsertObservers.outputName(path: module.path, port: port.name)
          if let table = records[name] { return table }
          // An attention operator has no softmax to look at: INC's record gets what is known of it.
          guard module.port(port.name) != nil, let known = port.otherwise else { return nil }
          return configuration.observer == .shape ? RangeTable(rows: [[]]) : RangeTable(known)
        }
      }
      let expected = module.ports.map {
        InsertObservers.outputName(path: module.path, port: $0.name)
      }.filter(records.observed.contains)
      // Not looked at, which the passes said already.
      if expected.isEmpty, configuration.observer != .maxabs, module.quantizes { continue }
      // A branch that no batch took: absent is not the same as zero.
      if !expected.isEmpty, expected.allSatisfy({ records[$0] == nil }) {
        if !isEmpty {
          compiler.console.report(.notExecuted(module.path).inFile(compiler.options.model))
        }
        continue
      }
      var node = MeasuredNode(name: module.path)
      node.inputs = tables(.inputs)
      node.outputs = tables(.outputs)
      if let table = weights[module.path] {
        node.parameters = [MeasuredNode.Parameter(name: "weight", table: table)]
      }
      measurement.nodes.append(node)
    }
    return measurement
  }

  // MARK: Weights

  /// The range of every module's weight, which must be finite unless the user accepts others.
  func weightRanges() throws(Diagnostic) -> [String: RangeTable] {
    try weights { (weight, _, name) throws(Diagnostic) in
      let range = try finiteRanges(of: weight, axis: nil, name)
      return RangeTable(configuration.hp.round(range.tensorMaxAbs))
    }
  }

  /// The ranges of the output channels, which INC keeps in float32.
  func weightChannels() throws(Diagnostic) -> [String: RangeTable] {
    try weights { (weight, axis, name) throws(Diagnostic) in
      RangeTable(channels: try finiteRanges(of: weight, axis: axis, name).maxAbs)
    }
  }

  /// The shapes that the weights have in PyTorch, where output channels come first.
  func weightShapes() throws(Diagnostic) -> [String: RangeTable] {
    try weights { (weight, axis, _) throws(Diagnostic) in
      var sizes = (weight.type().sizes ?? []).map { Float($0) }
      if sizes.count == 2, axis == 1 { sizes.reverse() }
      return RangeTable(rows: [sizes])
    }
  }

  private func weights(
    _ table: (Weight, _ channelAxis: Int?, _ name: String) throws(Diagnostic) -> RangeTable
  ) throws(Diagnostic) -> [String: RangeTable] {
    var tables: [String: RangeTable] = [:]
    for placed in model.placedModules {
      guard let port = placed.module.port("weight"), let weight = placed.weight(of: port) else {
        continue
      }
      tables[placed.module.path] = try table(
        weight, port.channelAxis, placed.graph.name(of: port))
    }
    return tables
  }

  private func finiteRanges(
    of weight: Weight, axis: Int?, _ name: String
  ) throws(Diagnostic) -> RangeAccumulator {
    var none: ScaleSearch?
    let range = try store.ranges(of: weight, axis: axis, feeding: &none)
    guard range.nonFiniteCount == 0 || compiler.options.allowsNonFinite else {
      throw .weightNotFinite(
        name, count: range.nonFiniteCount, first: range.firstNonFinite ?? 0
      ).inFile(compiler.options.model)
    }
    return range
  }

  // MARK: Files

  /// Writes what there is so far where `calibration_sample_interval` says so.
  ///
  /// Without provenance: a run that stops behind it is none to be used again.
  func dump(
    _ records: Records, _ weights: [String: RangeTable], after batches: Int, _ dumps: inout Int
  ) throws(Diagnostic) {
    let interval = configuration.sampleInterval
    guard interval > 0, batches % interval == 0 else { return }
    var measurement = measurement(of: records, weights)
    measurement.sampleCount = batches
    try write(measurement, isLast: false, isFirst: dumps == 0)
    dumps += 1
  }

  func finish(
    _ records: Records, _ weights: [String: RangeTable], batches: Int, _ dumps: Int
  ) throws(Diagnostic) {
    var measurement = measurement(of: records, weights)
    if configuration.sampleInterval > 0 { measurement.sampleCount = batches }
    try write(measurement, isFirst: dumps == 0)
  }

  func write(
    _ measurement: Measurement, isLast: Bool = true, isFirst: Bool = true
  ) throws(Diagnostic) {
    let files = measurementFiles
    var contents = [
      (path: files.json, bytes: Array(measurement.text.utf8)),
      (path: files.npz, bytes: measurement.archive),
      (path: files.moduleList, bytes: Array(measurement.moduleListText.utf8)),
    ]
    if isLast {
      contents.append(
        (path: files.provenance, bytes: Array(try provenance().utf8)))
    }
    // A shard leaves the files of the others where they are.
    if isFirst, shard == nil, let backup = try files.backUp(before: contents) {
      compiler.console.note("earlier files moved to '\(backup)'")
    }
    for item in contents {
      var file = try OutputFile(path: item.path, createFolders: true)
      try file.write(item.bytes)
      try file.commit(sync: compiler.options.syncs)
    }
  }
}

extension QuantizedModule {
  /// True where it has operands to be measured.
  fileprivate var quantizes: Bool { ports.contains { $0.role == .activation } }
}

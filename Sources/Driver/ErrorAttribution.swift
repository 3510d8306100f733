internal import Backend
internal import Calibration
internal import FP8
internal import IR
internal import Passes
internal import Reports
internal import Support
internal import Targets

/// What each module of a quantized model costs, and why no number is known of others.
struct ErrorAttribution {
  /// The costliest first; equal ones in the order of the graph.
  private(set) var modules: [ModuleCost] = []
  /// The modules that could not be looked at alone: none of whose operands has a scale, or one is no float32.
  private(set) var notAttributed: [String] = []

  /// Runs the source model's modules beside copies of them that compute with the table's scales.
  init(
    of table: ScaleTableFile, _ set: CalibrationSet, _ runtime: Runtime, _ compiler: Compiler
  ) throws(Diagnostic) {
    let source = compiler.options.model
    var configuration = Configuration()
    configuration.target = table.target
    configuration.format = table.format
    configuration.setMethod(table.method)
    configuration.isDynamic = table.hasDynamicScales
    configuration.allowedTypes = Array(Set(table.modules.map(\.type))).sorted()
    var context = PassContext(try compiler.settings(configuration))
    var (model, given) = try compiler.load(source)
    guard let store = given else { throw .needsWeights(source) }
    given = nil
    guard !table.modules.isEmpty else { return }
    try compiler.run(try Pipeline(parsing: Compiler.front), on: &model, in: &context)
    model.graph.mapAll { ErrorAttribution.setScales(of: &$0, from: table) }
    let runnable = try RunnableModel(model, store, asFloat32: true, compiler, &context)
    var observed = runnable.model
    try compiler.run(try Pipeline(parsing: "observe-errors"), on: &observed, in: &context)
    var sums: [Sums] = []
    var outputs: [(module: Int, quantity: ObserveErrors.Quantity, name: String)] = []
    for module in table.modules {
      let names = ObserveErrors.Quantity.allCases.map {
        (quantity: $0, name: ObserveErrors.outputName(path: module.path, $0))
      }
      guard names.allSatisfy({ observed.graph.value(named: $0.name) != nil }) else {
        notAttributed.append(module.path)
        continue
      }
      outputs += names.map { (sums.count, $0.quantity, $0.name) }
      sums.append(Sums(path: module.path))
    }
    guard !sums.isEmpty else { return }
    // The model's own outputs are not asked for, so what only they need is not computed.
    let session = try RunnableModel(running: observed, store).session(runtime)
    try set.forEachBatch { (batch, _) throws(Diagnostic) in
      let found = try session.run(batch, outputs: outputs.map(\.name))
      for (output, tensor) in zip(outputs, found) {
        sums[output.module].values[output.quantity, default: 0] +=
          Double(tensor?.floats?.first ?? 0)
      }
    }
    let costs = sums.map(\.cost)
    modules = costs.indices.sorted {
      let (left, right) = (costs[$0].total, costs[$1].total)
      return left == right ? $0 < $1 : left < right
    }.map { costs[$0] }
  }

  /// What was summed for one module over all batches.
  private struct Sums {
    let path: String
    var values: [ObserveErrors.Quantity: Double] = [:]

    var cost: ModuleCost {
      ModuleCost(
        path: path, total: decibels(.total), weights: decibels(.weights),
        rounding: decibels(.rounding), saturation: decibels(.saturation),
        clipped: fraction(.clipped), flushed: fraction(.flushed))
    }

    private func decibels(_ part: ObserveErrors.Quantity) -> Double {
      Decibels.ratio(signal: values[.signal] ?? 0, error: values[part] ?? 0)
    }

    private func fraction(_ part: ObserveErrors.Quantity) -> Double {
      let elements = values[.elements] ?? 0
      return elements > 0 ? (values[part] ?? 0) / elements : 0
    }
  }

  /// Hangs the table's scales on the modules of the same path.
  private static func setScales(of graph: inout Graph, from table: ScaleTableFile) {
    let known = Dictionary(table.modules.map { ($0.path, $0) }) { first, _ in first }
    for index in graph.modules.indices {
      guard let module = known[graph.modules[index].path] else { continue }
      var ports = graph.modules[index].ports
      for position in ports.indices {
        let scale = module.ports.first { $0.name == ports[position].name }?.scale
        // The table has the axis of what was written, whose weight may be the other way round.
        if case .perChannel(let values, _)? = scale, let axis = ports[position].channelAxis {
          ports[position].scale = .perChannel(values, axis: axis)
        } else {
          ports[position].scale = scale
        }
      }
      graph.updateModule(at: index) { $0.ports = ports }
    }
  }

  /// The modules as a table for people, the costliest first.
  var text: String {
    guard !modules.isEmpty else { return "" }
    var rows = [
      ["module", "dB", "weights", "rounding", "saturation", "clipped", "flushed"]
    ]
    for module in modules {
      rows.append(
        [printable(module.path)]
          + [module.total, module.weights, module.rounding, module.saturation].map(Decibels.text)
          + [module.clipped, module.flushed].map { "\(($0 * 1e4).rounded() / 100) %" })
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, text in
        let fill = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + fill : fill + text
      }.joined(separator: "  ") + "\n"
    }.joined()
  }
}

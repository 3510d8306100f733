internal import Backend
internal import Calibration
internal import IR
internal import Passes
internal import Reports
internal import Support

/// `--budget`: which modules stay in high precision.
///
/// Modules are kept by what the model gains when only they are kept, those that gain most first: as many
/// as are needed, found by halving; then each of them goes back to FP8, the last first, where the budget
/// holds without it. None of those that stay can be spared, which does not prove that no other set is
/// smaller. Of many modules, only those are tried that cost most alone.
extension Compiler {
  /// The configuration with the modules to keep on its blocklist.
  func reach(
    _ budget: Budget, _ configuration: Configuration, measured: MeasuredJust
  ) throws(Diagnostic) -> Configuration {
    guard !options.calibration.isEmpty else { throw .budgetWithoutBatches() }
    if budget.measure == .accuracy, options.labels == nil { throw .budgetWithoutLabels() }
    let search = try BudgetSearch(self, budget, configuration, measured)
    let first = try search.trial(keeping: [])
    guard first.score < budget.minimum else {
      console.note("budget: \(budget.text(first.score)) with every module in FP8")
      return configuration
    }
    let costs = try search.costs(first.table)
    let known = costs.modules.map(\.path) + costs.notAttributed
    let order =
      try search.byGain(Array(known.prefix(Self.trialLimit))) + known.dropFirst(Self.trialLimit)
    var (short, enough) = (0, order.count)
    var best = try search.trial(keeping: order).score
    guard best >= budget.minimum else {
      throw .budgetNotReached(budget.text(best), with: budget.text(budget.minimum))
    }
    while enough - short > 1 {
      let middle = (short + enough) / 2
      let score = try search.trial(keeping: Array(order.prefix(middle))).score
      if score >= budget.minimum { (enough, best) = (middle, score) } else { short = middle }
    }
    var kept = Array(order.prefix(enough))
    for path in kept.reversed() where kept.count > 1 {
      let fewer = kept.filter { $0 != path }
      let score = try search.trial(keeping: fewer).score
      if score >= budget.minimum { (kept, best) = (fewer, score) }
    }
    for path in kept {
      let alone = costs.modules.first { $0.path == path }
      let cost = alone.map { " (alone \(Decibels.text($0.total)) dB)" } ?? ""
      console.note("budget: keeps '\(path)'\(cost)")
    }
    console.note(
      "budget: \(budget.text(first.score)) with every module in FP8, \(budget.text(best)) with "
        + "\(kept.count) of \(order.count) kept")
    return search.configuration(keeping: kept)
  }

  /// The most modules that are kept alone to see what it gains.
  private static let trialLimit = 64
}

/// Quantized models that are only run.
private struct BudgetSearch {
  private let compiler: Compiler
  private let budget: Budget
  private let base: Configuration
  private let measured: MeasuredJust
  private let runtime: Runtime
  private let set: CalibrationSet
  private let labels: ArrayPlace?
  private let outputs: [String]
  private let reference: Session

  init(
    _ compiler: Compiler, _ budget: Budget, _ configuration: Configuration,
    _ measured: MeasuredJust
  ) throws(Diagnostic) {
    var quiet = MessageOptions()
    quiet.isSilent = true
    quiet.progress = .never
    var options = compiler.options
    options.explain = nil
    options.isVerbose = false
    options.showsTiming = false
    options.showsStatistics = false
    (options.printBefore, options.printAfter) = ([], [])
    // Codes inside the graph cost what codes at its interface do, which has the source's types then.
    options.hasFP8Cache = false
    self.compiler = Compiler(
      options: options, console: Console(quiet), environment: compiler.environment)
    self.budget = budget
    self.measured = measured
    base = configuration
    runtime = try compiler.runtime()
    labels = try options.labels.map { (text) throws(Diagnostic) in try ArrayPlace(labels: text) }
    let graph = try compiler.load(options.model).model.graph
    set = try compiler.calibrationSet(options.calibration, of: graph, labels: labels)
    outputs = graph.outputs.map { graph[$0].name }
    var context = PassContext(try compiler.settings(configuration))
    reference = try RunnableModel(path: options.model, self.compiler, &context).session(runtime)
  }

  /// The same with modules on the blocklist, each by a pattern that only its path matches.
  func configuration(keeping paths: [String]) -> Configuration {
    var configuration = base
    configuration.blockedNames += paths.map { path in
      let escaped = path.map { #"\^$.|?*+()[]{}/"#.contains($0) ? "\\\($0)" : "\($0)" }
      return "^\(escaped.joined())$"
    }
    if !paths.isEmpty { configuration.note("blocklist", from: .option("--budget")) }
    return configuration
  }

  /// What the model reaches that keeps these modules, and its scales.
  func trial(
    keeping paths: [String]
  ) throws(Diagnostic) -> (score: Double, table: ScaleTableFile) {
    let configuration = configuration(keeping: paths)
    let lowered = try compiler.lower(configuration, nil, measured)
    var context = lowered.context
    let candidate = try RunnableModel(written: lowered.model, lowered.store, compiler, &context)
      .session(runtime)
    var comparison = OutputComparison(outputs: outputs)
    var answers = try labels.map { (place) throws(Diagnostic) in try Answers(place) }
    try set.forEachBatch { (batch, _) throws(Diagnostic) in
      let expected = try reference.run(batch, outputs: outputs)
      let found = try candidate.run(batch, outputs: outputs)
      comparison.add(expected, found)
      try answers?.add(expected.first ?? nil, found.first ?? nil)
    }
    var text = MemorySink()
    try compiler.scaleTable(of: lowered, configuration, [:]).write(to: &text)
    let table = try ScaleTableFile(text.bytes, file: "scales")
    switch budget.measure {
    case .sqnr: return (comparison.worst, table)
    case .accuracy: return (answers?.accuracy ?? 0, table)
    }
  }

  /// The modules in the order of what the model gains by each; equal ones stay in order.
  func byGain(_ paths: [String]) throws(Diagnostic) -> [String] {
    var scores: [Double] = []
    for path in paths { scores.append(try trial(keeping: [path]).score) }
    return paths.indices.sorted {
      scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1]
    }.map { paths[$0] }
  }

  /// What each module costs alone.
  func costs(_ table: ScaleTableFile) throws(Diagnostic) -> ErrorAttribution {
    try ErrorAttribution(of: table, set, runtime, compiler)
  }
}

internal import IR
internal import Support
internal import Targets

/// Raises graphs with the bodies in them.
struct OpsetRaiser {
  private let target: Int64
  private let operators: OperatorTable
  private let opsets: OpsetTable
  /// Local functions, whose names may be those of operators.
  private let functions: Set<FunctionKey>
  /// How many operators were adapted.
  private(set) var count = 0

  /// How deep graphs nest at most; the verifier lets none be deeper.
  private static let depthLimit = 100

  init(
    target: Int64, operators: OperatorTable, opsets: OpsetTable, functions: Set<FunctionKey>
  ) {
    self.target = target
    self.operators = operators
    self.opsets = opsets
    self.functions = functions
  }

  mutating func raise(_ graph: inout Graph, from source: Int64) throws(Diagnostic) {
    guard source < target else { return }
    var names = NameSource(graph)
    try raise(&graph, from: source, &names, depth: 1)
  }

  private mutating func raise(
    _ graph: inout Graph, from source: Int64, _ names: inout NameSource, depth: Int
  ) throws(Diagnostic) {
    guard depth <= OpsetRaiser.depthLimit else {
      throw .nestedTooDeep(OpsetRaiser.depthLimit)
    }
    var raiser = NodeRaiser(graph: graph, names: names)
    for id in graph.nodeIDs {
      if !raiser.graph[id].bodies.isEmpty {
        var node = raiser.graph[id]
        try node.mapBodies { (body: inout Graph) throws(Diagnostic) in
          try raise(&body, from: source, &raiser.names, depth: depth + 1)
        }
        raiser.graph.update(id) { $0 = node }
      }
      do throws(Diagnostic) {
        try raise(id, from: source, with: &raiser)
      } catch {
        var located = error
        located.location = raiser.graph.location(of: id)
        throw located
      }
    }
    graph = raiser.graph
    names = raiser.names
  }

  /// Takes one node over every version that changed its operator.
  private mutating func raise(
    _ id: NodeID, from source: Int64, with raiser: inout NodeRaiser
  ) throws(Diagnostic) {
    let node = raiser.graph[id]
    guard node.domain.isEmpty, !functions.contains(node.functionKey) else { return }
    guard let before = operators.find(domain: "", op: node.op, opset: source) else {
      _ = try operators.signature(domain: "", op: node.op, opset: source)
      return
    }
    var version = source
    while let step = operators.versions(domain: "", op: raiser.graph[id].op)
      .first(where: { $0 > version && $0 <= target })
    {
      let op = raiser.graph[id].op
      switch opsets.change(of: op, at: step) {
      case .same?: break
      case .adapted?:
        try raiser.adapt(id, to: step)
        count += 1
      case .refused?:
        throw .notRaised(op, across: step, reason: "its meaning changed and has no equal")
      case nil: throw .notRaised(op, across: step, reason: "what changed is not known")
      }
      version = step
    }
    _ = try operators.signature(domain: "", op: raiser.graph[id].op, opset: target)
    guard raiser.graph[id].op == node.op, let operand = node.input(0),
      let element = raiser.graph[operand].type?.element,
      before.accepts(element, atInput: 0),
      let after = operators.find(domain: "", op: node.op, opset: target),
      !after.accepts(element, atInput: 0)
    else { return }
    throw .notRaised(
      node.op, across: after.since, reason: "it no longer takes \(element.spelling)")
  }
}

/// Names that no value of a graph or of the graphs inside it has.
///
/// A body must not hide a name of the graphs around it, so all of them share one source.
struct NameSource {
  /// The graph whose names are taken, until the first is asked for: most passes need none.
  private var graph: Graph?
  private var taken: Set<String> = []

  init(_ graph: Graph) { self.graph = graph }

  private mutating func read(_ graph: Graph) {
    var pending = [graph]
    taken.reserveCapacity(graph.valueLimit)
    while let graph = pending.popLast() {
      for id in graph.values { taken.insert(graph[id].name) }
      for id in graph.nodeIDs where graph[id].hasBodies { pending += graph[id].bodies }
    }
  }

  mutating func fresh(_ base: String) -> String {
    if let graph {
      read(graph)
      self.graph = nil
    }
    var name = base
    var count = 0
    while !taken.insert(name).inserted {
      count += 1
      name = "\(base).\(count)"
    }
    return name
  }

  /// Gives what a pass added to a body names that no other graph has or may get; `before` are the names that
  /// the body had.
  mutating func separate(_ body: inout Graph, from before: Set<String>) {
    for value in body.values
    where body[value].origin != .captured && !before.contains(body[value].name) {
      body.rename(value, to: fresh("\(body.name)/\(body[value].name)"))
    }
  }
}

/// What a pattern found.
package struct Match: Equatable, Sendable {
  /// In the order of the spelling.
  package var bindings: [Binding]
  /// Operands before what reads them: graph order, where the pattern is a chain.
  package var nodes: [NodeID]
  package var result: ValueID

  package struct Binding: Equatable, Sendable {
    package var capture: Capture
    package var value: ValueID
    package var channelAxis: Int?
  }

  package subscript(name: String) -> Binding? { bindings.first { $0.capture.name == name } }
}

/// Why a pattern did not match, and how far it came.
package struct Mismatch: Error, Equatable, Sendable {
  /// The value that stands in the way.
  package var value: ValueID
  /// Reads behind the value's name: `is used 2 times, expected once`.
  package var reason: String
  /// How many nodes had matched: more than none is a near miss.
  package var matched: Int
  /// How many captures had found their values: which of two misses behind equally many nodes is nearer.
  package var bound: Int

  package init(_ value: ValueID, _ reason: String, matched: Int = 0, bound: Int = 0) {
    self.value = value
    self.reason = reason
    self.matched = matched
    self.bound = bound
  }

  /// True where this one came farther than another.
  package func isNearer(than other: Mismatch) -> Bool {
    (matched, bound) > (other.matched, other.bound)
  }
}

extension Graph {
  /// Matches a pattern whose result is `value`; the graph stays as it is.
  ///
  /// `outer` has the constants of the graphs around this one, by the names under which it captures them.
  package func match(
    _ pattern: Pattern, at value: ValueID, outer: [String: Weight] = [:]
  ) throws(Mismatch) -> Match {
    var matcher = Matcher(graph: self, outer: outer)
    try matcher.match(pattern, value)
    try matcher.checkUses(result: value)
    return Match(bindings: matcher.bindings, nodes: matcher.nodes.reversed(), result: value)
  }
}

private struct Matcher {
  let graph: Graph
  let outer: [String: Weight]
  var bindings: [Match.Binding] = []
  /// Readers before what they read.
  var nodes: [NodeID] = []

  init(graph: Graph, outer: [String: Weight]) {
    self.graph = graph
    self.outer = outer
  }

  mutating func match(_ pattern: Pattern, _ value: ValueID) throws(Mismatch) {
    switch pattern {
    case .value(let capture): try bind(capture, value)
    case .activation(let capture):
      guard graph.weight(of: value, outer: outer) == nil else {
        throw mismatch(value, "is a weight, expected an activation")
      }
      try bind(capture, value)
    case .weight(let capture, let rank, let axis):
      try matchWeight(value, rank: rank)
      try bind(capture, value, axis)
    case .scalar:
      guard isNumber(value) else { throw mismatch(value, "is no number that constants make") }
    case .any: break
    case .op(let op, let operands, let requirements):
      let node = try node(op, making: value)
      try check(requirements, node, value)
      append(node)
      try match(operands, of: node, value)
    case .call(let op, let domain, let operands, let requirements):
      let node = try node(op, domain: domain, making: value)
      try check(requirements, node, value)
      append(node)
      let found = graph[node].inputs
      guard found.count >= operands.count else {
        throw mismatch(value, "has \(found.count) operands, expected \(operands.count) or more")
      }
      try match(operands, Array(found.prefix(operands.count)), value)
    case .through(let ops, let inner): try match(inner, value, through: ops)
    case .either(let patterns): try match(anyOf: patterns, value)
    case .named(let capture, let inner):
      try bind(capture, value)
      try match(inner, value)
    }
  }

  /// Operators that make numbers of constants and of the sizes of tensors.
  private static let arithmetic: Set<String> = [
    "Sqrt", "Div", "Mul", "Pow", "Add", "Sub", "Neg", "Reciprocal", "Cast", "CastLike", "Gather",
    "Slice", "Squeeze", "Unsqueeze", "Reshape", "Identity",
  ]

  /// True for a constant of one element, and for what is computed from constants and shapes alone.
  private func isNumber(_ value: ValueID) -> Bool {
    if let weight = graph.weight(of: value, outer: outer) { return weight.type().elementCount == 1 }
    guard graph.producer(of: value) != nil else { return false }
    var pending = [value]
    var visited = 0
    while let current = pending.popLast(), visited < 32 {
      visited += 1
      if graph.weight(of: current, outer: outer) != nil { continue }
      guard let maker = graph.producer(of: current), graph[maker].domain.isEmpty else {
        return false
      }
      let node = graph[maker]
      if node.op == "Shape" { continue }
      guard Matcher.arithmetic.contains(node.op) else { return false }
      // The second operand of a cast like another tensor says nothing but a type.
      pending += (node.op == "CastLike" ? Array(node.inputs.prefix(1)) : node.inputs).compactMap {
        $0
      }
    }
    return pending.isEmpty
  }

  /// A node that two operands lead to counts once.
  private mutating func append(_ node: NodeID) {
    if !nodes.contains(node) { nodes.append(node) }
  }

  /// A result inside the pattern is read inside the pattern only, because a rewrite deletes it.
  func checkUses(result: ValueID) throws(Mismatch) {
    for node in nodes {
      guard let value = graph[node].outputs.first ?? nil, value != result else { continue }
      let isInside = graph.users(of: value).allSatisfy { nodes.contains($0) }
      guard isInside, !graph.isOutput(value) else {
        throw mismatch(value, "is used \(graph.useCount(of: value)) times, expected once")
      }
    }
  }

  private mutating func match(anyOf patterns: [Pattern], _ value: ValueID) throws(Mismatch) {
    let before = self
    var farthest: Mismatch?
    for pattern in patterns {
      do throws(Mismatch) {
        return try match(pattern, value)
      } catch {
        self = before
        if farthest.map({ error.isNearer(than: $0) }) ?? true { farthest = error }
      }
    }
    throw farthest ?? mismatch(value, "has no spelling")
  }

  private func mismatch(_ value: ValueID, _ reason: String) -> Mismatch {
    Mismatch(value, reason, matched: nodes.count, bound: bindings.count)
  }

  private mutating func bind(
    _ capture: Capture, _ value: ValueID, _ axis: Int? = nil
  ) throws(Mismatch) {
    guard let known = bindings.first(where: { $0.capture == capture }) else {
      bindings.append(Match.Binding(capture: capture, value: value, channelAxis: axis))
      return
    }
    guard known.value == value else {
      throw mismatch(value, "is '\(capture.name)' beside '\(graph[known.value].name)'")
    }
  }

  private func matchWeight(_ value: ValueID, rank: Int) throws(Mismatch) {
    guard let weight = graph.weight(of: value, outer: outer) else {
      throw mismatch(value, "is no weight of this graph")
    }
    guard !weight.isOverridable else {
      throw mismatch(value, "is a graph input too, so a caller may replace it")
    }
    let found = weight.type().shape?.count ?? 0
    guard found == rank else { throw mismatch(value, "has rank \(found), expected \(rank)") }
  }

  private func node(
    _ op: String, domain: String = "", making value: ValueID
  ) throws(Mismatch) -> NodeID {
    guard case .result(let id, 0) = graph[value].origin, graph[id].op == op,
      graph[id].domain == domain
    else { throw mismatch(value, "is not made by \(op)") }
    return id
  }

  private func check(
    _ requirements: [Pattern.Requirement], _ node: NodeID, _ value: ValueID
  ) throws(Mismatch) {
    for requirement in requirements {
      let found = graph[node][attribute: requirement.name] ?? requirement.otherwise
      guard found == requirement.value else {
        throw mismatch(value, "has another '\(requirement.name)' than the spelling")
      }
    }
  }

  private mutating func match(
    _ patterns: [Pattern], of node: NodeID, _ value: ValueID
  ) throws(Mismatch) {
    let operands = graph[node].inputs
    let count = (operands.lastIndex { $0 != nil } ?? -1) + 1
    guard count == patterns.count else {
      throw mismatch(value, "has \(count) operands, expected \(patterns.count)")
    }
    let isCommutative = graph[node].op == "Add" || graph[node].op == "Mul"
    guard isCommutative, patterns.count == 2 else {
      return try match(patterns, operands, value)
    }
    let before = self
    do throws(Mismatch) {
      try match(patterns, operands, value)
    } catch let first {
      self = before
      do throws(Mismatch) {
        try match(patterns.reversed(), operands, value)
      } catch let second {
        throw second.matched > first.matched ? second : first
      }
    }
  }

  private mutating func match(
    _ patterns: [Pattern], _ operands: [ValueID?], _ value: ValueID
  ) throws(Mismatch) {
    for (pattern, operand) in zip(patterns, operands) {
      guard let operand else { throw mismatch(value, "leaves out an operand") }
      try match(pattern, operand)
    }
  }

  private mutating func match(
    _ inner: Pattern, _ value: ValueID, through ops: [String]
  ) throws(Mismatch) {
    let before = self
    var value = value
    var passed: [NodeID] = []
    while true {
      do throws(Mismatch) {
        for node in passed { append(node) }
        return try match(inner, value)
      } catch {
        self = before
        guard passed.count < 8, case .result(let id, 0) = graph[value].origin,
          let op = ops.first(where: { graph[id].isStandard($0) }),
          let operand = graph[id].input(0)
        else { throw error }
        passed.append(try node(op, making: value))
        value = operand
      }
    }
  }
}

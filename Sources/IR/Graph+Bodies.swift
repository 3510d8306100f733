extension Graph {
  /// How deep bodies are visited; the verifier lets none be deeper.
  package static let depthLimit = 100

  /// A constant of this graph, or one of the graphs around it that this one captures.
  package func weight(of value: ValueID, outer: [String: Weight]) -> Weight? {
    self[value].origin == .captured ? outer[self[value].name] : self[value].weight
  }

  /// The constants that the bodies of a node see, by name: those of this graph, and of those around it.
  package func visibleWeights(from node: Node, outer: [String: Weight]) -> [String: Weight] {
    var visible: [String: Weight] = [:]
    for name in captures(of: node) {
      guard let id = value(named: name) else { continue }
      visible[name] = weight(of: id, outer: outer)
    }
    return visible
  }

  /// Rewrites this graph, then the bodies of its nodes and theirs.
  package mutating func mapAll<E>(
    depth: Int = 1, _ change: (inout Graph) throws(E) -> Void
  ) throws(E) {
    try change(&self)
    guard depth < Graph.depthLimit else { return }
    for id in nodeIDs where !self[id].bodies.isEmpty {
      var node = self[id]
      try node.mapBodies { (body) throws(E) in try body.mapAll(depth: depth + 1, change) }
      let attributes = node.attributes
      update(id) { $0.attributes = attributes }
    }
  }

  /// The names that a node's bodies take from outside, each once, in order of appearance.
  package func captures(of node: Node) -> [String] {
    guard node.hasBodies else { return [] }
    var names: [String] = []
    var seen: Set<String> = []
    for body in node.bodies {
      for id in body.values where body[id].origin == .captured {
        if seen.insert(body[id].name).inserted { names.append(body[id].name) }
      }
    }
    return names
  }
}

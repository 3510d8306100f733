extension Graph {
  /// How deep bodies are visited; the verifier lets none be deeper.
  package static let depthLimit = 100

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
}

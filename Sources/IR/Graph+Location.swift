package import Support

extension Graph {
  /// Where a diagnostic about the node points.
  ///
  /// The name of the source's node, else the node's own, else its first result's, else the operator.
  package func location(of id: NodeID) -> Location {
    let node = self[id]
    if !node.origin.isEmpty { return Location(node: node.origin) }
    if !node.name.isEmpty { return Location(node: node.name) }
    let result = node.outputs.compactMap { $0 }.first.map { self[$0].name }
    return Location(node: result ?? node.op)
  }
}

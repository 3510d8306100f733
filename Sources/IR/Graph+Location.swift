package import Support

extension Graph {
  /// Where a diagnostic about the node points.
  package func location(of id: NodeID) -> Location { Location(node: label(of: id)) }

  /// The name of the source's node, else the node's own, else its first result's, else the operator.
  package func label(of id: NodeID) -> String {
    let node = self[id]
    if !node.origin.isEmpty { return node.origin }
    if !node.name.isEmpty { return node.name }
    return node.outputs.compactMap { $0 }.first.map { self[$0].name } ?? node.op
  }
}

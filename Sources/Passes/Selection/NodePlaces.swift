internal import IR

/// Where the nodes of a graph stand.
struct NodePlaces {
  struct Place {
    /// Counted from the graph's beginning.
    var place = 0
    /// How many nodes of the same operator stand before.
    var ordinal = 0
  }

  /// By the index of the node.
  private var table: [Place]

  init(in graph: Graph) {
    let ids = graph.nodeIDs
    table = Array(repeating: Place(), count: (ids.map { Int($0.index) }.max() ?? -1) + 1)
    var counts: [String: Int] = [:]
    for (place, id) in ids.enumerated() {
      let op = graph[id].op
      table[Int(id.index)] = Place(place: place, ordinal: counts[op, default: 0])
      counts[op, default: 0] += 1
    }
  }

  subscript(id: NodeID) -> Place { table[Int(id.index)] }

  func sort(_ nodes: inout [NodeID]) { nodes.sort { self[$0].place < self[$1].place } }
}

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
    table = Array(repeating: Place(), count: graph.nodeLimit)
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

/// Some nodes of one graph, for sets of most of them.
struct NodeSet {
  /// By the index of the node.
  private var members: [Bool]

  init(in graph: Graph) {
    members = Array(repeating: false, count: graph.nodeLimit)
  }

  func contains(_ id: NodeID) -> Bool { members[Int(id.index)] }

  mutating func insert(_ ids: [NodeID]) {
    for id in ids { members[Int(id.index)] = true }
  }
}

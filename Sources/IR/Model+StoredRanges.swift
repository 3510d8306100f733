extension Model {
  /// Every range of a file that a weight or a tensor attribute lies in, each once, in order.
  package var storedRanges: [StoredRange] {
    var ranges: [StoredRange] = []
    var seen: Set<StoredRange> = []
    func add(_ weight: Weight) {
      guard case .range(let range) = weight.source, seen.insert(range).inserted else { return }
      ranges.append(range)
    }
    func add(_ attribute: Attribute) {
      switch attribute.value {
      case .tensor(let tensor): add(tensor.weight)
      case .tensors(let tensors): tensors.forEach { add($0.weight) }
      case .sparse(let sparse): [sparse.values, sparse.indices].forEach { add($0.weight) }
      case .sparses(let sparses):
        sparses.forEach { [$0.values, $0.indices].forEach { add($0.weight) } }
      case .graph(let graph): add(graph)
      case .graphs(let graphs): graphs.forEach(add)
      case .float, .int, .string, .type, .floats, .ints, .strings, .types, .reference: break
      }
    }
    func add(_ graph: Graph) {
      for id in graph.weights { graph[id].weight.map(add) }
      for id in graph.nodeIDs { graph[id].attributes.forEach(add) }
    }
    add(graph)
    for function in functions {
      function.defaults.forEach(add)
      add(function.body)
    }
    return ranges
  }
}

internal import IR

extension Surroundings {
  /// What may stand between the graph's input or output and the operator that updates a cache.
  private static let moved: Set<String> = ["Cast", "Identity", "Transpose"]

  /// The operators that put new keys or values to those which a graph input holds, where the result
  /// leaves the graph.
  mutating func findCaches() {
    for input in graph.inputs where graph[input].weight == nil {
      guard let shape = graph[input].type?.tensor?.shape, shape.count >= 3,
        graph[input].type?.element?.isHighPrecision ?? false
      else { continue }
      for update in updates(of: input) {
        guard let result = result(of: update), reachesOutput(result) else { continue }
        note(
          update,
          Role(
            part: attentionPart(reachedFrom: result) ?? part(named: graph[input].name),
            evidence: "updates '\(graph[input].name)', which leaves the graph again"))
      }
    }
  }

  private func part(named name: String) -> String {
    let lowered = name.lowercased()
    if lowered.contains("value") || lowered.hasSuffix("v") { return "v_cache" }
    if lowered.contains("key") || lowered.hasSuffix("k") { return "k_cache" }
    return "cache"
  }

  private func updates(of input: ValueID) -> [NodeID] {
    var found: [NodeID] = []
    var pending = [input]
    var visited: Set<ValueID> = []
    while let value = pending.popLast(), visited.count < Surroundings.reach {
      guard visited.insert(value).inserted else { continue }
      for user in graph.users(of: value).prefix(Surroundings.reach) {
        let node = graph[user]
        guard node.domain.isEmpty else { continue }
        switch node.op {
        case "Concat", "ScatterND", "ScatterElements", "TensorScatter":
          if node.input(0) == value { found.append(user) }
        default:
          if Surroundings.moved.contains(node.op) {
            pending += [result(of: user)].compactMap { $0 }
          }
        }
      }
    }
    return found
  }

  func reachesOutput(_ value: ValueID) -> Bool {
    var pending = [value]
    var visited: Set<ValueID> = []
    while let current = pending.popLast(), visited.count < Surroundings.reach {
      if graph.isOutput(current) { return true }
      guard visited.insert(current).inserted else { continue }
      for user in graph.users(of: current).prefix(Surroundings.reach)
      where graph[user].domain.isEmpty && Surroundings.moved.contains(graph[user].op) {
        pending += [result(of: user)].compactMap { $0 }
      }
    }
    return false
  }
}

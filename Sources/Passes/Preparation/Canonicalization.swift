internal import IR

/// One run of `Canonicalize` over a model, and what it did.
struct Canonicalization {
  private(set) var constants = 0
  private(set) var folded = 0
  private(set) var identities = 0

  /// How deep bodies are rewritten; the verifier lets none be deeper.
  private static let depthLimit = 100

  /// What the modules of a graph hold on to.
  private struct Anchors {
    var nodes: Set<NodeID>
    var values: Set<ValueID>

    init(of graph: Graph) {
      nodes = Set(graph.modules.flatMap { $0.nodes })
      values = Set(graph.modules.flatMap { $0.ports.compactMap(\.value) + [$0.result] })
    }
  }

  /// `outer` holds the weights of the graphs around this one that it captures.
  mutating func rewrite(_ graph: inout Graph, outer: [String: Weight] = [:], depth: Int = 1) {
    let anchors = Anchors(of: graph)
    for id in graph.nodeIDs {
      if depth < Canonicalization.depthLimit {
        rewriteBodies(of: id, in: &graph, outer, depth, anchors)
      }
      let node = graph[id]
      guard node.domain.isEmpty, node.outputs.count == 1, let result = node.outputs[0],
        !anchors.nodes.contains(id), !anchors.values.contains(result)
      else { continue }
      let constant = ConstantNode(
        node, operands: node.inputs.map { $0.flatMap { weight(of: $0, graph, outer) } })
      if node.op == "Identity" || (node.op == "Concat" && node.inputs.count == 1) {
        removeIdentity(id, result, in: &graph, anchors)
      } else if let weight = constant.weight {
        replace(id, result, by: weight, in: &graph, anchors)
        constants += 1
      } else if let steps = constant.steps {
        if steps.isEmpty {
          removeIdentity(id, result, in: &graph, anchors)
        } else {
          fold(id, result, steps, in: &graph, outer, anchors)
        }
      }
    }
  }

  private mutating func rewriteBodies(
    of id: NodeID, in graph: inout Graph, _ outer: [String: Weight], _ depth: Int,
    _ anchors: Anchors
  ) {
    let node = graph[id]
    guard !node.bodies.isEmpty else { return }
    let captured = graph.captures(of: node).compactMap { graph.value(named: $0) }
    var visible: [String: Weight] = [:]
    for value in captured { visible[graph[value].name] = weight(of: value, graph, outer) }
    graph.update(id) { node in
      node.mapBodies { rewrite(&$0, outer: visible, depth: depth + 1) }
    }
    for value in captured { drop(value, from: &graph, anchors) }
  }

  /// The constant that a value of this graph or of one around it is.
  private func weight(of id: ValueID, _ graph: Graph, _ outer: [String: Weight]) -> Weight? {
    let value = graph[id]
    let weight = value.origin == .captured ? outer[value.name] : value.weight
    return weight?.isOverridable == false ? weight : nil
  }

  // MARK: Rewriting

  private mutating func removeIdentity(
    _ id: NodeID, _ result: ValueID, in graph: inout Graph, _ anchors: Anchors
  ) {
    guard let operand = graph[id].input(0) else { return }
    graph.replaceReaders(of: result, with: operand)
    guard !graph.isOutput(result) else {
      return becomeIdentity(id, of: operand, in: &graph, anchors)
    }
    if graph[operand].type == nil, graph[operand].origin != .captured {
      graph.setType(of: operand, to: graph[result].type)
    }
    remove(id, from: &graph, anchors)
    identities += 1
  }

  private mutating func replace(
    _ id: NodeID, _ result: ValueID, by weight: Weight, in graph: inout Graph, _ anchors: Anchors
  ) {
    if graph.isOutput(result) {
      let value = graph.addWeight(graph.freshName("\(graph[result].name).value"), weight)
      graph.replaceReaders(of: result, with: value)
      becomeIdentity(id, of: value, in: &graph, anchors)
    } else {
      let operands = graph[id].inputs
      graph.replaceNode(id, with: weight)
      for operand in operands { drop(operand, from: &graph, anchors) }
    }
  }

  private mutating func fold(
    _ id: NodeID, _ result: ValueID, _ steps: [Weight.Step], in graph: inout Graph,
    _ outer: [String: Weight], _ anchors: Anchors
  ) {
    guard let source = graph[id].input(0), var weight = weight(of: source, graph, outer) else {
      return
    }
    weight.recipe += steps
    folded += 1
    guard graph[source].weight != nil, graph.useCount(of: source) == 1,
      !anchors.values.contains(source), copy(of: source, as: weight, in: graph) == nil
    else { return share(id, result, weight, madeFrom: source, in: &graph, anchors) }
    graph.setWeight(source, to: weight)
    graph.replaceReaders(of: result, with: source)
    if graph.isOutput(result) {
      becomeIdentity(id, of: source, in: &graph, anchors)
    } else {
      remove(id, from: &graph, anchors)
    }
  }

  /// One copy of a weight for all that read it moved alike; it takes the weight's name where nothing reads
  /// that as it was.
  private mutating func share(
    _ id: NodeID, _ result: ValueID, _ weight: Weight, madeFrom source: ValueID,
    in graph: inout Graph, _ anchors: Anchors
  ) {
    guard graph[source].weight != nil, !graph.isOutput(result) else {
      return replace(id, result, by: weight, in: &graph, anchors)
    }
    let name = graph[source].name
    let copy =
      copy(of: source, as: weight, in: graph)
      ?? graph.addWeight(
        graph.freshName("\(name)\(Canonicalize.suffix)"), weight,
        annotations: graph[source].annotations)
    graph.replaceReaders(of: result, with: copy)
    remove(id, from: &graph, anchors)
    if !graph.contains(source) { graph.rename(copy, to: name) }
  }

  /// The copy of a weight that was made for other readers which read it moved alike.
  private func copy(of source: ValueID, as weight: Weight, in graph: Graph) -> ValueID? {
    graph.value(named: "\(graph[source].name)\(Canonicalize.suffix)").flatMap {
      graph[$0].weight == weight ? $0 : nil
    }
  }

  private func becomeIdentity(
    _ id: NodeID, of value: ValueID, in graph: inout Graph, _ anchors: Anchors
  ) {
    let operands = graph[id].inputs
    graph.update(id) { node in
      node.op = "Identity"
      node.inputs = [value]
      node.attributes = []
    }
    for operand in operands { drop(operand, from: &graph, anchors) }
  }

  private func remove(_ id: NodeID, from graph: inout Graph, _ anchors: Anchors) {
    let operands = graph[id].inputs
    graph.removeNode(id)
    for operand in operands { drop(operand, from: &graph, anchors) }
  }

  /// Removes a weight or captured value that nothing reads any more.
  private func drop(_ id: ValueID?, from graph: inout Graph, _ anchors: Anchors) {
    guard let id, graph.contains(id), graph.useCount(of: id) == 0, !anchors.values.contains(id)
    else { return }
    let value = graph[id]
    guard value.origin == .captured || value.weight?.isOverridable == false else { return }
    graph.removeValue(id)
  }
}

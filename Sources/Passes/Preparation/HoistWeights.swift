package import IR
package import Support

/// Moves the weights of bodies that could be quantized to the main graph, where each has one name.
///
/// Before:
///
///     %y = If(%c) {then_branch = graph @then() -> (%t) {
///       weight @w: f32[8, 8]
///       %t = MatMul(%x, @w)
///     }, …}
///
/// After, with `weight @w: f32[8, 8]` in the graph around it, the branch captures `@w`.
///
/// So a weight is quantized once however many bodies read it, and a measurement knows it by name.
package struct HoistWeights: Pass {
  package static let name = "hoist-weights"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    guard model.graph.nodeIDs.contains(where: { model.graph[$0].holdsRepeatableBodies }) else {
      return
    }
    var hoist = Hoist(model.graph)
    hoist.visit(&model.graph)
    context.count("weights", by: hoist.count)
  }
}

private struct Hoist {
  private var names: NameSource
  /// How many graphs define a value of a name.
  private var definitions: [String: Int] = [:]
  private(set) var count = 0
  private let roots = Set(Spellings.all.flatMap(\.roots))
  private var moved: [(name: String, weight: Weight, annotations: Annotations)] = []

  init(_ graph: Graph) {
    names = NameSource(graph)
    var copy = graph
    copy.mapAll { graph in
      for value in graph.values where graph[value].origin != .captured {
        definitions[graph[value].name, default: 0] += 1
      }
    }
  }

  mutating func visit(_ graph: inout Graph) {
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      node.mapBodies { take(from: &$0, depth: 1) }
      guard !moved.isEmpty else { continue }
      for item in moved { graph.addWeight(item.name, item.weight, annotations: item.annotations) }
      moved = []
      graph.update(id) { $0.attributes = node.attributes }
    }
  }

  private mutating func take(from body: inout Graph, depth: Int) {
    for value in body.weights where isOperand(value, in: body) {
      guard let weight = body[value].weight, !weight.isOverridable, !body.isOutput(value) else {
        continue
      }
      let old = body[value].name
      // The name stays where no other graph gives it to something else.
      let name = definitions[old] == 1 ? old : names.fresh(old)
      let captured = body.capture(names.fresh("\(old).captured"))
      body.setType(of: captured, to: .tensor(weight.type()))
      body.replaceReaders(of: value, with: captured)
      moved.append((name, weight, body[value].annotations))
      body.removeValue(value)
      body.rename(captured, to: name)
      count += 1
    }
    guard depth < Graph.depthLimit else { return }
    for id in body.nodeIDs where body[id].holdsRepeatableBodies {
      var node = body[id]
      let before = moved.count
      node.mapBodies { take(from: &$0, depth: depth + 1) }
      if moved.count > before { body.update(id) { $0.attributes = node.attributes } }
    }
  }

  private func isOperand(_ value: ValueID, in body: Graph) -> Bool {
    guard let weight = body[value].weight, weight.type().element.isHighPrecision,
      weight.type().shape?.isEmpty == false
    else { return false }
    return body.users(of: value).contains { id in
      roots.contains(OperatorName(body[id].op, domain: body[id].domain))
    }
  }
}

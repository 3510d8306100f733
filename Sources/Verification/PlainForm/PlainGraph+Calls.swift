internal import IR

/// Calls of local functions, each written out where it stands.
extension PlainGraph {
  /// The function that a node calls, where every result that it has is made there.
  func function(calledBy id: NodeID) -> Function? {
    let call = graph[id]
    guard let function = form.functions[call.functionKey] else { return nil }
    let body = function.body
    for (index, output) in call.outputs.enumerated() where output != nil {
      guard body.outputs.indices.contains(index) else { return nil }
      let place = body.inputs.firstIndex(of: body.outputs[index])
      if let place, call.input(place) == nil { return nil }
    }
    return function
  }

  /// Makes room for what the calls of the graph become, calls inside them left out.
  mutating func reserveForCalls() {
    guard !form.functions.isEmpty else { return }
    var (nodes, values) = (0, 0)
    for id in graph.nodeIDs {
      guard let body = form.functions[graph[id].functionKey]?.body else { continue }
      nodes += body.nodeCount
      values += body.valueLimit
    }
    graph.reserveCapacity(nodes: min(nodes, form.limit), values: min(values, form.limit))
  }

  /// Puts the nodes of a function in the place of a call; gives the first of them.
  ///
  /// They are named as the compiler records: the call's name, two strokes, and their own.
  mutating func writeOut(_ id: NodeID, _ function: Function) -> NodeID? {
    let call = graph[id]
    let place = (call.name.isEmpty ? graph.label(of: id) : call.name) + "//"
    let called = body(of: function, for: call)
    let body = called.graph
    nodeCount += body.nodeCount
    guard !isTooLarge else { return nil }
    let operands = call.inputs.map { $0.flatMap { graph[$0].type?.withoutShape } }
    let last = called.last.flatMap { $0.operands == operands ? $0.values : nil }
    var values = called.weights
    for (index, formal) in body.inputs.enumerated() {
      values[Int(formal.index)] = call.input(index)
    }
    var first: NodeID?
    for inner in called.nodes {
      var node = body[inner]
      node.name = place + (node.name.isEmpty ? "/" + node.op : node.name)
      node.inputs = node.inputs.map { $0.flatMap { values[Int($0.index)] } }
      node.origin = node.name
      if node.hasBodies {
        let names = body.values.reduce(into: [String: String]()) { names, value in
          if let new = values[Int(value.index)] { names[body[value].name] = graph[new].name }
        }
        node.mapBodies { PlainGraph.follow(names, in: &$0) }
      }
      let results = node.outputs.map { output -> (name: String, type: ValueType?)? in
        output.map { output in
          var type = body[output].type
          if type == nil, !body.isOutput(output), let other = last?[Int(output.index)] {
            type = graph[other].type?.withoutShape
          }
          return (fresh(place + body[output].name), type)
        }
      }
      let added = graph.addNode(node, results: results, before: id)
      first = first ?? added
      for (old, new) in zip(node.outputs, graph[added].outputs) {
        if let old { values[Int(old.index)] = new }
      }
    }
    let isTyped = zip(call.inputs, operands).allSatisfy { ($0 == nil) == ($1 == nil) }
    calledBodies[function.key]?.last = isTyped ? (operands, values) : nil
    for (output, formal) in zip(call.outputs, body.outputs) {
      guard let output, let value = values[Int(formal.index)] else { continue }
      let name = graph[output].name
      var result = value
      if graph.isOutput(output) {
        // An output has a maker of its own.
        let copy = graph.addNode(
          Node(op: "Identity", inputs: [value], outputs: []),
          results: [(fresh("\(name)/output"), graph[output].type ?? graph[value].type)],
          before: id)
        guard let made = graph[copy].outputs[0] else { continue }
        result = made
      } else if graph[value].type == nil {
        graph.setType(of: value, to: graph[output].type)
      }
      graph.replaceUses(of: output, with: result)
    }
    graph.removeNode(id)
    return first
  }

  /// The function's body with the call's attributes in it, at the opset of the form, and its weights here.
  private mutating func body(of function: Function, for call: Node) -> CalledBody {
    if let known = calledBodies[function.key], known.attributes == call.attributes {
      return known
    }
    var body = raisedBody(of: function, for: call)
    if !form.isSource, let short = form.shortened(body) { body = short }
    var weights = [ValueID?](repeating: nil, count: body.valueLimit)
    for value in body.weights {
      guard let weight = body[value].weight else { continue }
      let key = FunctionWeight(key: function.key, name: body[value].name, weight: weight)
      let known =
        functionWeights[key]
        ?? graph.addWeight(fresh("\(function.key.name).\(key.name)"), weight)
      functionWeights[key] = known
      ofFunctions.insert(known)
      weights[Int(value.index)] = known
    }
    let called = CalledBody(
      attributes: call.attributes, graph: body, nodes: body.nodeIDs, weights: weights)
    calledBodies[function.key] = called
    return called
  }

  private func raisedBody(of function: Function, for call: Node) -> Graph {
    var arguments: [String: AttributeValue] = [:]
    for item in function.defaults + call.attributes { arguments[item.name] = item.value }
    var body = function.body
    PlainGraph.resolve(arguments, in: &body, depth: 1)
    for id in body.nodeIDs where body[id].isStandard("Constant") && body[id].outputs.count == 1 {
      // It is one weight for all calls.
      if let result = body[id].outputs[0], !body.isOutput(result),
        let weight = ConstantReading(body[id], []).made
      {
        body.replaceNode(id, with: weight)
      }
    }
    guard let version = function.opsets.version(of: ""), version < form.opset else { return body }
    var inner = PlainGraph(body, form)
    inner.raiseAll(from: version)
    return inner.graph
  }

  private static func resolve(
    _ arguments: [String: AttributeValue], in graph: inout Graph, depth: Int
  ) {
    for id in graph.nodeIDs {
      var node = graph[id]
      let isReference = node.attributes.contains {
        if case .reference = $0.value { true } else { false }
      }
      guard isReference || node.hasBodies else { continue }
      node.attributes = node.attributes.compactMap { attribute in
        guard case .reference(let name, _) = attribute.value else { return attribute }
        return arguments[name].map { Attribute(attribute.name, $0) }
      }
      if depth < Graph.depthLimit {
        node.mapBodies { resolve(arguments, in: &$0, depth: depth + 1) }
      }
      let attributes = node.attributes
      graph.update(id) { $0.attributes = attributes }
    }
  }

  /// Lets a body take the values of the graph that it came into.
  private static func follow(_ names: [String: String], in body: inout Graph) {
    let taken = body.values.filter { body[$0].origin == .captured }.map { body[$0].name }
      .filter { names[$0] != nil }
    // A new name may be another's old one, so all are first moved away; no model's name has a zero.
    for name in taken { body.renameCapture(name, to: "\0\(name)") }
    for name in taken { body.renameCapture("\0\(name)", to: names[name] ?? name) }
  }
}

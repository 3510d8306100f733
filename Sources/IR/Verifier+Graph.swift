import Support

/// Values, nodes and uses of one graph and of the bodies in it.
extension Verification {
  mutating func check(
    _ graph: Graph, in scope: Scope, depth: Int, isBody: Bool
  ) throws(Diagnostic) {
    guard depth <= Verification.depthLimit else {
      throw .graphDepth(graph.name, limit: Verification.depthLimit)
    }
    var defined = try checkValues(graph, isBody: isBody)
    try checkInputs(graph, mayBeOverridable: scope.function == nil)
    var readings = Readings()
    for id in graph.nodeIDs {
      try check(graph[id], id, of: graph, in: scope, depth: depth, &defined, &readings)
    }
    try checkReaders(graph, defined: defined, readings)
    try checkModules(graph)
  }

  /// What nodes read, in their order.
  private struct Readings {
    var values: [ValueID] = []
    var nodes: [NodeID] = []

    /// The nodes by the place of the value that they read, and where each value's begin.
    func byValue(_ count: Int) -> (nodes: [NodeID], begins: [Int]) {
      var begins = [Int](repeating: 0, count: count + 1)
      for value in values { begins[Int(value.index) + 1] += 1 }
      for place in 0..<count { begins[place + 1] += begins[place] }
      var free = begins
      var sorted = nodes
      for (value, node) in zip(values, nodes) {
        sorted[free[Int(value.index)]] = node
        free[Int(value.index)] += 1
      }
      return (sorted, begins)
    }
  }

  /// Operands, results and attributes of one node; `defined` tells by place which values stand above it.
  private mutating func check(
    _ node: Node, _ id: NodeID, of graph: Graph, in scope: Scope, depth: Int,
    _ defined: inout [Bool], _ readings: inout Readings
  ) throws(Diagnostic) {
    let first = readings.values.count
    for operand in node.inputs {
      guard let operand else { continue }
      guard graph.contains(operand) else { throw .missingOperand(at: graph.location(of: id)) }
      readings.values.append(operand)
    }
    for name in graph.captures(of: node) {
      guard let operand = graph.value(named: name) else {
        throw .undefinedCapture(name, at: graph.location(of: id))
      }
      readings.values.append(operand)
    }
    for place in first..<readings.values.count {
      let operand = readings.values[place]
      guard defined[Int(operand.index)] else {
        throw .usedBeforeDefinition(graph[operand].name, at: graph.location(of: id))
      }
      readings.nodes.append(id)
    }
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      guard graph.contains(output), graph[output].isResult(index, of: id) else {
        throw .strayResult(index, at: graph.location(of: id))
      }
      defined[Int(output.index)] = true
    }
    guard scope.domains.contains(node.domain) else {
      throw .unimportedDomain(node.domain, of: node.op, at: graph.location(of: id))
    }
    try noteCall(of: node, in: scope, at: graph.location(of: id))
    if let name = node.attributes.firstRepeated(\.name) {
      throw .attributeTwice(name, at: graph.location(of: id))
    }
    for attribute in node.attributes { try check(attribute, in: scope, of: graph, id) }
    for body in node.bodies { try check(body, in: scope, depth: depth + 1, isBody: true) }
  }

  /// Names, types of weights and captures; returns, by place, what stands above all nodes.
  private func checkValues(_ graph: Graph, isBody: Bool) throws(Diagnostic) -> [Bool] {
    var defined = [Bool](repeating: false, count: graph.valueLimit)
    for id in graph.values {
      guard graph.value(named: graph[id].name) == id else {
        throw .nameTwice(graph[id].name, graph.name)
      }
      defined[Int(id.index)] = try check(graph[id], id, of: graph, isBody: isBody)
    }
    return defined
  }

  /// True where the value stands above all nodes.
  private func check(
    _ value: Value, _ id: ValueID, of graph: Graph, isBody: Bool
  ) throws(Diagnostic) -> Bool {
    switch value.origin {
    case .input: return true
    case .captured:
      guard isBody else { throw .captureOutsideBody(value.name, graph.name) }
      return true
    case .weight(let weight):
      try check(weight, named: value.name)
      guard value.type == .tensor(weight.type()) else { throw .weightType(value.name) }
      return true
    case .result(let node, let index):
      guard graph.contains(node), index < graph[node].outputs.count,
        graph[node].outputs[index] == id
      else { throw .orphan(value.name, graph.name) }
      return false
    case .removed: return false
    }
  }

  private func checkInputs(_ graph: Graph, mayBeOverridable: Bool) throws(Diagnostic) {
    var listed: Set<ValueID> = []
    for id in graph.inputs {
      guard graph.contains(id) else { throw .missingInput(graph.name) }
      let value = graph[id]
      guard listed.insert(id).inserted else { throw .inputTwice(value.name, graph.name) }
      guard value.origin == .input || value.weight?.isOverridable == true else {
        throw .inputOrigin(value.name, graph.name)
      }
    }
    for id in graph.values {
      let value = graph[id]
      let isOverridable = value.weight?.isOverridable == true
      guard !isOverridable || mayBeOverridable else { throw .overridable(value.name, graph.name) }
      guard value.origin != .input && !isOverridable || listed.contains(id) else {
        throw .unlistedInput(value.name, graph.name)
      }
    }
  }

  private func check(
    _ attribute: Attribute, in scope: Scope, of graph: Graph, _ node: NodeID
  ) throws(Diagnostic) {
    let tensors: [TensorAttribute]
    switch attribute.value {
    case .tensor(let tensor): tensors = [tensor]
    case .tensors(let list): tensors = list
    case .sparse(let sparse): tensors = [sparse.values, sparse.indices]
    case .sparses(let list): tensors = list.flatMap { [$0.values, $0.indices] }
    case .reference(let name, _):
      guard scope.function?.attributes.contains(name) == true else {
        throw .undefinedAttribute(name, at: graph.location(of: node))
      }
      tensors = []
    case .float, .int, .string, .type, .graph, .floats, .ints, .strings, .types, .graphs:
      tensors = []
    }
    for tensor in tensors {
      try check(tensor.weight, named: attribute.name, at: graph.location(of: node))
    }
  }

  private func checkReaders(
    _ graph: Graph, defined: [Bool], _ readings: Readings
  ) throws(Diagnostic) {
    for id in graph.outputs {
      guard graph.contains(id), defined[Int(id.index)] else { throw .missingOutput(graph.name) }
    }
    let (nodes, begins) = readings.byValue(graph.valueLimit)
    for id in graph.values {
      let place = Int(id.index)
      let found = nodes[begins[place]..<begins[place + 1]]
      let users = graph.users(of: id)
      guard users.elementsEqual(found) || users.sorted() == found.sorted() else {
        throw .wrongUses(graph[id].name, graph.name)
      }
    }
  }

  // MARK: Modules

  private mutating func checkModules(_ graph: Graph) throws(Diagnostic) {
    if graph.modules.isEmpty { return }
    var places = [Int](repeating: -1, count: graph.nodeLimit)
    for (place, id) in graph.nodeIDs.enumerated() { places[Int(id.index)] = place }
    var taken = [ValueID?](repeating: nil, count: graph.nodeLimit)
    for module in graph.modules {
      guard notePath(module.path) else { throw .moduleTwice(module.path) }
      var last = -1
      for id in module.nodes {
        guard graph.contains(id) else { throw .missingModuleNode(module.path) }
        let (index, place) = (Int(id.index), places[Int(id.index)])
        guard place > last else { throw .moduleOrder(module.path) }
        // One operator may be several modules by its results: an attention, and the caches in it.
        guard taken[index] == nil || (module.nodes == [id] && taken[index] != module.result)
        else {
          throw .sharedNode(module.path, graph.location(of: id))
        }
        taken[index] = module.result
        last = place
      }
      guard graph.contains(module.result), let maker = module.nodes.last,
        graph.producer(of: module.result) == maker
      else { throw .moduleResult(module.path) }
      isAtPorts = true
      try checkPorts(of: module, in: graph)
      isAtPorts = false
    }
  }

  private func checkPorts(
    of module: QuantizedModule, in graph: Graph
  ) throws(Diagnostic) {
    if let name = module.ports.firstRepeated(\.name) { throw .portTwice(name, module.path) }
    for port in module.ports {
      if let value = port.value, !graph.contains(value) {
        throw .missingPort(port.name, module.path)
      }
      guard port.value != nil || port.role == .output else {
        throw .missingPort(port.name, module.path)
      }
      let shape = port.value.flatMap { graph[$0].type?.tensor?.shape }
      var channels: Int64?
      if let axis = port.channelAxis {
        guard axis >= 0, axis < shape?.count ?? .max else {
          throw .portAxis(axis, port.name, module.path)
        }
        channels = shape?[axis].size
      }
      if let maxAbs = port.maxAbs {
        guard maxAbs.count == 1 || Int64(maxAbs.count) == channels ?? Int64(maxAbs.count),
          !maxAbs.isEmpty, !maxAbs.contains(where: { $0 < 0 })
        else { throw .portRange(port.name, module.path) }
      }
      if let scale = port.scale {
        if case .dynamic = scale, port.role != .activation {
          throw .dynamicPort(port.name, module.path)
        }
        try check(scale, of: shape, named: "\(module.path).\(port.name)")
      }
    }
  }
}

extension Array {
  /// The first name that an item before has too; lists of a few items need no set.
  fileprivate func firstRepeated(_ name: (Element) -> String) -> String? {
    if count > 16 {
      var names: Set<String> = []
      return lazy.map(name).first { !names.insert($0).inserted }
    }
    for index in indices.dropFirst() {
      let own = name(self[index])
      if self[..<index].contains(where: { name($0) == own }) { return own }
    }
    return nil
  }
}

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
    var uses: [ValueID: [NodeID]] = [:]
    for id in graph.nodeIDs {
      let node = graph[id]
      let location = graph.location(of: id)
      for operand in try operands(of: node, in: graph, at: location) {
        guard defined.contains(operand) else {
          throw .usedBeforeDefinition(graph[operand].name, at: location)
        }
        uses[operand, default: []].append(id)
      }
      for (index, output) in node.outputs.enumerated() {
        guard let output else { continue }
        guard graph.contains(output), graph[output].origin == .result(of: id, at: index) else {
          throw .strayResult(index, at: location)
        }
        defined.insert(output)
      }
      try check(node, in: scope, depth: depth, at: location)
    }
    try checkReaders(graph, defined: defined, uses: uses)
    try checkModules(graph)
  }

  /// Names, types of weights and captures; returns what stands above all nodes.
  private func checkValues(_ graph: Graph, isBody: Bool) throws(Diagnostic) -> Set<ValueID> {
    var defined: Set<ValueID> = []
    for id in graph.values {
      let value = graph[id]
      guard graph.value(named: value.name) == id else { throw .nameTwice(value.name, graph.name) }
      switch value.origin {
      case .input: defined.insert(id)
      case .captured:
        guard isBody else { throw .captureOutsideBody(value.name, graph.name) }
        defined.insert(id)
      case .weight(let weight):
        try check(weight, named: value.name)
        guard value.type == .tensor(weight.type()) else { throw .weightType(value.name) }
        defined.insert(id)
      case .result(let node, let index):
        guard graph.contains(node), graph[node].outputs.indices.contains(index),
          graph[node].outputs[index] == id
        else { throw .orphan(value.name, graph.name) }
      case .removed: break
      }
    }
    return defined
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

  /// The values that a node and its bodies read, one for each reading.
  private func operands(
    of node: Node, in graph: Graph, at location: Location
  ) throws(Diagnostic) -> [ValueID] {
    var result: [ValueID] = []
    for operand in node.inputs {
      guard let operand else { continue }
      guard graph.contains(operand) else { throw .missingOperand(at: location) }
      result.append(operand)
    }
    for name in graph.captures(of: node) {
      guard let id = graph.value(named: name) else { throw .undefinedCapture(name, at: location) }
      result.append(id)
    }
    return result
  }

  /// Domain, attributes and bodies.
  private mutating func check(
    _ node: Node, in scope: Scope, depth: Int, at location: Location
  ) throws(Diagnostic) {
    guard scope.domains.contains(node.domain) else {
      throw .unimportedDomain(node.domain, of: node.op, at: location)
    }
    noteCall(of: node.functionKey, in: scope)
    var names: Set<String> = []
    for attribute in node.attributes {
      guard names.insert(attribute.name).inserted else {
        throw .attributeTwice(attribute.name, at: location)
      }
      try check(attribute, in: scope, at: location)
    }
    for body in node.bodies { try check(body, in: scope, depth: depth + 1, isBody: true) }
  }

  private func check(
    _ attribute: Attribute, in scope: Scope, at location: Location
  ) throws(Diagnostic) {
    let tensors: [TensorAttribute]
    switch attribute.value {
    case .tensor(let tensor): tensors = [tensor]
    case .tensors(let list): tensors = list
    case .sparse(let sparse): tensors = [sparse.values, sparse.indices]
    case .sparses(let list): tensors = list.flatMap { [$0.values, $0.indices] }
    case .reference(let name, _):
      guard scope.function?.attributes.contains(name) == true else {
        throw .undefinedAttribute(name, at: location)
      }
      tensors = []
    case .float, .int, .string, .type, .graph, .floats, .ints, .strings, .types, .graphs:
      tensors = []
    }
    for tensor in tensors { try check(tensor.weight, named: attribute.name, at: location) }
  }

  private func checkReaders(
    _ graph: Graph, defined: Set<ValueID>, uses: [ValueID: [NodeID]]
  ) throws(Diagnostic) {
    for id in graph.outputs {
      guard graph.contains(id), defined.contains(id) else { throw .missingOutput(graph.name) }
    }
    for id in graph.values {
      guard graph.users(of: id).sorted() == (uses[id] ?? []).sorted() else {
        throw .wrongUses(graph[id].name, graph.name)
      }
    }
  }

  // MARK: Modules

  private mutating func checkModules(_ graph: Graph) throws(Diagnostic) {
    if graph.modules.isEmpty { return }
    var places: [NodeID: Int] = [:]
    for (place, id) in graph.nodeIDs.enumerated() { places[id] = place }
    var taken: [NodeID: ValueID] = [:]
    for module in graph.modules {
      guard notePath(module.path) else { throw .moduleTwice(module.path) }
      var last = -1
      for id in module.nodes {
        guard let place = places[id] else { throw .missingModuleNode(module.path) }
        guard place > last else { throw .moduleOrder(module.path) }
        // One operator may be several modules by its results: an attention, and the caches in it.
        guard taken[id] == nil || (module.nodes == [id] && taken[id] != module.result) else {
          throw .sharedNode(module.path, graph.location(of: id))
        }
        taken[id] = module.result
        last = place
      }
      guard graph.contains(module.result), let maker = module.nodes.last,
        graph.producer(of: module.result) == maker
      else { throw .moduleResult(module.path) }
      try checkPorts(of: module, in: graph)
    }
  }

  private func checkPorts(
    of module: QuantizedModule, in graph: Graph
  ) throws(Diagnostic) {
    var names: Set<String> = []
    for port in module.ports {
      guard names.insert(port.name).inserted else { throw .portTwice(port.name, module.path) }
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

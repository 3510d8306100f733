internal import FP8
internal import IR
internal import Support
internal import Targets

extension FP8Operands {
  /// The target's softmax makes codes, and a cast gives everything that read the probabilities theirs.
  mutating func lowerSoftmaxToTarget(
    _ module: QuantizedModule, _ index: Int, _ id: NodeID
  ) throws(Diagnostic) -> [TargetOperator] {
    let node = graph[id]
    guard let result = node.outputs.first ?? nil,
      let scale = module.port("output")?.scale?.values.first
    else { throw .unmeasuredPort("output", of: module.path) }
    let element = elementType(of: module)
    let name = graph[result].name
    let shape = graph[result].type?.tensor?.shape
    var op = Node(
      name: node.name, op: TargetOperator.fp8Softmax.rawValue,
      domain: context.settings.target.domain,
      inputs: [node.input(0), graph.sharedScalar("fp8c.mul.\(1 / scale)", 1 / scale)], outputs: [],
      attributes: [Attribute("axis", node[attribute: "axis"] ?? .int(-1))],
      annotations: node.annotations, origin: node.origin)
    op.attributes += castAttributes
    let codes = graph.addNode(
      op, result: "\(name).fp8", type: .tensor(TensorType(limits.encoding.element, shape)),
      before: id)
    let value = castFromFP8(codes, .perTensor(scale), to: element, before: id)
    graph.replaceUses(of: result, with: value)
    movePorts(from: result, to: value)
    graph.removeNode(id)
    graph.rename(value, to: name)
    settle(module: index, nodes: [codes, value], result: value)
    return [.fp8Softmax, .castFromFp8]
  }

  /// A quantizer and a dequantizer behind the softmax.
  mutating func lowerSoftmaxToQDQ(moduleAt index: Int) throws(Diagnostic) {
    let module = graph.modules[index]
    guard let id = module.nodes.first, let result = graph[id].outputs.first ?? nil,
      let scale = module.port("output")?.scale?.values.first
    else { throw .unmeasuredPort("output", of: module.path) }
    let value = quantizedBehind(result, of: id) { operands, before in
      operands.fakeQuantizedActivation(
        result, element: operands.elementType(of: module), scale: scale, before: before)
    }
    settle(module: index, nodes: [result, value], result: value)
  }

  /// Lets everything that reads a result read what `quantize` makes of it.
  ///
  /// `quantize` adds its nodes in front of the node it is given: the one behind the result's.
  mutating func quantizedBehind(
    _ result: ValueID, of id: NodeID, _ quantize: (inout FP8Operands, NodeID) -> ValueID
  ) -> ValueID {
    let readers = Set(graph.users(of: result))
    let next = graph.successor(of: id)
    let anchor =
      next
      ?? graph.addNode(
        Node(op: "Identity", inputs: [result], outputs: []),
        results: [(graph.freshName("\(graph[result].name).end"), nil)])
    let value = quantize(&self, anchor)
    if next == nil { graph.removeNode(anchor) }
    let (old, new) = (graph[result].name, graph[value].name)
    for reader in readers.sorted() {
      graph.update(reader) { node in
        node.inputs = node.inputs.map { $0 == result ? value : $0 }
        node.mapBodies { $0.renameCapture(old, to: new) }
      }
    }
    movePorts(from: result, to: value)
    if graph.isOutput(result) {
      graph.setOutputs(graph.outputs.map { $0 == result ? value : $0 })
      graph.rename(result, to: graph.freshName("\(old).exact"))
      graph.rename(value, to: old)
    }
    return value
  }

  /// The operands of other modules follow a value to the one that takes its place.
  mutating func movePorts(from old: ValueID, to new: ValueID) {
    let readers = readers[old] ?? []
    self.readers[new, default: []] += readers
    for index in readers {
      graph.updateModule(at: index) { module in
        for position in module.ports.indices
        where module.ports[position].value == old && module.ports[position].role != .output {
          module.ports[position].value = new
        }
      }
    }
  }

  /// What every cast to FP8 says beside its factor.
  var castAttributes: [Attribute] {
    [
      Attribute("saturate_at", .float(limits.fullscale)),
      Attribute("to", .int(Int64(limits.encoding.element.rawValue))),
    ]
  }

  /// The module as the nodes that make these values.
  mutating func settle(module index: Int, nodes values: [ValueID], result: ValueID) {
    let nodes = values.compactMap { graph.producer(of: $0) }
    let last = graph.modules[index].result
    graph.updateModule(at: index) { module in
      module.nodes = nodes
      module.result = result
      for position in module.ports.indices where module.ports[position].value == last {
        module.ports[position].value = result
      }
    }
    markLowered()
  }
}

internal import FP8
internal import IR
internal import Support
internal import Targets

extension FP8Operands {
  /// The target's attention in the place of an operator or of a chain of them.
  ///
  /// What its operator cannot express keeps the model's operators between casts: past keys and values
  /// inside, merged heads of unknown size, windows, the operators of ONNX Runtime.
  mutating func lowerAttention(
    _ module: QuantizedModule, _ index: Int
  ) throws(Diagnostic) -> [TargetOperator] {
    guard let scales = AttentionScales(of: module), let last = module.nodes.last,
      let plan = AttentionPlan(of: module, in: graph)
    else {
      var used = try lowerToCasts(moduleAt: index)
      used += try castOutput(ofModuleAt: index)
      return used
    }
    let element = elementType(of: module)
    let name = graph[module.result].name
    var codes: [ValueID] = []
    for (port, layout) in [("query", plan.query), ("key", plan.key), ("value", plan.value)] {
      guard let value = module.port(port)?.value, let scale = scales.operands[port] else {
        throw .unmeasuredPort(port, of: module.path)
      }
      let flat = quantizedActivation(value, scale: scale, before: last)
      codes.append(withHeads(flat, layout, before: last))
    }
    let mask = try additiveMask(plan.mask, before: last)
    var inputs: [ValueID?] = codes + [mask]
    let factors =
      ["query", "key", "value"].compactMap { scales.operands[$0] }
      + [1 / scales.softmax, scales.softmax, 1 / scales.output]
    inputs += factors.map { graph.sharedScalar("fp8c.mul.\($0)", $0) }
    let node = graph[last]
    let result = graph.addNode(
      Node(
        name: node.name, op: TargetOperator.fp8Attention.rawValue,
        domain: context.settings.target.domain, inputs: inputs, outputs: [],
        attributes: [
          Attribute("is_causal", .int(plan.isCausal ? 1 : 0)),
          Attribute("scale", .float(plan.scale)), Attribute("softcap", .float(plan.softcap)),
        ] + castAttributes, annotations: node.annotations, origin: node.origin),
      result: "\(name).fp8", type: .tensor(TensorType(limits.encoding.element, nil)), before: last)
    let merged = plan.mergesHeads ? mergedHeads(result, before: last) : result
    var value = castFromFP8(merged, .perTensor(scales.output), to: element, before: last)
    graph.setType(of: value, to: graph[module.result].type)
    let old = module.result
    graph.replaceUses(of: old, with: value)
    movePorts(from: old, to: value)
    let isNamed = graph[value].name == name
    forgetSoftmax(ofModuleAt: index)
    for id in module.nodes.reversed()
    where graph[id].outputs.allSatisfy({ $0.map { graph.useCount(of: $0) == 0 } ?? true }) {
      removeNode(id)
    }
    if !isNamed, graph.value(named: name) == nil { graph.rename(value, to: name) }
    if let known = graph.value(named: name), known != value { value = known }
    settle(module: index, nodes: [result, value], result: value)
    return [.castToFp8, .castFromFp8, .fp8Attention]
  }

  /// Casts behind a module's operator, so that its output has FP8 values as the device's has.
  private mutating func castOutput(ofModuleAt index: Int) throws(Diagnostic) -> [TargetOperator] {
    let module = graph.modules[index]
    guard let last = module.nodes.last, let scale = module.port("output")?.scale else {
      throw .unmeasuredPort("output", of: module.path)
    }
    let element = elementType(of: module)
    _ = quantizedBehind(module.result, of: last) { operands, before in
      let codes = operands.quantizedActivation(
        module.result, scale: scale.values.first ?? 1, before: before)
      return operands.castFromFP8(codes, scale, to: element, before: before)
    }
    return [.castToFp8, .castFromFp8]
  }

  /// The softmax goes with the chain, so that its range belongs to no value any more.
  private mutating func forgetSoftmax(ofModuleAt index: Int) {
    graph.updateModule(at: index) { module in
      for position in module.ports.indices where module.ports[position].name == "amax" {
        module.ports[position].value = nil
      }
    }
  }

  /// Removes a node and the constants that nothing else reads.
  private mutating func removeNode(_ id: NodeID) {
    let operands = Set(graph[id].inputs.compactMap { $0 }).sorted()
    graph.removeNode(id)
    for value in operands
    where graph[value].weight != nil && graph.useCount(of: value) == 0
      && !graph.inputs.contains(value)
    {
      graph.removeValue(value)
    }
  }

  // MARK: Layout

  /// Codes as [batch, heads, rows, depth].
  private mutating func withHeads(
    _ codes: ValueID, _ layout: AttentionPlan.Layout, before id: NodeID
  ) -> ValueID {
    switch layout {
    case .headsFirst: return codes
    case .rowsFirst: return moved(codes, "Transpose", [0, 2, 1, 3], before: id)
    case .merged(let heads):
      let split = reshaped(codes, [0, 0, heads, -1], "heads", before: id)
      return moved(split, "Transpose", [0, 2, 1, 3], before: id)
    }
  }

  private mutating func mergedHeads(_ codes: ValueID, before id: NodeID) -> ValueID {
    reshaped(
      moved(codes, "Transpose", [0, 2, 1, 3], before: id), [0, 0, -1], "merged", before: id)
  }

  private mutating func moved(
    _ codes: ValueID, _ op: String, _ axes: [Int64], before id: NodeID
  ) -> ValueID {
    graph.addNode(
      Node(
        op: op, inputs: [codes], outputs: [], attributes: [Attribute("perm", .ints(axes))],
        origin: graph[id].origin),
      result: "\(graph[codes].name).moved",
      type: .tensor(TensorType(limits.encoding.element, nil)), before: id)
  }

  private mutating func reshaped(
    _ codes: ValueID, _ sizes: [Int64], _ suffix: String, before id: NodeID
  ) -> ValueID {
    let shape = graph.sharedLiteral(
      "fp8c.shape.\(sizes.map(String.init).joined(separator: "."))",
      TensorType(.int64, sizes: [Int64(sizes.count)]), sizes.littleEndianBytes)
    return graph.addNode(
      Node(op: "Reshape", inputs: [codes, shape], outputs: [], origin: graph[id].origin),
      result: "\(graph[codes].name).\(suffix)",
      type: .tensor(TensorType(limits.encoding.element, nil)), before: id)
  }

  // MARK: Masks

  /// The mask as numbers to add to the scores; a zero where there is none.
  private mutating func additiveMask(
    _ mask: AttentionPlan.Mask, before id: NodeID
  ) throws(Diagnostic) -> ValueID {
    switch mask {
    case .none: return graph.sharedScalar("fp8c.number.0.0", 0)
    case .additive(let value): return value
    case .chosen(let condition, let keepsWhereTrue, let fill):
      let zero = graph.sharedScalar("fp8c.number.0.0", 0)
      let low = graph.sharedScalar("fp8c.number.\(fill)", fill)
      let shape = graph[condition].type?.tensor?.shape
      return graph.addNode(
        Node(
          op: "Where", inputs: [condition] + (keepsWhereTrue ? [zero, low] : [low, zero]),
          outputs: [], origin: graph[id].origin),
        result: "\(graph[condition].name).additive",
        type: .tensor(TensorType(.float32, shape)), before: id)
    }
  }
}

/// The scales of one attention: those of its operands, of the softmax, and of what comes out.
private struct AttentionScales {
  let operands: [String: Float]
  let softmax: Float
  let output: Float

  init?(of module: QuantizedModule) {
    func scale(_ port: String) -> Float? { module.port(port)?.scale?.values.first }
    guard let query = scale("query"), let key = scale("key"), let value = scale("value"),
      let softmax = scale("amax"), let output = scale("output")
    else { return nil }
    operands = ["query": query, "key": key, "value": value]
    self.softmax = softmax
    self.output = output
  }
}

internal import FP8
internal import IR
internal import Support
internal import Targets

extension FP8Operands {
  enum CacheLowering {
    case done([TargetOperator], Diagnostic)
    /// Why the interface stays as it is.
    case left(String)
  }

  /// Lets a cache enter and leave the graph as FP8 codes.
  ///
  /// The target updates the codes themselves. In standard operators a `TensorScatter` does too, and from
  /// opset 26 on a `Concat` of the codes as bytes; else the codes are dequantized in front of the update
  /// and quantized behind it, which is exact since every number is a code's (fp8-and-gaudi2.md 4.4).
  mutating func lowerCacheInterface(
    moduleAt index: Int, form: OutputForm
  ) throws(Diagnostic) -> CacheLowering {
    let module = graph.modules[index]
    guard let node = module.nodes.last, let new = module.port("input")?.value,
      let scale = module.port("input")?.scale?.values.first,
      let past = module.port("past")?.value
    else { throw .unmeasuredPort("input", of: module.path) }
    if let reason = cacheObstacle(past, node, module.result) { return .left(reason) }
    let element = graph[past].type?.element ?? elementType(of: module)
    let update = CacheUpdate(
      node: node, past: past, new: new, present: module.result, scale: scale, element: element)
    let names = (past: graph[past].name, present: graph[module.result].name)
    graph.setType(
      of: past,
      to: .tensor(TensorType(limits.encoding.element, graph[past].type?.tensor?.shape)))
    let used: [TargetOperator]
    let op = graph[node].domain.isEmpty ? graph[node].op : ""
    switch (form, op) {
    case (.target, "Concat"):
      joinInTarget(update, index)
      used = [.fp8KVUpdate, .castFromFp8]
    case (.qdq, "TensorScatter"):
      updateCodes(update, index) { operands, codes in
        var copy = operands.graph[node]
        copy.inputs[0] = past
        copy.inputs[1] = codes
        return operands.codesNode(copy, before: node)
      }
      used = []
    case (.qdq, "Concat") where opset >= 26:
      updateCodes(update, index) { operands, codes in
        let bytes = [past, codes].map { operands.bitCast($0, to: .uint8, before: node) }
        var copy = operands.graph[node]
        copy.inputs = bytes
        let joined = operands.graph.addNode(
          copy, result: "\(names.present).bytes",
          type: .tensor(
            TensorType(.uint8, operands.graph[module.result].type?.tensor?.shape)),
          before: node)
        return operands.bitCast(joined, to: operands.limits.encoding.element, before: node)
      }
      used = []
    default:
      castAround(update, index, form)
      used = form == .target ? [.castToFp8, .castFromFp8] : []
    }
    return .done(
      used,
      .cacheInterface(names.past, names.present, scale: scale, path: module.path))
  }

  private struct CacheUpdate {
    let node: NodeID
    let past: ValueID
    let new: ValueID
    let present: ValueID
    let scale: Float
    /// The type that the model's operators read.
    let element: ElementType
  }

  private func cacheObstacle(_ past: ValueID, _ node: NodeID, _ present: ValueID) -> String? {
    guard graph.inputs.contains(past), graph[past].weight == nil else {
      return "'\(graph[past].name)' is no input of the graph itself"
    }
    guard graph.isOutput(present) else {
      return "'\(graph[present].name)' is no output of the graph itself"
    }
    for value in [past, present] {
      guard let type = graph[value].type, type.tensor == nil else { continue }
      return "'\(graph[value].name)' is declared to be no tensor"
    }
    let others = graph.users(of: past).filter {
      $0 != node && !graph[$0].isStandard("Shape") && !graph[$0].isStandard("Size")
    }
    guard others.isEmpty, !graph.isOutput(past) else {
      return "'\(graph[past].name)' is read by something else too"
    }
    return nil
  }

  /// The target's operator makes the codes that leave the graph; who wants numbers gets them cast.
  private mutating func joinInTarget(_ update: CacheUpdate, _ index: Int) {
    let node = graph[update.node]
    let inverse = 1 / update.scale
    let codes = graph.addNode(
      Node(
        name: node.name, op: TargetOperator.fp8KVUpdate.rawValue,
        domain: context.settings.target.domain,
        inputs: [update.past, update.new, graph.sharedScalar("fp8c.mul.\(inverse)", inverse)],
        outputs: [],
        attributes: [Attribute("axis", node[attribute: "axis"] ?? .int(0))] + castAttributes,
        annotations: node.annotations, origin: node.origin),
      result: "\(graph[update.present].name).fp8",
      type: .tensor(TensorType(limits.encoding.element, graph[update.present].type?.tensor?.shape)),
      before: update.node)
    replaceUpdate(update, index, by: codes) { operands in
      operands.castFromFP8(codes, .perTensor(update.scale), to: update.element, before: update.node)
    }
  }

  /// An update of codes by standard operators.
  private mutating func updateCodes(
    _ update: CacheUpdate, _ index: Int,
    _ join: (inout FP8Operands, ValueID) -> ValueID
  ) {
    let new = linearCodes(
      of: update.new, element: update.element, scale: update.scale, before: update.node)
    let codes = join(&self, new)
    let name = graph[update.present].name
    replaceUpdate(update, index, by: codes) { operands in
      operands.linearValue(
        of: codes, scale: update.scale, to: update.element, named: name, before: update.node)
    }
  }

  /// Gives the graph codes for an output and everything else the numbers that `decode` makes of them.
  private mutating func replaceUpdate(
    _ update: CacheUpdate, _ index: Int, by codes: ValueID,
    _ decode: (inout FP8Operands) -> ValueID
  ) {
    let name = graph[update.present].name
    graph.setOutputs(graph.outputs.map { $0 == update.present ? codes : $0 })
    if graph.useCount(of: update.present) > 0 || readers[update.present] != nil {
      let value = decode(&self)
      graph.replaceReaders(of: update.present, with: value)
      movePorts(from: update.present, to: value)
    }
    graph.rename(update.present, to: graph.freshName("\(name).replaced"))
    graph.removeNode(update.node)
    graph.rename(codes, to: name)
    settle(module: index, nodes: [codes], result: codes)
  }

  /// Codes are dequantized in front of an update that works on numbers, and made again behind it.
  private mutating func castAround(_ update: CacheUpdate, _ index: Int, _ form: OutputForm) {
    let node = update.node
    let decoded =
      form == .target
      ? castFromFP8(update.past, .perTensor(update.scale), to: update.element, before: node)
      : linearValue(
        of: update.past, scale: update.scale, to: update.element,
        named: graph[update.past].name, before: node)
    let quantized =
      form == .target
      ? castFromFP8(
        quantizedActivation(update.new, scale: update.scale, before: node),
        .perTensor(update.scale), to: update.element, before: node)
      : fakeQuantizedActivation(
        update.new, element: update.element, scale: update.scale, before: node)
    graph.update(node) {
      $0.inputs = $0.inputs.map {
        $0 == update.past ? decoded : $0 == update.new ? quantized : $0
      }
    }
    let name = graph[update.present].name
    let codes = codesBehind(update, form)
    graph.setOutputs(graph.outputs.map { $0 == update.present ? codes : $0 })
    graph.rename(update.present, to: graph.freshName("\(name).exact"))
    graph.rename(codes, to: name)
    markLowered()
  }

  private mutating func codesBehind(_ update: CacheUpdate, _ form: OutputForm) -> ValueID {
    let next = graph.successor(of: update.node)
    let anchor =
      next
      ?? graph.addNode(
        Node(op: "Identity", inputs: [update.present], outputs: []),
        results: [(graph.freshName("\(graph[update.present].name).end"), nil)])
    let codes =
      form == .target
      ? quantizedActivation(update.present, scale: update.scale, before: anchor)
      : linearCodes(
        of: update.present, element: update.element, scale: update.scale, before: anchor)
    if next == nil { graph.removeNode(anchor) }
    return codes
  }

  private mutating func codesNode(_ node: Node, before id: NodeID) -> ValueID {
    let result = node.outputs.first ?? nil
    let shape = result.flatMap { graph[$0].type?.tensor?.shape }
    return graph.addNode(
      node, result: "\(result.map { graph[$0].name } ?? node.op).fp8",
      type: .tensor(TensorType(limits.encoding.element, shape)), before: id)
  }

  private mutating func bitCast(
    _ value: ValueID, to element: ElementType, before id: NodeID
  ) -> ValueID {
    graph.addNode(
      Node(
        op: "BitCast", inputs: [value], outputs: [],
        attributes: [Attribute("to", .int(Int64(element.rawValue)))], origin: graph[id].origin),
      result: "\(graph[value].name).bits",
      type: .tensor(TensorType(element, graph[value].type?.tensor?.shape)), before: id)
  }
}

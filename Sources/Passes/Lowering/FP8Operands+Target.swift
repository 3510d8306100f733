internal import FP8
internal import IR
internal import Support
internal import Targets

extension FP8Operands {
  /// Replaces a module's operator by the target's; gives the operators that were used.
  ///
  /// `nil` where the operator cannot do what the module does: the module stays as it is.
  mutating func lowerToTarget(moduleAt index: Int) throws(Diagnostic) -> [TargetOperator]? {
    let module = graph.modules[index]
    let values = module.quantizedPorts.compactMap(\.value)
    let kernel = context.settings.target.kernel(for: module.kind)
    if kernel?.op == TargetOperator.fp8Attention.rawValue {
      return try lowerAttention(module, index)
    }
    guard let op = kernel?.op,
      let node = module.nodes.first(where: { id in
        values.allSatisfy { graph[id].inputs.contains($0) }
      })
    else { return try lowerToCasts(moduleAt: index) }
    switch TargetOperator(rawValue: op) {
    case .fp8MatMul?: return try lowerProduct(module, index, node)
    case .fp8Conv?: return try lowerConvolution(module, index, node)
    case .fp8Softmax?: return try lowerSoftmaxToTarget(module, index, node)
    case .fp8KVUpdate?: return try lowerToCasts(moduleAt: index)
    case .castToFp8?, .castFromFp8?, .dynamicCastToFp8?, .fp8Attention?, nil:
      throw .noKernel(module.kind, target: context.settings.target.name)
    }
  }

  // MARK: Casts

  /// Casts to FP8 and back in front of what a module's operators read: for what the target has no
  /// operator for, and for weights that something picks from before they are multiplied.
  mutating func lowerToCasts(moduleAt index: Int) throws(Diagnostic) -> [TargetOperator] {
    let module = graph.modules[index]
    var casts: [TargetOperator] = [.castFromFp8]
    try replaceOperands(ofModuleAt: index) { operands, port, element, node throws(Diagnostic) in
      if port.role == .weight {
        guard let scale = port.scale else { return nil }
        let codes = try operands.quantizedWeight(port, ofModuleAt: index)
        return operands.castFromFP8(codes, scale, to: element, before: node)
      }
      let (codes, factor, cast) = try operands.operand(port, of: module, before: node)
      casts.append(cast)
      return operands.castFromFP8(codes, by: factor, to: element, before: node)
    }
    return casts
  }

  /// Codes times their scale, in the type that the operators of the model read.
  mutating func castFromFP8(
    _ codes: ValueID, _ scale: Scale, to element: ElementType, before node: NodeID
  ) -> ValueID {
    if let known = decoded[codes] { return known }
    let factor: ValueID
    if case .perChannel(let numbers, let axis) = scale {
      let behind = max((graph[codes].type?.tensor?.shape?.count ?? axis + 1) - axis - 1, 0)
      factor = perChannelFactor(
        numbers, name: graph[codes].name,
        shape: [Int64(numbers.count)] + [Int64](repeating: 1, count: behind))
    } else {
      let number = scale.values.first ?? 1
      factor = graph.sharedScalar("fp8c.mul.\(number)", number)
    }
    return castFromFP8(codes, by: factor, to: element, before: node)
  }

  /// Codes times a factor, a value of the graph.
  private mutating func castFromFP8(
    _ codes: ValueID, by factor: ValueID, to element: ElementType, before node: NodeID
  ) -> ValueID {
    if let known = decoded[codes] { return known }
    let shape = graph[codes].type?.tensor?.shape
    let value = graph.addNode(
      Node(
        op: TargetOperator.castFromFp8.rawValue, domain: context.settings.target.domain,
        inputs: [codes, factor], outputs: [],
        attributes: [Attribute("to", .int(Int64(element.rawValue)))], origin: graph[node].origin),
      result: "\(graph[codes].name).decoded", type: .tensor(TensorType(element, shape)),
      before: node)
    decoded[codes] = value
    return value
  }

  // MARK: Products

  private mutating func lowerProduct(
    _ module: QuantizedModule, _ index: Int, _ id: NodeID
  ) throws(Diagnostic) -> [TargetOperator] {
    let node = graph[id]
    let isGemm = node.op == "Gemm"
    let transposes = [
      isGemm && node.int("transA") ?? 0 != 0, isGemm && node.int("transB") ?? 0 != 0,
    ]
    var operands: [ValueID] = []
    var factors: [ValueID] = []
    /// What the operator's scalar scales cannot carry: multiplied in afterwards.
    var rest: [ValueID] = []
    var ports = module.ports.filter { $0.role == .activation || $0.role == .weight }
    var casts: [TargetOperator] = [.fp8MatMul]
    for position in 0..<2 {
      guard let value = node.input(position),
        let match = ports.firstIndex(where: { $0.value == value })
      else { throw .portNotRead("operand \(position)", of: module.path) }
      let port = ports.remove(at: match)
      guard port.role == .weight else {
        let (codes, factor, cast) = try operand(
          port, of: module, isTransposed: transposes[position], before: id)
        operands.append(codes)
        factors.append(factor)
        casts.append(cast)
        continue
      }
      operands.append(
        try quantizedWeight(port, ofModuleAt: index, isTransposed: transposes[position]))
      switch port.scale {
      case .dynamic?, nil: throw .unmeasuredPort(port.name, of: module.path)
      case .perTensor(let number)?:
        factors.append(graph.sharedScalar("fp8c.mul.\(number)", number))
      case .perChannel(let numbers, _)?:
        // Channels are the columns of a right operand and the rows of a left one.
        let isColumns = position == 1
        let vector = perChannelFactor(
          numbers, name: graph[value].name,
          shape: isColumns ? [Int64(numbers.count)] : [Int64(numbers.count), 1])
        if isColumns, context.settings.target.kernel(for: module.kind)?.perChannelWeights ?? false {
          factors.append(vector)
        } else {
          factors.append(graph.sharedScalar("fp8c.mul.1.0", 1))
          rest.append(vector)
        }
      }
    }
    try finishProduct(module, id, operands + factors, rest: rest)
    return casts
  }

  /// The operator itself, then factors, alpha, and beta times the addend of a `Gemm`.
  private mutating func finishProduct(
    _ module: QuantizedModule, _ id: NodeID, _ inputs: [ValueID], rest: [ValueID]
  ) throws(Diagnostic) {
    let node = graph[id]
    let element = elementType(of: module)
    let name = node.outputs.first.flatMap { $0 }.map { graph[$0].name } ?? node.op
    let type = node.outputs.first.flatMap { $0 }.flatMap { graph[$0].type }
    var product = Node(
      op: TargetOperator.fp8MatMul.rawValue, domain: context.settings.target.domain, inputs: inputs,
      outputs: [], attributes: [Attribute("out_dtype", .int(Int64(element.rawValue)))],
      origin: node.origin)
    var steps: [(op: String, operand: ValueID)] = []
    for factor in rest {
      steps.append(("Mul", element == .float32 ? factor : cast(factor, to: element, before: id)))
    }
    if node.op == "Gemm" {
      let alpha = node.float("alpha") ?? 1
      if alpha != 1 { steps.append(("Mul", scalar(alpha, element, before: id))) }
      if var addend = node.input(2) {
        let beta = node.float("beta") ?? 1
        if beta != 1 {
          addend = graph.addNode(
            Node(
              op: "Mul", inputs: [addend, scalar(beta, element, before: id)], outputs: [],
              origin: node.origin),
            result: "\(graph[addend].name).scaled", type: graph[addend].type, before: id)
        }
        steps.append(("Add", addend))
      }
    }
    // The node keeps its results, so it becomes the last step, and the others come before it.
    guard let last = steps.popLast() else {
      product.name = node.name
      product.annotations = node.annotations
      graph.update(id) { $0 = product.withOutputs(of: $0) }
      markLowered()
      return
    }
    var current = graph.addNode(product, result: "\(name).product", type: type, before: id)
    for step in steps {
      current = graph.addNode(
        Node(op: step.op, inputs: [current, step.operand], outputs: [], origin: node.origin),
        result: "\(name).scaled", type: type, before: id)
    }
    let operands: [ValueID?] = [current, last.operand]
    graph.update(id) {
      $0.op = last.op
      $0.inputs = operands
      $0.attributes = []
    }
    markLowered()
  }

  private mutating func scalar(
    _ value: Float, _ element: ElementType, before node: NodeID
  ) -> ValueID {
    let wide = graph.sharedScalar("fp8c.mul.\(value)", value)
    return element == .float32 ? wide : cast(wide, to: element, before: node)
  }

  private mutating func perChannelFactor(
    _ numbers: [Float], name: String, shape: [Int64]
  ) -> ValueID {
    graph.sharedLiteral(
      "\(name).scale", TensorType(.float32, sizes: shape), numbers.littleEndianBytes)
  }

  // MARK: Convolutions

  private mutating func lowerConvolution(
    _ module: QuantizedModule, _ index: Int, _ id: NodeID
  ) throws(Diagnostic) -> [TargetOperator]? {
    let node = graph[id]
    let element = elementType(of: module)
    guard let input = module.port("input"), let weight = module.port("weight"),
      let inputScale = input.scale?.values.first, let weightScale = weight.scale
    else { throw .unmeasuredPort("input", of: module.path) }
    var attributes = node.attributes.filter { $0.name != "auto_pad" }
    guard var source = input.value, let pads = padding(of: node, weight) else { return nil }
    let kernel = context.settings.target.kernel(for: module.kind)
    if !pads.isEmpty {
      let half = pads.count / 2
      if pads[..<half] != pads[half...], kernel?.padding == .symmetric {
        source = padded(source, pads, before: id)
        attributes.set("pads", to: [Int64](repeating: 0, count: pads.count))
      } else {
        attributes.set("pads", to: pads)
      }
    }
    attributes.append(Attribute("out_dtype", .int(Int64(element.rawValue))))
    let codes = quantizedActivation(source, scale: inputScale, before: id)
    var inputs: [ValueID?] = [codes, try quantizedWeight(weight, ofModuleAt: index)]
    inputs.append(graph.sharedScalar("fp8c.mul.\(inputScale)", inputScale))
    var bias = node.input(2)
    if let value = bias, element != .float32 { bias = cast(value, to: .float32, before: id) }
    let op = Node(
      name: node.name, op: TargetOperator.fp8Conv.rawValue, domain: context.settings.target.domain,
      inputs: [], outputs: [], attributes: attributes, annotations: node.annotations,
      origin: node.origin)
    switch weightScale {
    case .dynamic: throw .unmeasuredPort(weight.name, of: module.path)
    case .perTensor(let scale):
      inputs.append(graph.sharedScalar("fp8c.mul.\(scale)", scale))
      if let bias { inputs.append(bias) }
      graph.update(id) { node in
        node = op.withOutputs(of: node)
        node.inputs = inputs
      }
    case .perChannel(let scales, _):
      inputs.append(graph.sharedScalar("fp8c.mul.1.0", 1))
      try finishPerChannel(module, id, op, inputs, scales, bias: node.input(2), element)
    }
    markLowered()
    return [.castToFp8, .fp8Conv]
  }

  /// The factor of each channel follows as a multiplication, then the bias ([R-9]).
  private mutating func finishPerChannel(
    _ module: QuantizedModule, _ id: NodeID, _ op: Node, _ inputs: [ValueID?], _ scales: [Float],
    bias: ValueID?, _ element: ElementType
  ) throws(Diagnostic) {
    let node = graph[id]
    let name = node.outputs.first.flatMap { $0 }.map { graph[$0].name } ?? node.op
    let type = node.outputs.first.flatMap { $0 }.flatMap { graph[$0].type }
    var op = op
    op.inputs = inputs
    op.name = ""
    let convolved = graph.addNode(op, result: "\(name).convolved", type: type, before: id)
    var factor = perChannelFactor(
      scales, name: module.port("weight").map { graph.name(of: $0) } ?? name,
      shape: [Int64(scales.count), 1, 1])
    if element != .float32 { factor = cast(factor, to: element, before: id) }
    guard let bias else {
      graph.update(id) {
        $0.op = "Mul"
        $0.attributes = []
        $0.inputs = [convolved, factor]
      }
      return
    }
    let scaled = graph.addNode(
      Node(op: "Mul", inputs: [convolved, factor], outputs: [], origin: node.origin),
      result: "\(name).scaled", type: type, before: id)
    let shape = graph.sharedLiteral(
      "fp8c.shape.channel", TensorType(.int64, sizes: [3]),
      ([-1, 1, 1] as [Int64]).littleEndianBytes)
    let column = graph.addNode(
      Node(op: "Reshape", inputs: [bias, shape], outputs: [], origin: node.origin),
      result: "\(graph[bias].name).column",
      type: .tensor(TensorType(element, sizes: [Int64(scales.count), 1, 1])), before: id)
    graph.update(id) {
      $0.op = "Add"
      $0.attributes = []
      $0.inputs = [scaled, column]
    }
  }

  /// The padding as numbers, none where there is no padding; `nil` where the rule needs sizes that the
  /// model does not give.
  private func padding(of node: Node, _ weight: Port) -> [Int64]? {
    let rule = node.string("auto_pad") ?? "NOTSET"
    if rule == "NOTSET" || rule.isEmpty {
      guard let pads = node.ints("pads") else { return [] }
      let rank = graph.type(of: weight)?.sizes?.count
      return rank == nil || rank == pads.count / 2 + 2 && pads.count % 2 == 0 ? pads : nil
    }
    if rule == "VALID" { return [] }
    guard let input = node.input(0), let shape = graph[input].type?.tensor?.shape,
      let kernel = graph.type(of: weight)?.sizes, shape.count == kernel.count,
      kernel.count > 2
    else { return nil }
    let spatial = kernel.count - 2
    let strides = node.ints("strides") ?? [Int64](repeating: 1, count: spatial)
    let dilations = node.ints("dilations") ?? [Int64](repeating: 1, count: spatial)
    var begin: [Int64] = []
    var end: [Int64] = []
    for axis in 0..<spatial {
      guard let size = shape[axis + 2].size, strides.count == spatial, dilations.count == spatial,
        let total = samePadding(size, kernel[axis + 2], strides[axis], dilations[axis])
      else { return nil }
      let small = total / 2
      begin.append(rule == "SAME_LOWER" ? total - small : small)
      end.append(rule == "SAME_LOWER" ? small : total - small)
    }
    return begin + end
  }

  /// How many zeros make the output as long as the input over the stride, rounded up; `nil` where the
  /// numbers make no sense.
  private func samePadding(
    _ size: Int64, _ kernel: Int64, _ stride: Int64, _ dilation: Int64
  ) -> Int64? {
    guard size > 0, kernel > 0, stride > 0, dilation > 0 else { return nil }
    let (reach, overflow) = (kernel - 1).multipliedReportingOverflow(by: dilation)
    guard !overflow, reach < Int64.max else { return nil }
    // The start of the last window is at most `size - 1`.
    let (end, tooFar) = ((size - 1) / stride * stride).addingReportingOverflow(reach + 1)
    return tooFar ? nil : max(end - size, 0)
  }
}

extension Node {
  /// This operator, with the results of another node.
  fileprivate func withOutputs(of other: Node) -> Node {
    var copy = self
    copy.outputs = other.outputs
    return copy
  }
}

extension [Attribute] {
  fileprivate mutating func set(_ name: String, to values: [Int64]) {
    removeAll { $0.name == name }
    append(Attribute(name, .ints(values)))
  }
}

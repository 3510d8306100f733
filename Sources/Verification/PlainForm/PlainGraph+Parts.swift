internal import IR

/// Operators that are several in one, taken apart.
extension PlainGraph {
  mutating func takeApart(_ id: NodeID) {
    let node = graph[id]
    if node.isStandard("Attention") { return takeApartAttention(id) }
    guard node.domain == "com.microsoft", node.outputs.count == 1,
      let result = node.outputs[0]
    else { return }
    let element = graph[result].type?.element
    switch node.op {
    case "FusedMatMul": takeApartMatMul(id, element)
    case "FusedGemm": takeApartGemm(id)
    case "FusedConv": takeApartConv(id, element)
    case "Attention": takeApartPacked(id)
    default: break
    }
  }

  /// Makes a node a standard operator with the same results.
  private mutating func become(
    _ id: NodeID, _ op: String, _ inputs: [ValueID?], _ attributes: [Attribute] = []
  ) {
    graph.update(id) { node in
      node.op = op
      node.domain = ""
      node.inputs = inputs
      node.attributes = attributes
    }
  }

  // MARK: Fused operators of ONNX Runtime (ContribOperators.md)

  private mutating func takeApartMatMul(_ id: NodeID, _ element: ElementType?) {
    let node = graph[id]
    let alpha = node.float("alpha") ?? 1
    guard !["transBatchA", "transBatchB"].contains(where: { node.int($0) ?? 0 != 0 }),
      alpha == 1 || element?.isHighPrecision == true
    else { return }
    var operands: [ValueID] = []
    let turns = ["transA", "transB"].map { node.int($0) ?? 0 != 0 }
    for (index, isTurned) in turns.enumerated() {
      guard let value = node.input(index) else { return }
      if isTurned, graph[value].type?.tensor?.shape == nil { return }
      operands.append(value)
    }
    for index in 0..<2 where turns[index] { operands[index] = turned(operands[index], before: id) }
    guard alpha != 1, let factor = put(alpha, as: element, of: id) else {
      return become(id, "MatMul", operands)
    }
    become(id, "Mul", [put("MatMul", operands, before: id), factor])
  }

  /// The last two axes exchanged.
  private mutating func turned(_ value: ValueID, before id: NodeID) -> ValueID {
    let rank = graph[value].type?.tensor?.shape?.count ?? 0
    guard rank > 1 else { return value }
    var axes = Array(0..<rank)
    axes.swapAt(rank - 1, rank - 2)
    if let weight = graph[value].weight, !weight.isOverridable {
      return constant(value, weight, [.transpose(axes)])
    }
    return put(
      "Transpose", [value], [Attribute("perm", .ints(axes.map { Int64($0) }))], before: id)
  }

  /// The parameters that an activation has.
  private static let parameters = [
    "LeakyRelu": ["alpha"], "Elu": ["alpha"], "ThresholdedRelu": ["alpha"],
    "HardSigmoid": ["alpha", "beta"], "Selu": ["alpha", "gamma"],
  ]

  private mutating func takeApartGemm(_ id: NodeID) {
    let node = graph[id]
    let own = node.attributes.filter { ["alpha", "beta", "transA", "transB"].contains($0.name) }
    let activation = node.string("activation") ?? ""
    guard !activation.isEmpty else { return become(id, "Gemm", node.inputs, own) }
    let sum = put("Gemm", node.inputs, own, before: id)
    let parameters = (PlainGraph.parameters[activation] ?? []).compactMap { name in
      node.float("activation_\(name)").map { Attribute(name, .float($0)) }
    }
    become(id, activation, [sum], parameters)
  }

  private mutating func takeApartConv(_ id: NodeID, _ element: ElementType?) {
    let node = graph[id]
    let own = node.attributes.filter { !$0.name.hasPrefix("activation") }
    let activation = node.string("activation") ?? ""
    var numbers: [Float] = []
    if case .floats(let given)? = node[attribute: "activation_params"] { numbers = given }
    if activation == "Clip" {
      guard numbers.count == 2, element?.isHighPrecision == true else { return }
    }
    let operands = Array(node.inputs.prefix(3))
    var value: ValueID?
    if let addend = node.input(3) {
      let sum = [put("Conv", operands, own, before: id), addend]
      guard !activation.isEmpty else { return become(id, "Add", sum) }
      value = put("Add", sum, before: id)
    } else {
      guard !activation.isEmpty else { return become(id, "Conv", operands, own) }
      value = put("Conv", operands, own, before: id)
    }
    guard activation == "Clip" else {
      let named = zip(["alpha", "beta", "gamma"], numbers).filter {
        (PlainGraph.parameters[activation] ?? []).contains($0.0)
      }
      return become(id, activation, [value], named.map { Attribute($0, .float($1)) })
    }
    let floored = put("Max", [value, put(numbers[0], as: element, of: id)], before: id)
    become(id, "Min", [floored, put(numbers[1], as: element, of: id)])
  }

  /// A product with packed weights, split into queries, keys and values.
  private mutating func takeApartPacked(_ id: NodeID) {
    let node = graph[id]
    guard let data = node.input(0), let weight = node.input(1), node.inputs.count <= 6,
      node.input(4) == nil, node.int("do_rotary") ?? 0 == 0,
      let sizes = graph[weight].weight?.type().sizes, sizes.count == 2, form.opset >= 13,
      node.input(3).map({ graph[$0].type?.tensor?.shape?.count == 2 }) ?? true
    else { return }
    let parts = node.ints("qkv_hidden_sizes") ?? [0, 0, 0].map { _ in sizes[1] / 3 }
    guard parts.count == 3, parts.allSatisfy({ $0 > 0 && $0 <= sizes[1] }),
      parts.reduce(0, &+) == sizes[1]
    else { return }
    var packed = put("MatMul", [data, weight], before: id)
    if let bias = node.input(2) { packed = put("Add", [packed, bias], before: id) }
    let split = graph.addNode(
      Node(
        name: graph.label(of: id), op: "Split", inputs: [packed, put(parts, of: id)], outputs: [],
        attributes: [Attribute("axis", .int(-1))]),
      results: (0..<3).map { (fresh("\(graph.label(of: id))/part\($0)"), nil) },
      before: id)
    var operands = graph[split].outputs + [nil, node.input(3), node.input(5)]
    while operands.last == .some(nil) { operands.removeLast() }
    let kept = ["num_heads", "scale", "unidirectional", "mask_filter_value"]
    graph.update(id) { node in
      node.op = "MultiHeadAttention"
      node.inputs = operands
      node.attributes.removeAll { !kept.contains($0.name) }
    }
  }
}

package import IR
package import Support

/// Writes operators that ONNX Runtime fused as the standard ones that they stand for.
///
/// So a model that went through its optimizer has the same modules as before. Before:
///
///     %y = "com.microsoft"::FusedMatMul(%q, %k) {alpha = 0.5, transB = 1} : f32[2, 4, 4]
///
/// After:
///
///     %k.transposed = Transpose(%k) {perm = [0, 2, 1]} : f32[2, 8, 4]
///     %y.product = MatMul(%q, %k.transposed) : f32[2, 4, 4]
///     %y = Mul(%y.product, @fp8c.number.0.5) : f32[2, 4, 4]
///
/// `FusedGemm` and `FusedConv` become `Gemm` and `Conv` with the activation behind them, the `Attention`
/// of `com.microsoft` a product with its packed weight and a `MultiHeadAttention`. What an operator
/// has beyond that (transposed batches, a rank that is not known, past keys) stays fused, with a remark.
package struct ExpandFused: Pass {
  package static let name = "expand-fused"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    guard model.opsets.version(of: FusedOperator.domain) != nil, let opset = model.opset else {
      return
    }
    model.graph.mapAll { graph in
      for id in graph.nodeIDs where graph[id].domain == FusedOperator.domain {
        guard let op = FusedOperator(rawValue: graph[id].op) else { continue }
        if let reason = op.expand(id, in: &graph, opset: opset) {
          context.remark(.staysFused(op.rawValue, reason, at: graph.location(of: id)))
        } else {
          context.count("expanded")
        }
      }
    }
  }
}

/// An operator of ONNX Runtime that holds others.
private enum FusedOperator: String {
  case matMul = "FusedMatMul"
  case gemm = "FusedGemm"
  case conv = "FusedConv"
  case attention = "Attention"

  static let domain = "com.microsoft"

  /// Replaces the node; gives the reason where it has to stay.
  func expand(_ id: NodeID, in graph: inout Graph, opset: Int64) -> String? {
    guard let result = graph[id].outputs.first ?? nil, graph[id].outputs.count == 1 else {
      return "it has more than one result"
    }
    let operands = Set(graph[id].inputs.compactMap { $0 }).sorted()
    var expansion = FusedExpansion(of: id, result: result, in: graph)
    let reason =
      switch self {
      case .matMul: expansion.expandMatMul()
      case .gemm: expansion.expandGemm()
      case .conv: expansion.expandConv()
      case .attention: expansion.expandAttention(opset: opset)
      }
    guard reason == nil else { return reason }
    graph = expansion.graph
    // A constant that is read transposed only.
    for value in operands
    where graph.contains(value) && graph[value].weight?.isOverridable == false
      && graph.useCount(of: value) == 0
    {
      let name = graph[value].name
      graph.removeValue(value)
      if let copy = graph.value(named: "\(name)\(Canonicalize.suffix)") {
        graph.rename(copy, to: name)
      }
    }
    return nil
  }
}

/// The nodes that take the place of one.
private struct FusedExpansion {
  private(set) var graph: Graph
  private let id: NodeID
  private let node: Node
  private let name: String
  private let type: TensorType?

  init(of id: NodeID, result: ValueID, in graph: Graph) {
    self.graph = graph
    self.id = id
    node = graph[id]
    name = graph[result].name
    type = graph[result].type?.tensor
  }

  mutating func expandMatMul() -> String? {
    guard node.int("transBatchA") ?? 0 == 0, node.int("transBatchB") ?? 0 == 0 else {
      return "it transposes batches"
    }
    guard var first = node.input(0), var second = node.input(1) else {
      return "an operand is missing"
    }
    if node.int("transA") ?? 0 != 0 {
      guard let turned = transposed(first) else { return "the rank of its operand is not known" }
      first = turned
    }
    if node.int("transB") ?? 0 != 0 {
      guard let turned = transposed(second) else { return "the rank of its operand is not known" }
      second = turned
    }
    let alpha = node.float("alpha") ?? 1
    guard alpha != 1 else {
      become("MatMul", [first, second], [])
      return nil
    }
    guard let element = type?.element, let factor = number(alpha, element) else {
      return "the type of its result is not known"
    }
    let product = add("MatMul", [first, second], "product", keepsName: true)
    become("Mul", [product, factor], [])
    return nil
  }

  mutating func expandGemm() -> String? {
    let kept = ["alpha", "beta", "transA", "transB"]
    let attributes = node.attributes.filter { kept.contains($0.name) }
    guard let activation = node.string("activation"), !activation.isEmpty else {
      become("Gemm", node.inputs, attributes)
      return nil
    }
    let product = add("Gemm", node.inputs, "product", attributes, keepsName: true)
    become(
      activation, [product],
      [("alpha", "activation_alpha"), ("beta", "activation_beta"), ("gamma", "activation_gamma")]
        .compactMap { to, from in
          node.float(from).flatMap { takes(activation, to) ? Attribute(to, .float($0)) : nil }
        })
    return nil
  }

  mutating func expandConv() -> String? {
    let attributes = node.attributes.filter {
      $0.name != "activation" && $0.name != "activation_params"
    }
    let activation = node.string("activation") ?? ""
    let operands = Array(node.inputs.prefix(3))
    let addend = node.input(3)
    if activation.isEmpty && addend == nil {
      become("Conv", operands, attributes)
      return nil
    }
    var parameters: [Float] = []
    if case .floats(let floats)? = node[attribute: "activation_params"] { parameters = floats }
    guard activation != "Clip" || parameters.count == 2 else {
      return "its activation has other parameters than Clip takes"
    }
    var value = add("Conv", operands, "convolved", attributes, keepsName: true)
    if let addend {
      guard !activation.isEmpty else {
        become("Add", [value, addend], [])
        return nil
      }
      value = add("Add", [value, addend], "sum")
    }
    if activation == "Clip" {
      guard let element = type?.element, let low = number(parameters[0], element),
        let high = number(parameters[1], element)
      else { return "the type of its result is not known" }
      become("Min", [add("Max", [value, low], "floored"), high], [])
      return nil
    }
    become(
      activation, [value],
      zip(["alpha", "beta", "gamma"], parameters).compactMap { name, number in
        takes(activation, name) ? Attribute(name, .float(number)) : nil
      })
    return nil
  }

  /// The packed product, its bias, and the three parts of its result as operands.
  mutating func expandAttention(opset: Int64) -> String? {
    guard opset >= 13 else { return "opset \(opset) has another 'Split'" }
    guard let input = node.input(0), let weight = node.input(1) else {
      return "an operand is missing"
    }
    guard let sizes = graph[weight].weight?.type().sizes, sizes.count == 2 else {
      return "its weight is no constant matrix"
    }
    guard node.inputs.dropFirst(4).prefix(1).allSatisfy({ $0 == nil }), node.inputs.count <= 6
    else {
      return "it has past keys and values"
    }
    let rank = node.input(3).map { graph[$0].type?.tensor?.shape?.count ?? 0 }
    guard rank == nil || rank == 2 else { return "its mask is not one row for each entry" }
    guard node.int("do_rotary") ?? 0 == 0 else { return "it rotates queries and keys" }
    let parts = node.ints("qkv_hidden_sizes") ?? [Int64](repeating: sizes[1] / 3, count: 3)
    guard parts.count == 3, parts.reduce(0, { $0 &+ $1 }) == sizes[1], parts.allSatisfy({ $0 > 0 })
    else { return "the sizes of query, key and value do not add up to the weight's" }
    var product = add("MatMul", [input, weight], "qkv", keepsName: true, isPacked: true)
    if let bias = node.input(2) {
      product = add("Add", [product, bias], "qkv.biased", isPacked: true)
    }
    let split = graph.addWeight(
      graph.freshName("\(name).sizes"), Weight(parts, sizes: [3]))
    let pieces = graph.addNode(
      Node(
        op: "Split", inputs: [product, split], outputs: [],
        attributes: [Attribute("axis", .int(-1))], origin: node.origin),
      results: ["query", "key", "value"].map {
        (graph.freshName("\(name).\($0)"), type.map { .tensor(TensorType($0.element, nil)) })
      }, before: id)
    var operands = graph[pieces].outputs
    operands += [nil, node.input(3), node.input(5)]
    while operands.last == .some(nil) { operands.removeLast() }
    let kept = ["num_heads", "scale", "unidirectional", "mask_filter_value"]
    let attributes = node.attributes.filter { kept.contains($0.name) }
    graph.update(id) { node in
      node.op = "MultiHeadAttention"
      node.inputs = operands
      node.attributes = attributes
    }
    return nil
  }

  // MARK: Building

  /// The node itself, with its name and results, as a standard operator.
  private mutating func become(_ op: String, _ inputs: [ValueID?], _ attributes: [Attribute]) {
    graph.update(id) { node in
      node.op = op
      node.domain = ""
      node.inputs = inputs
      node.attributes = attributes
    }
  }

  /// A node in front; with `keepsName` it is called as the fused one was, whose module it makes up.
  ///
  /// It has the type of the fused result, without its shape where query, key and value are packed.
  private mutating func add(
    _ op: String, _ inputs: [ValueID?], _ suffix: String, _ attributes: [Attribute] = [],
    keepsName: Bool = false, isPacked: Bool = false
  ) -> ValueID {
    var part = Node(
      op: op, inputs: inputs, outputs: [], attributes: attributes, origin: node.origin)
    if keepsName {
      part.name = node.name
      part.annotations = node.annotations
      graph.update(id) {
        $0.name = ""
        $0.annotations = Annotations()
      }
    }
    return graph.addNode(
      part, result: "\(name).\(suffix)",
      type: type.map { .tensor(isPacked ? TensorType($0.element, nil) : $0) }, before: id)
  }

  /// The two last axes exchanged; of a constant, in its recipe.
  private mutating func transposed(_ value: ValueID) -> ValueID? {
    guard let tensor = graph[value].type?.tensor, let shape = tensor.shape else { return nil }
    guard shape.count >= 2 else { return value }
    var axes = Array(shape.indices)
    axes.swapAt(shape.count - 2, shape.count - 1)
    if var weight = graph[value].weight, !weight.isOverridable {
      weight.recipe.append(.transpose(axes))
      let name = "\(graph[value].name)\(Canonicalize.suffix)"
      if let known = graph.value(named: name), graph[known].weight == weight { return known }
      return graph.addWeight(
        graph.freshName(name), weight, annotations: graph[value].annotations)
    }
    return graph.addNode(
      Node(
        op: "Transpose", inputs: [value], outputs: [],
        attributes: [Attribute("perm", .ints(axes.map(Int64.init)))], origin: node.origin),
      result: "\(graph[value].name).transposed",
      type: .tensor(TensorType(tensor.element, axes.map { shape[$0] })), before: id)
  }

  /// A scalar of the type that the result has.
  private mutating func number(_ value: Float, _ element: ElementType) -> ValueID? {
    let wide = graph.sharedScalar("fp8c.number.\(value)", value)
    guard element != .float32 else { return wide }
    guard element.isHighPrecision else { return nil }
    return graph.addNode(
      Node(
        op: "Cast", inputs: [wide], outputs: [],
        attributes: [Attribute("to", .int(Int64(element.rawValue)))], origin: node.origin),
      result: "\(graph[wide].name).\(element.spelling)",
      type: .tensor(TensorType(element, [])), before: id)
  }

  /// Whether an activation has a parameter (the operators of ONNX that `FusedConv` and `FusedGemm` name).
  private func takes(_ activation: String, _ parameter: String) -> Bool {
    switch activation {
    case "LeakyRelu", "Elu", "ThresholdedRelu": parameter == "alpha"
    case "HardSigmoid": parameter == "alpha" || parameter == "beta"
    case "Selu": parameter == "alpha" || parameter == "gamma"
    default: false
    }
  }
}

internal import IR

/// What an attention computes, read off the operators that a module has.
struct AttentionPlan {
  /// How the axes of an operand stand.
  enum Layout: Equatable {
    /// [batch, heads, rows, depth].
    case headsFirst
    /// [batch, rows, heads, depth].
    case rowsFirst
    /// [batch, rows, heads · depth].
    case merged(heads: Int64)
  }

  enum Mask: Equatable {
    case none
    /// Added to the scores.
    case additive(ValueID)
    /// Scores stay where the condition says, and are `fill` elsewhere.
    case chosen(condition: ValueID, keepsWhereTrue: Bool, fill: Float)
  }

  private(set) var query = Layout.headsFirst
  private(set) var key = Layout.headsFirst
  private(set) var value = Layout.headsFirst
  private(set) var mergesHeads = false
  private(set) var mask = Mask.none
  private(set) var isCausal = false
  /// What the products of queries and keys are multiplied by.
  private(set) var scale: Float = 1
  /// Where the scores are bent to stay below; zero where they are not.
  private(set) var softcap: Float = 0

  /// `nil` where the module does something that has no place here.
  init?(of module: QuantizedModule, in graph: Graph) {
    guard let last = module.nodes.last else { return nil }
    let node = graph[last]
    if node.isStandard("Attention") {
      guard readOperator(node, in: graph) else { return nil }
    } else if node.isStandard("MatMul") {
      guard readChain(module, in: graph) else { return nil }
    } else {
      return nil
    }
    guard scale.isFinite, softcap.isFinite else { return nil }
  }

  /// Of ONNX's operator alone; `nil` where it does something that has no place here.
  init?(ofOperator node: Node, in graph: Graph) {
    guard readOperator(node, in: graph), scale.isFinite, softcap.isFinite else { return nil }
  }

  // MARK: The operator of ONNX

  /// `Attention` of opset 23 and later, without past keys and values, windows or further results.
  private mutating func readOperator(_ node: Node, in graph: Graph) -> Bool {
    let further = node.inputs.dropFirst(4) + node.outputs.dropFirst()
    let windows = ["left_window_size", "right_window_size"]
    guard further.allSatisfy({ $0 == nil }),
      windows.allSatisfy({ node.int($0) ?? -1 == -1 }),
      let operand = node.input(0), let keys = node.input(1),
      let shape = graph[operand].type?.tensor?.shape, let depth = shape.last?.size
    else { return false }
    var size = depth
    switch shape.count {
    case 4: break
    case 3:
      guard let heads = node.int("q_num_heads"), let groups = node.int("kv_num_heads"), heads > 0,
        groups > 0, depth % heads == 0
      else { return false }
      (query, key, value) = (.merged(heads: heads), .merged(heads: groups), .merged(heads: groups))
      mergesHeads = true
      size = depth / heads
    default: return false
    }
    guard graph[keys].type?.tensor?.shape.map({ $0.count == shape.count }) ?? true, size > 0 else {
      return false
    }
    scale = node.float("scale") ?? 1 / Float(size).squareRoot()
    softcap = node.float("softcap") ?? 0
    isCausal = node.int("is_causal") == 1
    guard let given = node.input(3) else { return true }
    switch graph[given].type?.element {
    case .bool?: mask = .chosen(condition: given, keepsWhereTrue: true, fill: -.infinity)
    case .some(let element) where element.isHighPrecision: mask = .additive(given)
    default: return false
    }
    return true
  }

  // MARK: A chain of operators

  /// From the last product back over the softmax to the product of queries and keys.
  private mutating func readChain(_ module: QuantizedModule, in graph: Graph) -> Bool {
    let nodes = Set(module.nodes)
    func inner(_ value: ValueID?) -> Node? {
      value.flatMap { graph.producer(of: $0) }.flatMap { nodes.contains($0) ? graph[$0] : nil }
    }
    guard let softmax = module.nodes.map({ graph[$0] }).first(where: { $0.isStandard("Softmax") }),
      softmax.int("axis") ?? -1 == -1 || softmax.int("axis") == 3
    else { return false }
    var current = softmax.input(0)
    while let node = inner(current), node.op != "MatMul" {
      let operands = node.inputs.compactMap { $0 }
      let known = operands.first { inner($0) != nil }
      switch node.op {
      case "Cast": current = node.input(0)
      case "Mul", "Div":
        guard let number = constant(of: node, in: graph) else { return false }
        if let known, inner(known)?.op == "Tanh" {
          guard node.op == "Mul" else { return false }
          softcap = number
        } else {
          scale = node.op == "Mul" ? scale * number : scale / number
        }
        current = known
      case "Tanh":
        // The scores were divided by the cap just before, which the capping itself does again.
        current = node.input(0)
        scale *= softcap
      case "Add":
        guard let known, let other = operands.first(where: { $0 != known }) else { return false }
        mask = .additive(other)
        current = known
      case "Where":
        guard let condition = node.input(0), let yes = node.input(1), let no = node.input(2)
        else { return false }
        let keeps = inner(yes) != nil
        guard let fill = graph[keeps ? no : yes].weight?.number else { return false }
        mask = .chosen(condition: condition, keepsWhereTrue: keeps, fill: fill)
        current = keeps ? yes : no
      default: return false
      }
    }
    guard let product = inner(current) else { return false }
    return readQuery(product, module, in: graph, inner)
      && readKey(product, module, in: graph, inner)
  }

  private mutating func readQuery(
    _ product: Node, _ module: QuantizedModule, in graph: Graph, _ inner: (ValueID?) -> Node?
  ) -> Bool {
    var current = product.input(0)
    while current != module.port("query")?.value {
      guard let node = inner(current), let number = constant(of: node, in: graph) else {
        return false
      }
      scale = node.op == "Mul" ? scale * number : scale / number
      current = node.inputs.compactMap { $0 }.first { graph[$0].weight == nil }
    }
    return true
  }

  private mutating func readKey(
    _ product: Node, _ module: QuantizedModule, in graph: Graph, _ inner: (ValueID?) -> Node?
  ) -> Bool {
    var current = product.input(1)
    var isKnown = false
    while current != module.port("key")?.value {
      guard let node = inner(current) else { return false }
      switch node.op {
      case "Mul", "Div":
        guard let number = constant(of: node, in: graph) else { return false }
        scale = node.op == "Mul" ? scale * number : scale / number
        current = node.inputs.compactMap { $0 }.first { graph[$0].weight == nil }
      case "Transpose":
        switch node.ints("perm") {
        case [0, 1, 3, 2]?: isKnown = true
        case [0, 2, 3, 1]?:
          isKnown = true
          key = .rowsFirst
        default: break
        }
        current = node.input(0)
      case "Reshape":
        // Heads are merged into the batch for the exchange of rows and columns, and split again.
        current = node.input(0)
        if let value = current, value == module.port("key")?.value {
          isKnown = graph[value].type?.tensor?.shape?.count == 4
        }
      default: return false
      }
    }
    return isKnown
  }

  /// The number that a multiplication or division has for an operand.
  private func constant(of node: Node, in graph: Graph) -> Float? {
    guard node.op == "Mul" || node.op == "Div" else { return nil }
    let operands = node.op == "Mul" ? node.inputs : [node.input(1)]
    return operands.compactMap { $0 }.compactMap { graph[$0].weight?.number }.first
  }
}

package import IR
package import Support
internal import Targets

/// Finds the parts of the graph that run in FP8 and annotates them.
///
/// Before:
///
///     weight @fc.weight: f32[64, 10]
///     %h = MatMul(%x, @fc.weight) : f32[4, 10]
///     %y = Add(%h, @fc.bias) : f32[4, 10]
///
/// After, the same nodes and
///
///     module linear "fc" Linear by weight-name
///       (input: activation %x, weight: weight @fc.weight axis 1, bias: unquantized @fc.bias) = %h, %y
///
/// What is left is noted with the reason in `context.left`. Modules that stand already are kept, so a
/// second run changes nothing. Only the main graph is searched.
package struct SelectModules: Pass {
  package static let name = "select-modules"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var finder = ModuleFinder(graph: model.graph, context: context)
    finder.run()
    for module in finder.found { model.graph.addModule(module) }
    context.left = finder.left
    context.count("modules", by: finder.found.count)
  }
}

/// A node that could have been a module and is not.
package struct LeftNode: Equatable, Sendable {
  package let node: String
  package let kind: String
  package let type: String
  package let path: String
  package let reason: String
}

/// One search over a graph.
private struct ModuleFinder {
  let graph: Graph
  let context: PassContext
  private(set) var found: [QuantizedModule] = []
  private(set) var left: [LeftNode] = []
  private var paths: [String: Int] = [:]
  private var taken: Set<NodeID> = []
  private var counts: [String: Int] = [:]

  init(graph: Graph, context: PassContext) {
    self.graph = graph
    self.context = context
    for module in graph.modules {
      taken.formUnion(module.nodes)
      paths[module.path] = 1
    }
  }

  mutating func run() {
    for id in graph.nodeIDs where !taken.contains(id) {
      let node = graph[id]
      guard node.domain.isEmpty else { continue }
      switch node.op {
      case "MatMul": product(id, node, gemm: false)
      case "Gemm": product(id, node, gemm: true)
      case "Conv": convolution(id, node)
      default: continue
      }
    }
  }

  // MARK: Products

  private mutating func product(_ id: NodeID, _ node: Node, gemm: Bool) {
    guard let first = node.input(0), let second = node.input(1) else { return }
    let index = nextIndex(of: node.op)
    switch (graph[first].weight, graph[second].weight) {
    case (nil, nil):
      matmul(id, node, first, second, index: index)
    case (.some, .some):
      leave(id, node, "linear", "both operands are constants", index: index)
    case (nil, let weight?):
      let axis = gemm && node.int("transB") ?? 0 != 0 ? 0 : 1
      linear(
        id, node, input: first, weight: second, weight, axis: axis, isRight: true, index: index)
    case (let weight?, nil):
      let axis = gemm && node.int("transA") ?? 0 != 0 ? 1 : 0
      linear(
        id, node, input: second, weight: first, weight, axis: axis, isRight: false, index: index)
    }
  }

  private mutating func linear(
    _ id: NodeID, _ node: Node, input: ValueID, weight value: ValueID, _ weight: Weight, axis: Int,
    isRight: Bool, index: Int
  ) {
    let name = graph[value].name
    let scope = ModuleScope.ofWeighted(node, weight: name) { isClass($0, of: "linear") }
    let module = identity(node, scope, kind: "linear", suffix: "", index: index)
    if let reason = unusable(weight, rank: 2, of: name) {
      note(module, node, reason)
      return
    }
    if let reason = context.settings.selection.reason(against: module.type, path: module.path) {
      note(module, node, reason)
      return
    }
    var nodes = [id]
    var ports = [
      Port("input", .activation, input), Port("weight", .weight, value, channelAxis: axis),
    ]
    if node.op == "Gemm" {
      if let bias = node.input(2) { ports.append(Port("bias", .unquantized, bias)) }
    } else if isRight, let (sum, bias) = biasSum(of: node) {
      nodes.append(sum)
      ports.append(Port("bias", .unquantized, bias))
    }
    add(module, ports, nodes)
  }

  /// The one `Add` of a constant vector that reads the product, in either order of operands.
  private func biasSum(of node: Node) -> (sum: NodeID, bias: ValueID)? {
    guard let product = node.outputs.first ?? nil, graph.useCount(of: product) == 1,
      !graph.isOutput(product), let user = graph.users(of: product).first,
      graph[user].isStandard("Add"), let left = graph[user].input(0),
      let right = graph[user].input(1)
    else { return nil }
    let bias = left == product ? right : left
    guard let shape = graph[bias].weight?.type().shape, shape.count == 1 else { return nil }
    return (user, bias)
  }

  private mutating func matmul(
    _ id: NodeID, _ node: Node, _ first: ValueID, _ second: ValueID, index: Int
  ) {
    let scope = ModuleScope.ofUnweighted(node)
    let side = attentionSide(node, first, second)
    let isNamed = scope.map(hasMatmulName) ?? false
    let suffix =
      switch side {
      case .scores?: "matmul_qk"
      case .values?: "matmul_av"
      case nil: ""
      }
    let module = identity(node, scope, kind: "matmul", suffix: isNamed ? "" : suffix, index: index)
    guard side != nil || isNamed || context.settings.selection.names(module.path) else {
      note(module, node, "no softmax beside it and no scope of a matmul")
      return
    }
    if let reason = context.settings.selection.reason(against: module.type, path: module.path) {
      note(module, node, reason)
      return
    }
    guard element(of: first)?.isHighPrecision ?? true, element(of: second)?.isHighPrecision ?? true
    else {
      note(module, node, "its operands are not float32, float16 or bfloat16")
      return
    }
    add(
      module,
      [Port("input", .activation, first), Port("other", .activation, second)], [id])
  }

  private enum AttentionSide {
    case scores
    case values
  }

  /// Whether a softmax reads the product or makes an operand.
  private func attentionSide(
    _ node: Node, _ first: ValueID, _ second: ValueID
  ) -> AttentionSide? {
    if comesFromSoftmax(first) || comesFromSoftmax(second) { return .values }
    if let result = node.outputs.first ?? nil, reachesSoftmax(result) { return .scores }
    return nil
  }

  private func comesFromSoftmax(_ value: ValueID) -> Bool {
    var current = value
    for _ in 0..<8 {
      guard let producer = graph.producer(of: current) else { return false }
      let node = graph[producer]
      if node.isStandard("Softmax") { return true }
      guard node.domain.isEmpty else { return false }
      switch node.op {
      case "Cast", "Dropout", "Identity", "Reshape", "Transpose":
        guard let next = node.input(0) else { return false }
        current = next
      case "Where":
        guard let yes = node.input(1), let no = node.input(2) else { return false }
        current = graph[yes].weight == nil ? yes : no
      default: return false
      }
    }
    return false
  }

  /// Follows scaling, masking and casting of scores; bounded, so the search stays linear.
  private func reachesSoftmax(_ value: ValueID) -> Bool {
    var pending = [value]
    var visited = 0
    while let current = pending.popLast(), visited < 24 {
      visited += 1
      for user in graph.users(of: current).prefix(4) {
        let node = graph[user]
        guard node.domain.isEmpty else { continue }
        switch node.op {
        case "Softmax": return true
        case "Mul", "Div", "Add", "Sub", "Where", "Cast", "Identity", "Reshape", "Tanh", "Max",
          "Min", "Clip":
          pending += node.outputs.prefix(1).compactMap { $0 }
        default: continue
        }
      }
    }
    return false
  }

  private func hasMatmulName(_ scope: ModuleScope) -> Bool {
    if let type = scope.type, context.settings.modules.kind(of: type) == "matmul" { return true }
    let last = scope.path.split(separator: ".").last.map(String.init) ?? ""
    return last == "matmul" || last == "bmm" || last == "qk" || last == "av"
      || last.hasPrefix("matmul_")
  }

  // MARK: Convolutions

  private mutating func convolution(_ id: NodeID, _ node: Node) {
    guard let input = node.input(0), let value = node.input(1) else { return }
    let index = nextIndex(of: node.op)
    let name = graph[value].name
    let scope = ModuleScope.ofWeighted(node, weight: name) { isClass($0, of: "conv2d") }
    let module = identity(node, scope, kind: "conv2d", suffix: "", index: index)
    guard let weight = graph[value].weight else {
      note(module, node, "the weight '\(name)' is not a constant")
      return
    }
    guard graph[input].weight == nil else {
      note(module, node, "both operands are constants")
      return
    }
    if let reason = unusable(weight, rank: 4, of: name) {
      note(module, node, reason)
      return
    }
    if let reason = context.settings.selection.reason(against: module.type, path: module.path) {
      note(module, node, reason)
      return
    }
    var ports = [
      Port("input", .activation, input), Port("weight", .weight, value, channelAxis: 0),
    ]
    if let bias = node.input(2) { ports.append(Port("bias", .unquantized, bias)) }
    add(module, ports, [id])
  }

  // MARK: Common

  private func element(of value: ValueID) -> ElementType? { graph[value].type?.element }

  /// Why a constant cannot be an FP8 weight of this rank.
  private func unusable(_ weight: Weight, rank: Int, of name: String) -> String? {
    if weight.isOverridable {
      return "the weight '\(name)' is a graph input that a caller may replace"
    }
    let type = weight.type()
    guard type.element.isHighPrecision else {
      return "the weight '\(name)' is \(type.element.spelling), expected f32, f16 or bf16"
    }
    guard let shape = type.sizes, shape.count == rank else {
      return "the weight '\(name)' has rank \(type.shape?.count ?? 0), expected \(rank)"
    }
    return shape.contains(0) ? "the weight '\(name)' is empty" : nil
  }

  private func isClass(_ type: String, of kind: String) -> Bool {
    context.settings.modules.kind(of: type) == kind
  }

  private mutating func nextIndex(of op: String) -> Int {
    let index = counts[op, default: 0]
    counts[op] = index + 1
    return index
  }

  private struct Identity {
    var kind: String
    var type: String
    var path: String
    var evidence: QuantizedModule.Evidence
  }

  private func identity(
    _ node: Node, _ scope: ModuleScope?, kind: String, suffix: String, index: Int
  ) -> Identity {
    let modules = context.settings.modules
    let type = scope?.type.flatMap { isClass($0, of: kind) ? modules.canonicalType($0) : nil }
    var path = scope?.path
    var evidence = scope?.evidence ?? .nodeName
    if path == nil, !node.name.isEmpty { path = node.name }
    if path == nil { evidence = .index }
    var full = path ?? "\(node.op)_\(index)"
    if !suffix.isEmpty { full += ".\(suffix)" }
    return Identity(
      kind: kind, type: type ?? modules.defaultType(of: kind), path: full,
      evidence: evidence)
  }

  private mutating func add(_ identity: Identity, _ ports: [Port], _ nodes: [NodeID]) {
    guard let last = nodes.last, let result = graph[last].outputs.first ?? nil else { return }
    let count = paths[identity.path, default: 0] + 1
    paths[identity.path] = count
    let path = count == 1 ? identity.path : "\(identity.path)#\(count)"
    found.append(
      QuantizedModule(
        kind: identity.kind, type: identity.type, path: path, evidence: identity.evidence,
        ports: ports, nodes: nodes, result: result))
    taken.formUnion(nodes)
  }

  private mutating func leave(
    _ id: NodeID, _ node: Node, _ kind: String, _ reason: String, index: Int
  ) {
    let scope = ModuleScope.ofUnweighted(node)
    note(identity(node, scope, kind: kind, suffix: "", index: index), node, reason)
  }

  private mutating func note(_ identity: Identity, _ node: Node, _ reason: String) {
    let label = node.name.isEmpty ? (node.outputs.first ?? nil).map { graph[$0].name } : node.name
    left.append(
      LeftNode(
        node: label ?? node.op, kind: identity.kind, type: identity.type, path: identity.path,
        reason: reason))
  }
}

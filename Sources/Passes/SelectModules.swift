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
    warnOfIdleSelectors(model.graph, &context)
    context.count("modules", by: finder.found.count)
  }
}

extension SelectModules {
  /// A selector that matches nothing is a warning that names what comes nearest.
  private func warnOfIdleSelectors(_ graph: Graph, _ context: inout PassContext) {
    let selection = context.settings.selection
    let paths = graph.modules.map(\.path) + context.left.map(\.path)
    let types = graph.modules.map(\.type) + context.left.map(\.type)
    for pattern in selection.allowedNames + selection.blockedNames
    where !paths.contains(where: { pattern.matches($0) }) {
      context.warn(.idleSelector(pattern.source, near: nearest(to: pattern.source, among: paths)))
    }
    for type in selection.allowedTypes + selection.blockedTypes where !types.contains(type) {
      context.warn(.idleSelector(type, near: nearest(to: type, among: types)))
    }
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

/// One search over a graph, from the results to the operands: the longest spelling comes first.
private struct ModuleFinder {
  let graph: Graph
  let context: PassContext
  private(set) var found: [QuantizedModule] = []
  /// What was left and where it stands among the graph's nodes.
  private var notes: [(place: Int, node: LeftNode)] = []
  private var paths: Set<String> = []
  private var taken: Set<NodeID> = []
  /// Which `MatMul`, `Gemm` or `Conv` a node is, counted from the graph's beginning.
  private var indices: [NodeID: Int] = [:]
  /// Where a node stands in the graph.
  private var places: [NodeID: Int] = [:]

  /// In the order of the graph.
  var left: [LeftNode] { notes.sorted { $0.place < $1.place }.map(\.node) }

  init(graph: Graph, context: PassContext) {
    self.graph = graph
    self.context = context
    for module in graph.modules {
      taken.formUnion(module.nodes)
      paths.insert(module.path)
    }
    var counts: [String: Int] = [:]
    for (place, id) in graph.nodeIDs.enumerated() where graph[id].domain.isEmpty {
      places[id] = place
      indices[id] = counts[graph[id].op, default: 0]
      counts[graph[id].op, default: 0] += 1
    }
  }

  mutating func run() {
    var matches: [(spelling: Spellings, match: Match)] = []
    for id in graph.nodeIDs.reversed() where !taken.contains(id) {
      let node = graph[id]
      guard node.domain.isEmpty, let result = node.outputs.first ?? nil else { continue }
      let spellings: [Spellings] =
        switch node.op {
        case "Add": [.linear]
        case "MatMul", "Gemm": [.linear, .matmul]
        case "Conv": [.conv2d]
        default: []
        }
      for spelling in spellings {
        guard let match = try? spelling.match(at: result, in: graph),
          taken.isDisjoint(with: match.nodes)
        else { continue }
        matches.append((spelling, match))
        taken.formUnion(match.nodes)
        break
      }
      if node.op != "Add", !taken.contains(id), let spelling = spellings.first {
        leave(id, node, spelling)
      }
    }
    for (spelling, match) in matches.reversed() { take(match, spelling.kind) }
  }

  /// Turns what a spelling matched into a module, or notes why it is none.
  private mutating func take(_ match: Match, _ kind: String) {
    guard let id = match.nodes.first else { return }
    let node = graph[id]
    if kind == "matmul" {
      takeMatmul(match, id, node)
      return
    }
    guard let binding = match["weight"], let weight = graph[binding.value].weight else { return }
    let name = graph[binding.value].name
    let scope = ModuleScope.ofWeighted(node, weight: name) { isClass($0, of: kind) }
    let module = identity(id, node, scope, kind: kind, suffix: "")
    if let reason = unusable(weight, of: name)
      ?? context.settings.selection.reason(against: module.type, path: module.path)
    {
      note(module, id, reason)
      return
    }
    add(module, match)
  }

  /// Notes why a product or a convolution has no spelling: the mismatch that came farthest.
  private mutating func leave(_ id: NodeID, _ node: Node, _ spelling: Spellings) {
    guard let result = node.outputs.first ?? nil else { return }
    let module = identity(
      id, node, ModuleScope.ofUnweighted(node), kind: spelling.kind, suffix: "")
    do throws(Mismatch) {
      _ = try spelling.match(at: result, in: graph)
    } catch {
      note(module, id, "'\(graph[error.value].name)' \(error.reason)")
    }
  }

  // MARK: Products of activations

  private mutating func takeMatmul(_ match: Match, _ id: NodeID, _ node: Node) {
    guard let first = match["input"]?.value, let second = match["other"]?.value else { return }
    let scope = ModuleScope.ofUnweighted(node)
    let side = attentionSide(node, first, second)
    let isNamed = scope.map(hasMatmulName) ?? false
    let suffix =
      switch side {
      case .scores?: "matmul_qk"
      case .values?: "matmul_av"
      case nil: ""
      }
    let module = identity(id, node, scope, kind: "matmul", suffix: isNamed ? "" : suffix)
    for operand in [first, second] where isQuantizedWeight(operand) {
      note(module, id, "'\(graph[operand].name)' is a weight that is quantized already")
      return
    }
    guard side != nil || isNamed || context.settings.selection.names(module.path) else {
      note(module, id, "no softmax beside it and no scope of a matmul")
      return
    }
    if let reason = context.settings.selection.reason(against: module.type, path: module.path) {
      note(module, id, reason)
      return
    }
    guard element(of: first)?.isHighPrecision ?? true, element(of: second)?.isHighPrecision ?? true
    else {
      note(module, id, "its operands are not float32, float16 or bfloat16")
      return
    }
    add(module, match)
  }

  /// True for a weight read through `DequantizeLinear`, whatever moves its elements on the way.
  private func isQuantizedWeight(_ value: ValueID) -> Bool {
    var current = value
    for _ in 0..<8 {
      guard let producer = graph.producer(of: current), graph[producer].domain.isEmpty,
        let operand = graph[producer].input(0)
      else { return false }
      switch graph[producer].op {
      case "DequantizeLinear": return graph[operand].weight != nil
      case "Transpose", "Reshape", "Cast", "Identity": current = operand
      default: return false
      }
    }
    return false
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

  // MARK: Common

  private func element(of value: ValueID) -> ElementType? { graph[value].type?.element }

  /// Why a constant that a spelling matched cannot be an FP8 weight.
  private func unusable(_ weight: Weight, of name: String) -> String? {
    let type = weight.type()
    guard type.element.isHighPrecision else {
      return "the weight '\(name)' is \(type.element.spelling), expected f32, f16 or bf16"
    }
    return type.elementCount == 0 ? "the weight '\(name)' is empty" : nil
  }

  private func isClass(_ type: String, of kind: String) -> Bool {
    context.settings.modules.kind(of: type) == kind
  }

  private struct Identity {
    var kind: String
    var type: String
    var path: String
    var evidence: QuantizedModule.Evidence
  }

  private func identity(
    _ id: NodeID, _ node: Node, _ scope: ModuleScope?, kind: String, suffix: String
  ) -> Identity {
    let modules = context.settings.modules
    let type = scope?.type.flatMap { isClass($0, of: kind) ? modules.canonicalType($0) : nil }
    var path = scope?.path
    var evidence = scope?.evidence ?? .nodeName
    if path == nil, !node.name.isEmpty { path = node.name }
    if path == nil { evidence = .index }
    var full = path ?? "\(node.op)_\(indices[id] ?? 0)"
    if !suffix.isEmpty { full += ".\(suffix)" }
    return Identity(
      kind: kind, type: type ?? modules.defaultType(of: kind), path: full,
      evidence: evidence)
  }

  private mutating func add(_ identity: Identity, _ match: Match) {
    var path = identity.path
    var count = 1
    while !paths.insert(path).inserted {
      count += 1
      path = "\(identity.path)#\(count)"
    }
    let kind = context.settings.modules.kind(named: identity.kind)
    let measuresOutputs = context.settings.measuresOutputs
    let ports = (kind?.ports ?? []).compactMap { port -> Port? in
      if port.role == .output {
        return measuresOutputs ? Port(port.name, port.role, match.result) : nil
      }
      return match[port.name].map { binding in
        Port(
          port.name, port.role, binding.value, channelAxis: channelAxis(of: binding, match))
      }
    }
    found.append(
      QuantizedModule(
        kind: identity.kind, type: identity.type, path: path, evidence: identity.evidence,
        ports: ports, nodes: match.nodes, result: match.result))
  }

  /// The axis that the spelling says.
  ///
  /// A matrix in front of a vector has its channels along the result's last axis, in front of anything
  /// else along the last but one. Where the rank of the other operand is not known to be two at least,
  /// there is no one axis for the factors of the channels.
  private func channelAxis(of binding: Match.Binding, _ match: Match) -> Int? {
    guard let axis = binding.channelAxis, let id = match.nodes.first,
      graph[id].isStandard("MatMul"), graph[id].input(0) == binding.value
    else { return binding.channelAxis }
    let rank = graph[id].input(1).flatMap { graph[$0].type?.tensor?.shape?.count } ?? 0
    return rank >= 2 ? axis : nil
  }

  private mutating func note(_ identity: Identity, _ id: NodeID, _ reason: String) {
    let node = graph[id]
    let label = node.name.isEmpty ? (node.outputs.first ?? nil).map { graph[$0].name } : node.name
    notes.append(
      (
        places[id] ?? 0,
        LeftNode(
          node: label ?? node.op, kind: identity.kind, type: identity.type, path: identity.path,
          reason: reason)
      ))
  }
}

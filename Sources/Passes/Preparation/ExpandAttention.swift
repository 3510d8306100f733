package import IR
package import Support
internal import Targets

/// Writes attention operators as their parts, where the allowlist asks for those and not for the whole.
///
/// INC has two readings of attention: two products and a softmax, or one fused module. Modules of the
/// first are found between the parts. Before:
///
///     %y = Attention(%q, %k, %v) : f32[1, 2, 4, 8]
///
/// After, as exporters write it below opset 23:
///
///     %qs = Mul(%q, @root)
///     %ks = Mul(Transpose(%k), @root)
///     %y = MatMul(Softmax(MatMul(%qs, %ks)), %v)
///
/// The default allowlist has both readings, and takes the parts. What the target's attention could not
/// express stays an operator too: past keys and values inside, sizes that are not known.
package struct ExpandAttention: Pass {
  package static let name = "expand-attention"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    let modules = context.settings.modules
    let whole = modules.defaultType(of: "fused_sdpa")
    let part = modules.defaultType(of: "matmul")
    let selection = context.settings.selection
    guard selection.takes(part) else { return }
    var count = 0
    model.graph.mapAll { graph in
      for id in graph.nodeIDs where graph[id].isStandard("Attention") {
        let scope = ModuleScope.ofUnweighted(graph[id])
        let path = "\(scope?.path ?? "").\(ModuleNames.part(of: "fused_sdpa") ?? "")"
        guard scope?.type.flatMap(modules.canonicalType) != whole, !selection.names(path),
          let plan = AttentionPlan(ofOperator: graph[id], in: graph)
        else { continue }
        var expansion = AttentionExpansion(of: id, plan, in: graph)
        if expansion.run() {
          graph = expansion.graph
          count += 1
        }
      }
    }
    context.count("operators", by: count)
  }
}

/// The parts of one attention.
private struct AttentionExpansion {
  private(set) var graph: Graph
  private let id: NodeID
  private let node: Node
  private let plan: AttentionPlan
  private let name: String
  private let element: ElementType

  init(of id: NodeID, _ plan: AttentionPlan, in graph: Graph) {
    self.graph = graph
    self.id = id
    self.plan = plan
    node = graph[id]
    let result = node.outputs.first ?? nil
    name = result.map { graph[$0].name } ?? node.op
    element = node.input(0).flatMap { graph[$0].type?.element } ?? .float32
  }

  /// False where a size that the parts need is not known, or where the operands are not of one type.
  mutating func run() -> Bool {
    guard let query = node.input(0), let key = node.input(1), let value = node.input(2),
      plan.scale >= 0, let share = headShare(query, key),
      [key, value].allSatisfy({ graph[$0].type?.element.map { $0 == element } ?? true })
    else { return false }
    let root = number(plan.scale.squareRoot())
    let scaledQuery = add("Mul", [withHeads(query, plan.query, "query"), root], "query.scaled")
    let keys = repeated(withHeads(key, plan.key, "key"), share, "key")
    let turned = add(
      "Transpose", [keys], "key.turned", [Attribute("perm", .ints([0, 1, 3, 2]))])
    let scaledKey = add("Mul", [turned, root], "key.scaled")
    var scores = add("MatMul", [scaledQuery, scaledKey], "scores", part: "matmul_qk")
    if plan.softcap > 0 {
      let cap = number(plan.softcap)
      scores = add("Tanh", [add("Div", [scores, cap], "relative")], "bent")
      scores = add("Mul", [scores, cap], "capped")
    }
    scores = masked(scores)
    var shares = add(
      "Softmax", [scores], "shares", [Attribute("axis", .int(-1))], part: "softmax")
    if plan.mask != .none {
      // A row that sees nothing gives zeros, as the operator does.
      let blind = add("IsNaN", [shares], "blind", element: .bool)
      shares = add("Where", [blind, number(0), shares], "seen")
    }
    let values = repeated(withHeads(value, plan.value, "value"), share, "value")
    if plan.mergesHeads {
      let mixed = add("MatMul", [shares, values], "mixed", part: "matmul_av")
      let rows = add("Transpose", [mixed], "rows", [Attribute("perm", .ints([0, 2, 1, 3]))])
      become("Reshape", [rows, shape([0, 0, -1])], [], part: nil)
    } else {
      become("MatMul", [shares, values], [], part: "matmul_av")
    }
    return true
  }

  /// How many heads of the queries share one of the keys.
  private func headShare(_ query: ValueID, _ key: ValueID) -> Int64? {
    func heads(_ value: ValueID, _ layout: AttentionPlan.Layout) -> Int64? {
      if case .merged(let heads) = layout { return heads }
      let shape = graph[value].type?.tensor?.shape
      return shape?.count == 4 ? shape?[1].size : nil
    }
    guard let all = heads(query, plan.query), let groups = heads(key, plan.key), groups > 0,
      all % groups == 0
    else { return nil }
    return all / groups
  }

  private mutating func withHeads(
    _ value: ValueID, _ layout: AttentionPlan.Layout, _ suffix: String
  ) -> ValueID {
    guard case .merged(let heads) = layout else { return value }
    let split = add("Reshape", [value, shape([0, 0, heads, -1])], "\(suffix).heads")
    return add("Transpose", [split], "\(suffix).apart", [Attribute("perm", .ints([0, 2, 1, 3]))])
  }

  /// Each head as often as queries share it, beside each other.
  private mutating func repeated(_ value: ValueID, _ share: Int64, _ suffix: String) -> ValueID {
    guard share > 1 else { return value }
    let apart = add("Unsqueeze", [value, shape([2])], "\(suffix).groups")
    let wide = add("Expand", [apart, shape([1, 1, share, 1, 1])], "\(suffix).shared")
    let sizes = add("Shape", [value], "\(suffix).sizes", element: .int64)
    let factors = add(
      "Mul", [sizes, shape([1, share, 1, 1])], "\(suffix).full.sizes", element: .int64)
    return add("Reshape", [wide, factors], "\(suffix).full")
  }

  private mutating func masked(_ scores: ValueID) -> ValueID {
    var scores = scores
    switch plan.mask {
    case .none: break
    case .additive(let mask):
      var addend = mask
      if graph[mask].type?.element != element {
        addend = add("Cast", [mask], "mask", [Attribute("to", .int(Int64(element.rawValue)))])
      }
      scores = add("Add", [scores, addend], "masked")
    case .chosen(let condition, _, _):
      scores = add("Where", [condition, scores, number(-.infinity)], "masked")
    }
    guard plan.isCausal else { return scores }
    let sizes = add(
      "Shape", [scores], "causal.sizes", [Attribute("start", .int(-2))], element: .int64)
    let one = Weight(stored: TensorType(.bool, sizes: [1]), source: .literal([1], encoding: .raw))
    let all = graph.addNode(
      Node(
        op: "Expand", inputs: [graph.addWeight(graph.freshName("\(name).true"), one), sizes],
        outputs: [], origin: graph.label(of: id)),
      result: "\(name).causal.all", type: .tensor(TensorType(.bool, nil)), before: id)
    let lower = add(
      "Trilu", [all], "causal", [Attribute("upper", .int(0))], element: .bool)
    return add("Where", [lower, scores, number(-.infinity)], "causal.masked")
  }

  // MARK: Building

  private mutating func add(
    _ op: String, _ inputs: [ValueID?], _ suffix: String, _ attributes: [Attribute] = [],
    element: ElementType? = nil, part: String? = nil
  ) -> ValueID {
    var new = Node(
      op: op, inputs: inputs, outputs: [], attributes: attributes, origin: graph.label(of: id))
    if let part {
      new.name = partName(part)
      new.annotations = node.annotations
    }
    return graph.addNode(
      new, result: "\(name).\(suffix)",
      type: .tensor(TensorType(element ?? self.element, nil)), before: id)
  }

  private func partName(_ part: String) -> String { "\(graph.label(of: id))//\(part)" }

  private mutating func become(
    _ op: String, _ inputs: [ValueID?], _ attributes: [Attribute], part: String?
  ) {
    let name = part.map(partName) ?? ""
    graph.update(id) { node in
      node.op = op
      node.inputs = inputs
      node.attributes = attributes
      node.name = name
    }
  }

  private mutating func shape(_ sizes: [Int64]) -> ValueID {
    graph.sharedLiteral(
      "fp8c.shape.\(sizes.map(String.init).joined(separator: "."))",
      TensorType(.int64, sizes: [Int64(sizes.count)]), sizes.littleEndianBytes)
  }

  /// A scalar of the operands' type.
  private mutating func number(_ value: Float) -> ValueID {
    let wide = graph.sharedScalar("fp8c.number.\(value)", value)
    guard element != .float32 else { return wide }
    return add(
      "Cast", [wide], "number", [Attribute("to", .int(Int64(element.rawValue)))])
  }
}

internal import IR

/// Attention of ONNX as products and a softmax, where the written model has those.
extension PlainGraph {
  mutating func takeApartAttention(_ id: NodeID) {
    guard form.attentionInParts?.contains(graph.label(of: id)) == true else { return }
    let node = graph[id]
    guard let query = node.input(0), let key = node.input(1), let value = node.input(2),
      let shape = graph[query].type?.tensor?.shape, 3...4 ~= shape.count,
      let width = shape.last?.size,
      let element = graph[query].type?.element
    else { return }
    let isMerged = shape.count == 3
    let keyHeads = graph[key].type?.tensor?.shape.flatMap { $0.count == 4 ? $0[1].size : nil }
    guard let heads = isMerged ? node.int("q_num_heads") : shape[1].size,
      let groups = isMerged ? node.int("kv_num_heads") : keyHeads, heads > 0, groups > 0
    else { return }
    let depth = isMerged ? width / heads : width
    var work = AttentionWork(id: id, element: element, share: heads / groups)
    let scale = node.float("scale") ?? Float(1 / Double(depth).squareRoot())

    let queries = isMerged ? apart(query, heads, work) : query
    let keys = repeated(isMerged ? apart(key, groups, work) : key, work)
    let values = repeated(isMerged ? apart(value, groups, work) : value, work)
    let turned = put("Transpose", [keys], [Attribute("perm", .ints([0, 1, 3, 2]))], before: id)
    work.scores = put("MatMul", [queries, turned], before: id)
    multiply(by: scale, &work)
    if let cap = node.float("softcap"), cap > 0 {
      multiply(by: 1 / cap, &work)
      work.scores = put("Tanh", [work.scores], before: id)
      multiply(by: cap, &work)
    }
    if let mask = node.input(3) {
      if graph[mask].type?.element == .bool {
        choose(mask, &work)
      } else {
        work.scores = put("Add", [work.scores, mask], before: id)
      }
    }
    if node.int("is_causal") == 1 { hideLater(&work) }
    var shares = put("Softmax", [work.scores], [Attribute("axis", .int(-1))], before: id)
    if node.input(3) != nil {
      // Rows that see nothing are zero.
      let blind = put("IsNaN", [shares], before: id)
      shares = put("Where", [blind, put(0, as: element, of: id), shares], before: id)
    }
    guard isMerged else {
      return graph.update(id) { node in
        node.op = "MatMul"
        node.inputs = [shares, values]
        node.attributes = []
      }
    }
    let mixed = put("MatMul", [shares, values], before: id)
    let rows = put("Transpose", [mixed], [Attribute("perm", .ints([0, 2, 1, 3]))], before: id)
    let sizes = put([0, 0, -1], of: id)
    graph.update(id) { node in
      node.op = "Reshape"
      node.inputs = [rows, sizes]
      node.attributes = []
    }
  }

  /// What an attention is taken apart with.
  private struct AttentionWork {
    let id: NodeID
    let element: ElementType
    /// How many heads of the queries have one of the keys.
    let share: Int64
    var scores: ValueID?
  }

  /// Heads in an axis of their own, in front of the rows.
  private mutating func apart(_ value: ValueID, _ heads: Int64, _ work: AttentionWork) -> ValueID {
    let split = put("Reshape", [value, put([0, 0, heads, -1], of: work.id)], before: work.id)
    return put("Transpose", [split], [Attribute("perm", .ints([0, 2, 1, 3]))], before: work.id)
  }

  /// Each head as often as the queries have it.
  private mutating func repeated(_ value: ValueID, _ work: AttentionWork) -> ValueID {
    guard work.share > 1 else { return value }
    let id = work.id
    let column = put("Unsqueeze", [value, put([2], of: id)], before: id)
    let wide = put("Expand", [column, put([1, 1, work.share, 1, 1], of: id)], before: id)
    let sizes = put("Shape", [value], before: id)
    let all = put("Mul", [sizes, put([1, work.share, 1, 1], of: id)], before: id)
    return put("Reshape", [wide, all], before: id)
  }

  private mutating func multiply(by number: Float, _ work: inout AttentionWork) {
    work.scores = put(
      "Mul", [work.scores, put(number, as: work.element, of: work.id)], before: work.id)
  }

  /// Scores where a condition holds, minus infinity elsewhere.
  private mutating func choose(_ condition: ValueID, _ work: inout AttentionWork) {
    let hidden = put(-.infinity, as: work.element, of: work.id)
    work.scores = put("Where", [condition, work.scores, hidden], before: work.id)
  }

  /// Hides what comes after each row.
  private mutating func hideLater(_ work: inout AttentionWork) {
    let id = work.id
    let sizes = put("Shape", [work.scores], [Attribute("start", .int(-2))], before: id)
    let yes = Weight(stored: TensorType(.bool, sizes: [1]), source: .literal([1], encoding: .raw))
    let all = put("Expand", [put(yes, of: id), sizes], before: id)
    choose(put("Trilu", [all], [Attribute("upper", .int(0))], before: id), &work)
  }
}

internal import IR

extension Surroundings {
  /// Between a softmax and the product that reads it.
  private static let behind: Set<String> = [
    "Cast", "Dropout", "Where", "Identity", "Reshape", "Transpose", "Slice",
  ]

  /// Between the product that makes the scores and their softmax: scaling, masking and casting.
  private static let before: Set<String> = [
    "Mul", "Div", "Add", "Sub", "Where", "Cast", "Identity", "Reshape", "Tanh", "Max", "Min",
    "Clip", "Concat",
  ]

  /// The products on both sides of a softmax, and the softmax itself where a product reads it.
  mutating func findAttention(around softmax: NodeID) {
    for product in products(behind: softmax) {
      note(
        product,
        Role(part: "matmul_av", evidence: "multiplies what a softmax makes"))
      note(softmax, Role(part: "softmax", evidence: "a product of activations reads it"))
    }
    for product in products(before: softmax) {
      note(product, Role(part: "matmul_qk", evidence: "a softmax reads it"))
    }
  }

  private func products(behind softmax: NodeID) -> [NodeID] {
    var found: [NodeID] = []
    var pending = [result(of: softmax)].compactMap { $0 }
    var visited: Set<ValueID> = []
    while let value = pending.popLast(), visited.count < Surroundings.reach {
      guard visited.insert(value).inserted else { continue }
      for user in graph.users(of: value).prefix(Surroundings.reach) {
        if isProductOfActivations(user) {
          if !found.contains(user) { found.append(user) }
        } else if graph[user].domain.isEmpty, Surroundings.behind.contains(graph[user].op) {
          pending += [result(of: user)].compactMap { $0 }
        }
      }
    }
    return found
  }

  private func products(before softmax: NodeID) -> [NodeID] {
    var found: [NodeID] = []
    var pending = [graph[softmax].input(0)].compactMap { $0 }
    var visited: Set<ValueID> = []
    while let value = pending.popLast(), visited.count < Surroundings.reach {
      guard visited.insert(value).inserted, let maker = graph.producer(of: value) else { continue }
      if isProductOfActivations(maker) {
        found.append(maker)
      } else if graph[maker].domain.isEmpty, Surroundings.before.contains(graph[maker].op) {
        pending += graph[maker].inputs.compactMap { $0 }.filter { !isConstant($0) }
      }
    }
    return found
  }

  /// The products, or attention operators, that a key or a value reaches; `nil` where none is near.
  func attentionPart(reachedFrom value: ValueID) -> String? {
    let passed: Set<String> = [
      "Cast", "Identity", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Expand", "Mul", "Div",
      "Slice", "Where", "Gather",
    ]
    var pending = [value]
    var visited: Set<ValueID> = []
    while let current = pending.popLast(), visited.count < Surroundings.reach {
      guard visited.insert(current).inserted else { continue }
      for user in graph.users(of: current).prefix(Surroundings.reach) {
        let node = graph[user]
        if let part = roles[user]?.part {
          if part == "matmul_qk" { return "k_cache" }
          if part == "matmul_av" { return "v_cache" }
        }
        if node.op == "Attention" || node.op == "MultiHeadAttention" {
          if node.input(1) == current { return "k_cache" }
          if node.input(2) == current { return "v_cache" }
        }
        if node.domain.isEmpty, passed.contains(node.op) {
          pending += [result(of: user)].compactMap { $0 }
        }
      }
    }
    return nil
  }
}

internal import IR

extension Surroundings {
  /// What may stand between the parts of an adapter.
  private static let passed: Set<String> = ["Cast", "Identity", "Dropout", "Reshape", "Transpose"]

  /// A low-rank adapter: `base(x) + up(down(x)) · scale`, whose middle is thinner than both ends.
  mutating func findAdapter(at sum: NodeID) {
    let operands = graph[sum].inputs.compactMap { $0 }
    guard operands.count == 2, !operands.contains(where: isConstant) else { return }
    for (first, second) in [(operands[0], operands[1]), (operands[1], operands[0])] {
      guard let base = layer(making: first), let up = layer(making: second),
        let down = layer(making: up.input), let rank = down.channels,
        source(of: down.input) == source(of: base.input), let width = base.channels,
        let depth = base.depth, rank < min(width, depth), up.channels == width
      else { continue }
      let scale = up.scale * down.scale
      let branch = "the LoRA adapter of rank \(rank) and scale \(scale)"
      note(
        base.node,
        Role(
          type: graph[base.node].op == "Conv" ? "LoRACompatibleConv" : "LoRACompatibleLinear",
          adapter: down.node,
          evidence: "\(branch) is added to it"))
      for part in [down.node, up.node] {
        note(
          part,
          Role(
            obstacle: "is part of \(branch), which stays in high precision",
            evidence: "it is added to another layer of the same input"))
      }
      return
    }
  }

  /// A product or convolution with a constant.
  private struct Layer {
    let node: NodeID
    let input: ValueID
    /// How many outputs and inputs it has.
    let channels: Int64?
    let depth: Int64?
    /// What its result is multiplied by on the way.
    let scale: Float
  }

  private func layer(making value: ValueID) -> Layer? {
    var current = value
    var scale: Float = 1
    for _ in 0..<8 {
      guard let maker = graph.producer(of: current) else { return nil }
      let node = graph[maker]
      guard node.domain.isEmpty, isReadOnce(current) else { return nil }
      if let factor = constantFactor(of: node) {
        return layer(node, maker, factor: factor, scale: scale)
      }
      let rest = node.inputs.compactMap { $0 }.filter { !isConstant($0) }
      switch node.op {
      case "Mul" where rest.count == 1, "Div" where rest.count == 1:
        guard let constant = node.inputs.compactMap({ $0 }).first(where: isConstant),
          weight(of: constant)?.type().elementCount == 1
        else { return nil }
        if let number = weight(of: constant)?.number {
          scale = node.op == "Mul" ? scale * number : scale / number
        }
        current = rest[0]
      case "Add" where rest.count == 1: current = rest[0]
      default:
        guard Surroundings.passed.contains(node.op), let next = node.input(0) else { return nil }
        current = next
      }
    }
    return nil
  }

  /// True where one operator reads the elements; others may read the type or the shape.
  private func isReadOnce(_ value: ValueID) -> Bool {
    guard !graph.isOutput(value) else { return false }
    let readers = graph.users(of: value).filter { id in
      let node = graph[id]
      let asksType = node.isStandard("CastLike") && node.input(0) != value
      return !asksType && !node.isStandard("Shape")
    }
    return readers.count == 1
  }

  private func layer(_ node: Node, _ id: NodeID, factor: Int, scale: Float) -> Layer? {
    guard let constant = node.input(factor), let input = node.input(1 - factor),
      let sizes = weight(of: constant)?.type().sizes, sizes.count >= 2
    else { return nil }
    if node.op == "Conv" {
      return Layer(node: id, input: input, channels: sizes[0], depth: sizes[1], scale: scale)
    }
    // Channels are a matrix's columns behind an input and its rows in front, unless transposed.
    let isTransposed = node.int(factor == 1 ? "transB" : "transA") ?? 0 != 0
    let areRows = (factor == 0) != isTransposed
    return Layer(
      node: id, input: input, channels: sizes[areRows ? 0 : 1], depth: sizes[areRows ? 1 : 0],
      scale: scale)
  }

  /// Where a value comes from, before anything moves or casts it.
  private func source(of value: ValueID) -> ValueID {
    var current = value
    for _ in 0..<8 {
      guard let maker = graph.producer(of: current), graph[maker].domain.isEmpty,
        Surroundings.passed.contains(graph[maker].op), let next = graph[maker].input(0)
      else { break }
      current = next
    }
    return current
  }
}

internal import IR

/// The nodes whose float values become integers, shapes or rotary angles.
struct SensitiveNodes {
  private(set) var nodes: Set<NodeID> = []
  /// Nodes with bodies that such values come out of.
  private(set) var holders: Set<NodeID> = []

  /// Operators that only move or combine a few numbers: what a shape or an angle is computed with.
  private static let cheap: Set<String> = [
    "Abs", "Add", "Cast", "Ceil", "Concat", "CumSum", "Div", "Exp", "Expand", "Floor", "Gather",
    "Identity", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Pow", "Range", "Reciprocal", "Reshape",
    "Round", "Slice", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
  ]
  private static let roots: Set<String> = ["Sin", "Cos", "Range", "CumSum", "Resize", "Upsample"]

  init() {}

  init(_ graph: Graph) {
    var pending: [(node: NodeID, isAngle: Bool)] = []
    for id in graph.nodeIDs {
      let node = graph[id]
      guard node.domain.isEmpty else { continue }
      if SensitiveNodes.roots.contains(node.op) {
        if node.op == "Sin" || node.op == "Cos" || node.op == "Range" || node.op == "CumSum" {
          nodes.insert(id)
        }
        let operands =
          node.op == "Resize" || node.op == "Upsample" ? node.inputs.dropFirst() : node.inputs[...]
        for operand in operands {
          if let producer = operand.flatMap({ graph.producer(of: $0) }) {
            pending.append((producer, node.op == "Sin" || node.op == "Cos"))
          }
        }
      } else if node.op == "Cast", let input = node.input(0),
        graph[input].type?.element?.isHighPrecision ?? false,
        let output = node.outputs.first ?? nil,
        graph[output].type?.element.map({ !$0.isHighPrecision && $0 != .bool }) ?? false,
        let producer = graph.producer(of: input)
      {
        pending.append((producer, false))
      }
    }
    while let (id, isAngle) = pending.popLast() {
      guard !nodes.contains(id) else { continue }
      let node = graph[id]
      if !node.bodies.isEmpty { holders.insert(id) }
      guard node.domain.isEmpty,
        SensitiveNodes.cheap.contains(node.op) || (isAngle && node.op == "MatMul")
      else { continue }
      nodes.insert(id)
      for input in node.inputs {
        if let producer = input.flatMap({ graph.producer(of: $0) }) {
          pending.append((producer, isAngle))
        }
      }
    }
  }
}

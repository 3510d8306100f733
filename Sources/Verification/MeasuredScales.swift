internal import IR

/// Scales that a written model computes when it runs: what codes are divided by has to be what multiplies
/// them later, whatever it is.
extension ErasedGraph {
  /// The scales of a graph's quantizers that are no constants, as factors; without those that `isOwn` names,
  /// which are the source's.
  func measuredScales(isOwn: (String) -> Bool) -> [ValueID: Factor] {
    var result: [ValueID: Factor] = [:]
    for id in graph.nodeIDs {
      let node = graph[id]
      guard node.op == "Cast", node.domain.isEmpty, isToFloat8(node),
        let scale = divisor(of: node.input(0)), !isOwn(graph[scale].name)
      else { continue }
      result[scale] = Factor(measured: graph[scale].name, evenAlong: evenAxes(of: scale))
    }
    return result
  }

  private func isToFloat8(_ node: Node) -> Bool {
    node.int("to").flatMap { ElementType(rawValue: Int32(clamping: $0)) }?.isFloat8 == true
  }

  /// The value that numbers are divided by in front of the clamps of a cast.
  private func divisor(of value: ValueID?) -> ValueID? {
    var current = value
    for _ in 0..<8 {
      guard let producer = current.flatMap({ graph[$0].producer }) else { return nil }
      let node = graph[producer]
      switch node.op {
      case "Cast", "Identity": current = node.input(0)
      case "Min", "Max": current = clamped(node)
      case "Div": return node.input(1).map { uncast($0) }.flatMap { constant($0) == nil ? $0 : nil }
      case "Mul":
        let scales = node.inputs.compactMap { operand -> ValueID? in
          guard let producer = operand.flatMap({ graph[uncast($0)].producer }),
            graph[producer].op == "Reciprocal"
          else { return nil }
          return graph[producer].input(0).map { uncast($0) }
        }
        return scales.first { constant($0) == nil }
      default: return nil
      }
    }
    return nil
  }

  private func uncast(_ value: ValueID) -> ValueID {
    var current = value
    while let producer = graph[current].producer,
      ["Cast", "Identity"].contains(graph[producer].op),
      let operand = graph[producer].input(0)
    {
      current = operand
    }
    return current
  }

  /// The most nodes between a scale and the maxima that it is made of.
  private static let reach = 64

  private static let elementwise: Set<String> = [
    "Abs", "Add", "Cast", "Div", "Equal", "Greater", "Identity", "Max", "Min", "Mul", "Reciprocal",
    "Sub", "Where",
  ]

  /// Along which axes a value is one number: what the maxima that it is made of run over.
  private func evenAxes(of scale: ValueID) -> Factor.EvenAxes {
    var found: Factor.EvenAxes?
    var pending = [scale]
    var seen: Set<ValueID> = [scale]
    while let value = pending.popLast() {
      if let weight = graph[value].weight {
        guard weight.type().elementCount == 1 || constant(value)?.isScalar == true else {
          return .unknown
        }
        continue
      }
      guard seen.count <= ErasedGraph.reach, let producer = graph[value].producer else {
        return .unknown
      }
      let node = graph[producer]
      if ErasedGraph.elementwise.contains(node.op) {
        for operand in node.inputs.compactMap({ $0 }) where seen.insert(operand).inserted {
          pending.append(operand)
        }
        continue
      }
      if constant(value)?.isScalar == true { continue }
      guard node.op == "ReduceMax", node.int("keepdims") ?? 1 == 1,
        node.int("noop_with_empty_axes") ?? 0 == 0,
        let axes = node.input(1).flatMap({ graph[$0].weight?.integers })
      else { return .unknown }
      let even = axes.isEmpty ? Factor.EvenAxes.all : .some(Set(axes))
      guard found == nil || found == even else { return .unknown }
      found = even
    }
    return found ?? .unknown
  }
}

internal import FP8
internal import IR

/// The copies of one module that read what FP8 makes of its operands.
struct ModuleCopies {
  private let module: QuantizedModule
  private let scaled: [ScaledPort]
  /// The scale of the result, where the module's result is what FP8 holds.
  private let resultScale: Scale?
  private let fullscale: Float
  private let code: ElementType
  private let dynamicCast: DynamicCast
  /// The node in front of which all of it stands; `nil` for the end of the graph.
  private let place: NodeID?

  private struct ScaledPort {
    let value: ValueID
    let role: Port.Role
    let scale: Scale
  }

  /// `nil` where no operand that the module reads has a scale, or one is no float32.
  init?(_ module: QuantizedModule, in graph: Graph, _ settings: PassSettings) {
    var scaled: [ScaledPort] = []
    var resultScale: Scale?
    let read = Set(module.nodes.flatMap { graph[$0].inputs.compactMap { $0 } })
    for port in module.ports {
      guard let scale = port.scale, let value = port.value else { continue }
      guard ModuleCopies.canScale(value, scale, in: graph) else { return nil }
      switch port.role {
      case .unquantized: continue
      case .output: if value == module.result { resultScale = scale }
      case .activation, .weight:
        guard read.contains(value) else { return nil }
        // A value that two ports of one scale read is rounded once.
        if !scaled.contains(where: { $0.value == value && $0.scale == scale }) {
          scaled.append(ScaledPort(value: value, role: port.role, scale: scale))
        }
      }
    }
    guard !scaled.isEmpty || resultScale != nil, let last = module.nodes.last,
      graph[module.result].type?.element == .float32,
      module.nodes.allSatisfy({ graph[$0].bodies.isEmpty })
    else { return nil }
    self.module = module
    self.scaled = scaled
    self.resultScale = resultScale
    fullscale = settings.limits.fullscale
    code = settings.limits.encoding.element
    dynamicCast = DynamicCast(settings.method(of: module).activation, settings)
    place = graph.successor(of: last)
  }

  /// True where a scale is computed by the target's operator when the model runs.
  var hasDynamicScales: Bool {
    scaled.contains { if case .dynamic = $0.scale { true } else { false } }
  }

  private static func canScale(_ value: ValueID, _ scale: Scale, in graph: Graph) -> Bool {
    guard graph[value].type?.element == .float32 else { return false }
    guard let axis = scale.axis else { return true }
    return graph[value].type?.tensor?.shape?.indices.contains(axis) ?? false
  }

  /// What a value becomes in FP8.
  private struct Rounded {
    /// In units of the scale.
    let units: ValueID
    let clamped: ValueID
    let rounded: ValueID
    let roundedUnits: ValueID
  }

  /// Adds the copies and gives the sums that their results are compared by.
  func sums(in graph: inout Graph) -> [ObserveErrors.Quantity: ValueID] {
    var weights: [ValueID: ValueID] = [:]
    var clamped: [ValueID: ValueID] = [:]
    var rounded: [ValueID: ValueID] = [:]
    var activations: [Rounded] = []
    for port in scaled {
      let made = round(port.value, port.scale, in: &graph)
      if port.role == .weight {
        weights[port.value] = made.rounded
      } else {
        clamped[port.value] = made.clamped
        rounded[port.value] = made.rounded
        activations.append(made)
      }
    }
    let result = module.result
    let withWeights = weights.isEmpty ? result : copy(reading: weights, in: &graph)
    var withClamped = clamped.isEmpty ? result : copy(reading: clamped, in: &graph)
    var withRounded = rounded.isEmpty ? result : copy(reading: rounded, in: &graph)
    var withAll =
      weights.isEmpty
      ? withRounded : copy(reading: weights.merging(rounded) { first, _ in first }, in: &graph)
    if let resultScale {
      let made = round(withRounded, resultScale, in: &graph)
      withClamped = made.clamped
      withAll = made.rounded
      withRounded = made.rounded
      activations.append(made)
    }
    return [
      .signal: sumOfSquares(result, in: &graph),
      .weights: sumOfSquares(difference(withWeights, result, in: &graph), in: &graph),
      .saturation: sumOfSquares(difference(withClamped, result, in: &graph), in: &graph),
      .rounding: sumOfSquares(difference(withRounded, withClamped, in: &graph), in: &graph),
      .total: sumOfSquares(difference(withAll, result, in: &graph), in: &graph),
      .clipped: total(activations, in: &graph) { copies, made, graph in
        copies.count(
          copies.node(
            "Greater",
            [copies.node("Abs", [made.units], in: &graph), copies.full(in: &graph)], of: .bool,
            in: &graph), in: &graph)
      },
      .flushed: total(activations, in: &graph) { copies, made, graph in
        let zero = graph.sharedScalar("fp8c.error.zero", 0)
        let isZero = copies.node("Equal", [made.roundedUnits, zero], of: .bool, in: &graph)
        let wasZero = copies.node("Equal", [made.units, zero], of: .bool, in: &graph)
        let wasOther = copies.node("Not", [wasZero], of: .bool, in: &graph)
        return copies.count(
          copies.node("And", [isZero, wasOther], of: .bool, in: &graph), in: &graph)
      },
      .elements: total(activations, in: &graph) { copies, made, graph in
        let size = copies.node("Size", [made.units], of: .int64, in: &graph)
        return copies.cast(size, to: .float32, in: &graph)
      },
    ]
  }

  /// The module once more, with some values exchanged.
  private func copy(
    reading exchanged: [ValueID: ValueID], in graph: inout Graph
  ) -> ValueID {
    var known = exchanged
    for id in module.nodes {
      var node = graph[id]
      let results = node.outputs
      node.name = ""
      node.inputs = node.inputs.map { $0.map { known[$0] ?? $0 } }
      node.outputs = []
      let made = graph.addNode(
        node,
        results: results.compactMap { $0 }.map {
          (graph.freshName("\(graph[$0].name).copy"), graph[$0].type)
        }, before: place)
      for (old, new) in zip(results.compactMap { $0 }, graph[made].outputs) { known[old] = new }
    }
    return known[module.result] ?? module.result
  }

  private func round(
    _ value: ValueID, _ scale: Scale, in graph: inout Graph
  ) -> Rounded {
    let type = graph[value].type
    let cast = dynamicCast(of: value, scale, in: &graph)
    let factor =
      cast?.factor ?? factor(scale, rank: type?.tensor?.shape?.count ?? 0, in: &graph)
    let units = node("Div", [value, factor], type: type, in: &graph)
    let low = graph.sharedScalar("fp8c.error.low", -fullscale)
    let kept = node("Clip", [units, low, full(in: &graph)], type: type, in: &graph)
    let codes = cast?.codes ?? self.cast(kept, to: code, in: &graph)
    let back = self.cast(codes, to: .float32, in: &graph)
    return Rounded(
      units: units, clamped: node("Mul", [kept, factor], type: type, in: &graph),
      rounded: node("Mul", [back, factor], type: type, in: &graph), roundedUnits: back)
  }

  /// The codes and the scale that the target's operator makes of a value; `nil` where its scale is known.
  private func dynamicCast(
    of value: ValueID, _ scale: Scale, in graph: inout Graph
  ) -> DynamicCast.Result? {
    guard case .dynamic(let axis) = scale else { return nil }
    return dynamicCast.add(
      of: value, reducing: axis, named: "\(graph[value].name).error", to: &graph, before: place)
  }

  /// The scale as a constant that spreads over the value.
  private func factor(_ scale: Scale, rank: Int, in graph: inout Graph) -> ValueID {
    var sizes: [Int64] = []
    if let axis = scale.axis {
      sizes = [Int64](repeating: 1, count: rank)
      sizes[axis] = Int64(scale.values.count)
    }
    return graph.addWeight(
      graph.freshName("fp8c.error.scale"),
      Weight(
        stored: TensorType(.float32, sizes: sizes),
        source: .literal(scale.values.littleEndianBytes, encoding: .raw)))
  }

  private func full(in graph: inout Graph) -> ValueID {
    graph.sharedScalar("fp8c.error.full", fullscale)
  }

  // MARK: Nodes

  private func node(
    _ op: String, _ inputs: [ValueID], type: ValueType? = nil,
    _ attributes: [Attribute] = [], in graph: inout Graph
  ) -> ValueID {
    graph.addNode(
      Node(op: op, inputs: inputs, outputs: [], attributes: attributes),
      result: "\(graph[module.result].name).error", type: type ?? graph[inputs[0]].type,
      before: place)
  }

  private func node(
    _ op: String, _ inputs: [ValueID], of element: ElementType, in graph: inout Graph
  ) -> ValueID {
    let shape = op == "Size" ? [] : graph[inputs[0]].type?.tensor?.shape
    return node(op, inputs, type: .tensor(TensorType(element, shape)), in: &graph)
  }

  private func cast(
    _ value: ValueID, to element: ElementType, in graph: inout Graph
  ) -> ValueID {
    node(
      "Cast", [value],
      type: .tensor(TensorType(element, graph[value].type?.tensor?.shape)),
      [Attribute("to", .int(Int64(element.rawValue)))], in: &graph)
  }

  private func difference(
    _ left: ValueID, _ right: ValueID, in graph: inout Graph
  ) -> ValueID {
    node("Sub", [left, right], type: graph[right].type, in: &graph)
  }

  private func sumOfSquares(_ value: ValueID, in graph: inout Graph) -> ValueID {
    node(
      "ReduceSumSquare", [value], type: .tensor(TensorType(.float32, [])),
      [Attribute("keepdims", .int(0))], in: &graph)
  }

  private func count(_ flags: ValueID, in graph: inout Graph) -> ValueID {
    node(
      "ReduceSum", [cast(flags, to: .float32, in: &graph)],
      type: .tensor(TensorType(.float32, [])), [Attribute("keepdims", .int(0))], in: &graph)
  }

  /// A count over all operands.
  private func total(
    _ items: [Rounded], in graph: inout Graph,
    _ number: (ModuleCopies, Rounded, inout Graph) -> ValueID
  ) -> ValueID {
    var sum: ValueID?
    for item in items {
      let next = number(self, item, &graph)
      sum = sum.map { node("Add", [$0, next], type: graph[next].type, in: &graph) } ?? next
    }
    return sum ?? graph.sharedScalar("fp8c.error.zero", 0)
  }
}

internal import FP8
package import IR
package import Support

/// Keeps quantizers that the model already has within the target's range.
///
/// ONNX's `QuantizeLinear` saturates E4M3 at 448; a target may end before. Before, at full scale 240:
///
///     %q = QuantizeLinear(%x, @s, @zero) : f8e4m3fn[4, 8]
///
/// After, where `@s` is 0.5:
///
///     %x.floored = Max(%x, @fp8c.min.-120.0) : f32[4, 8]
///     %x.clamped = Min(%x.floored, @fp8c.max.120.0) : f32[4, 8]
///     %q = QuantizeLinear(%x.clamped, @s, @zero) : f8e4m3fn[4, 8]
///
/// A `Max` and a `Min` rather than a `Clip`, for the reason given at `LowerToFP8`. A quantizer whose
/// scale is no float32 scalar that the graph knows is left with a warning.
package struct ClampQuantizers: Pass {
  package static let name = "clamp-quantizers"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    let limits = context.settings.limits
    guard limits.fullscale < limits.encoding.maxFinite else { return }
    var names = NameSource(model.graph)
    var weights: [String: Weight] = [:]
    for id in model.graph.weights { weights[model.graph[id].name] = model.graph[id].weight }
    try clamp(&model.graph, weights, &names, &context, depth: 1)
  }

  /// Clamps in a graph and in its bodies, which may capture scales from outside.
  private func clamp(
    _ graph: inout Graph, _ weights: [String: Weight], _ names: inout NameSource,
    _ context: inout PassContext, depth: Int
  ) throws(Diagnostic) {
    try clamp(&graph, weights, &context)
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs where !graph[id].bodies.isEmpty {
      var node = graph[id]
      try node.mapBodies { body throws(Diagnostic) in
        let before = Set(body.values.map { body[$0].name })
        try clamp(&body, weights, &names, &context, depth: depth + 1)
        names.separate(&body, from: before)
      }
      if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
    }
  }

  private func clamp(
    _ graph: inout Graph, _ weights: [String: Weight], _ context: inout PassContext
  ) throws(Diagnostic) {
    let limits = context.settings.limits
    for id in graph.nodeIDs {
      let node = graph[id]
      guard node.isStandard("QuantizeLinear"), let output = node.outputs.first ?? nil,
        graph[output].type?.element == limits.encoding.element, let input = node.input(0),
        !isClamped(input, in: graph)
      else { continue }
      guard let scale = node.input(1).flatMap({ graph.weight(of: $0, outer: weights)?.scalar })
      else {
        context.warn(.quantizerNotClamped(node.name.isEmpty ? graph[output].name : node.name))
        continue
      }
      let limit = limits.fullscale * scale
      let low = graph.sharedScalar("fp8c.min.\(-limit)", -limit)
      let high = graph.sharedScalar("fp8c.max.\(limit)", limit)
      let name = graph[input].name
      let floored = graph.addNode(
        Node(op: "Max", inputs: [input, low], outputs: [], origin: node.origin),
        result: "\(name).floored", type: graph[input].type, before: id)
      let clamped = graph.addNode(
        Node(op: "Min", inputs: [floored, high], outputs: [], origin: node.origin),
        result: "\(name).clamped", type: graph[input].type, before: id)
      graph.update(id) { $0.inputs[0] = clamped }
      context.count("clamped")
    }
  }

  /// True behind the pair that this pass and `lower-to-fp8` put in front of a quantizer.
  private func isClamped(_ value: ValueID, in graph: Graph) -> Bool {
    guard let producer = graph.producer(of: value), graph[producer].isStandard("Min"),
      let inner = graph[producer].input(0).flatMap({ graph.producer(of: $0) })
    else { return false }
    return graph[inner].isStandard("Max")
  }
}

extension Weight {
  /// The one float32 number of a literal.
  fileprivate var scalar: Float? {
    guard stored.element == .float32, recipe.isEmpty, !isOverridable,
      case .literal(let bytes, _) = source, bytes.count == 4
    else { return nil }
    var bits: UInt32 = 0
    for (index, byte) in bytes.enumerated() { bits |= UInt32(byte) << UInt32(8 * index) }
    return Float(bitPattern: bits)
  }
}

internal import FP8
internal import IR
internal import Support

/// The last look before an output is renamed: what must hold of every quantized graph.
///
/// * No `QuantizeLinear` reads a weight: codes are made ahead of time.
/// * Every scale of a weight is finite and above zero, and its full scale is the target's.
///
/// The range of the codes themselves is checked while they are written.
struct OutputCheck {
  private let limits: FormatLimits

  init(_ limits: FormatLimits) { self.limits = limits }

  func check(_ model: Model) throws(Diagnostic) {
    let graph = model.graph
    for id in graph.nodeIDs {
      let node = graph[id]
      if node.isStandard("QuantizeLinear"), let input = node.input(0),
        let weight = graph[input].weight, weight.stored.element.isHighPrecision,
        node.origin.isEmpty == false, node.name.isEmpty
      {
        throw .weightQuantizedAtRunTime(graph[input].name)
      }
    }
    for id in graph.weights {
      guard let quantization = graph[id].weight?.quantization else { continue }
      for scale in quantization.scale.values where !(scale > 0 && scale.isFinite) {
        throw .badScale(scale, of: graph[id].name)
      }
      guard quantization.fullscale <= limits.fullscale else {
        throw .badFullscale(quantization.fullscale, of: graph[id].name, limit: limits.fullscale)
      }
    }
  }
}

internal import FP8
internal import IR
internal import Support

/// The last look before an output is renamed: what must hold of every quantized graph.
///
/// * No activation of a module is a weight, and every weight of one is stored as codes: none is
///   quantized at run time.
/// * Every scale of a weight is finite and above zero, and its full scale is the target's.
///
/// The range of the codes themselves is checked while they are written.
struct OutputCheck {
  private let limits: FormatLimits

  init(_ limits: FormatLimits) { self.limits = limits }

  func check(_ model: Model) throws(Diagnostic) {
    let graph = model.graph
    for module in graph.modules {
      for port in module.ports where port.scale != nil {
        guard let weight = graph[port.value].weight else { continue }
        // A weight that something else reads too stays beside its codes.
        let isStored = weight.quantization != nil || graph.useCount(of: port.value) > 0
        guard port.role == .weight, isStored else {
          throw .weightQuantizedAtRunTime(graph[port.value].name)
        }
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

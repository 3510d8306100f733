package import FP8
package import IR
package import Support
package import Targets

/// The last look before an output is renamed: what must hold of every quantized graph.
///
/// * No quantizer that a pass made reads a weight, not even behind its clamp: none is quantized at run
///   time.
/// * Every scale of a weight is finite and above zero, and its full scale is the target's.
///
/// The range of the codes themselves is checked while they are written.
package struct OutputCheck {
  private let target: Target
  private let limits: FormatLimits

  package init(_ target: Target, _ limits: FormatLimits) {
    self.target = target
    self.limits = limits
  }

  package func check(_ model: Model) throws(Diagnostic) {
    var copy = model.graph
    try copy.mapAll { graph throws(Diagnostic) in try checkQuantizers(in: graph) }
    let graph = model.graph
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

  private func checkQuantizers(in graph: Graph) throws(Diagnostic) {
    for id in graph.nodeIDs where isMadeQuantizer(graph[id]) {
      if let input = graph[id].input(0), let weight = weight(behind: input, in: graph) {
        throw .weightQuantizedAtRunTime(graph[weight].name)
      }
    }
  }

  /// True for the quantizers of both forms.
  private func isMadeQuantizer(_ node: Node) -> Bool {
    isMade(node)
      && (node.isStandard("QuantizeLinear")
        || node.domain == target.domain && node.op == target.quantizer)
  }

  /// True for a node that a pass put there: it has an origin and no name.
  private func isMade(_ node: Node) -> Bool { node.name.isEmpty && !node.origin.isEmpty }

  /// The weight that a value is, or becomes by a clamp, a multiplier or a cast that a pass made.
  private func weight(behind value: ValueID, in graph: Graph) -> ValueID? {
    var value = value
    while graph[value].weight == nil {
      guard let producer = graph.producer(of: value), isMade(graph[producer]),
        ["Max", "Min", "Mul", "Cast"].contains(where: graph[producer].isStandard),
        let input = graph[producer].input(0)
      else { return nil }
      value = input
    }
    return value
  }
}

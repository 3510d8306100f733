package import IR
package import Support

/// Leaves on every quantized node which module it is of, with which scales it computes, and why it was taken.
///
/// Viewers show a node's metadata. Before:
///
///     %y = "ai.fp8c.gaudi2"::Fp8MatMul(%x.fp8, @w, @one, @half) {out_dtype = 16}
///     module linear "fc" Linear … (input: activation %x scale 1.0, weight: weight @w axis 1 scale 0.5) = %y
///
/// After:
///
///     %y = "ai.fp8c.gaudi2"::Fp8MatMul(%x.fp8, @w, @one, @half) {out_dtype = 16} meta
///       {"fp8c.module": "fc", "fp8c.scale": "input 1.0, weight 0.5", "fp8c.reason": "its operator"}
///
/// Of scales for each channel, how many there are and the least and the largest are said.
package struct AnnotateNodes: Pass {
  package static let name = "annotate-nodes"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    annotate(&model.graph, &context, depth: 1)
  }

  private func annotate(_ graph: inout Graph, _ context: inout PassContext, depth: Int) {
    for module in graph.modules {
      let scales = module.ports.compactMap { port in
        port.scale.map { "\(port.name) \($0.summary)" }
      }
      var pairs = [Metadata(Metadata.module, module.path)]
      if !scales.isEmpty { pairs.append(Metadata("fp8c.scale", scales.joined(separator: ", "))) }
      if let reason = context.reasons[module.path] {
        pairs.append(Metadata("fp8c.reason", reason))
      }
      for id in nodes(of: module, in: graph) {
        graph.update(id) { node in
          node.annotations.metadata =
            node.annotations.metadata.filter { pair in !pairs.contains { $0.key == pair.key } }
            + pairs
        }
        context.count("annotated", by: 1)
      }
    }
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      node.mapBodies { annotate(&$0, &context, depth: depth + 1) }
      if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
    }
  }
}

extension AnnotateNodes {
  /// The nodes of a module, and the product in front of a bias or a scale that lowering wrote behind it.
  private func nodes(of module: QuantizedModule, in graph: Graph) -> [NodeID] {
    var result: [NodeID] = []
    for id in module.nodes where graph.contains(id) {
      result.append(id)
      var current = id
      while ["Add", "Mul", "Cast"].contains(graph[current].op),
        let operand = graph[current].input(0), let producer = graph[operand].producer,
        graph[producer].origin == graph[id].origin, !result.contains(producer)
      {
        result.append(producer)
        current = producer
      }
    }
    return result
  }
}

extension Scale {
  /// One number, or how many and between which.
  fileprivate var summary: String {
    switch self {
    case .dynamic: "at run time"
    case .perTensor(let value): "\(value)"
    case .perChannel(let values, _):
      "\(values.count) from \(values.min() ?? 0) to \(values.max() ?? 0)"
    }
  }
}

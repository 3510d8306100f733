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
/// Of scales for each channel, how many there are and the least and the largest are said. What is put between a
/// value and the operator that reads it, a cast or a clamp, has the modules that read it, the scale, and as its
/// reason which operands it makes: of more than sixteen the first, and how many.
package struct AnnotateNodes: Pass {
  package static let name = "annotate-nodes"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    annotate(&model.graph, &context, depth: 1)
  }

  private func annotate(_ graph: inout Graph, _ context: inout PassContext, depth: Int) {
    annotateQuantizers(of: &graph, &context)
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
        graph.annotate(id, with: pairs)
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
  /// What a node in front of modules makes operands for.
  private struct Use {
    let scale: String
    private(set) var modules = Names()
    private(set) var operands = Names()
    private var last: String?

    init(scale: String) { self.scale = scale }

    mutating func add(_ port: String, of module: String) {
      if module != last { modules.add(module) }
      last = module
      operands.add("\(port) of \(module)")
    }
  }

  /// Names of which the first are said, as a weight may have thousands of readers.
  private struct Names {
    private var first: [String] = []
    private var count = 0

    private static let limit = 16

    mutating func add(_ name: String) {
      count += 1
      if count <= Names.limit { first.append(name) }
    }

    var text: String {
      first.joined(separator: ", ") + (count > Names.limit ? ", … \(count) in all" : "")
    }
  }

  private func annotateQuantizers(of graph: inout Graph, _ context: inout PassContext) {
    var uses: [NodeID: Use] = [:]
    var order: [NodeID] = []
    for module in graph.modules {
      for port in module.ports {
        guard let value = port.value, let scale = port.scale else { continue }
        for id in quantizers(from: value, to: module, in: graph) {
          if uses[id] == nil {
            order.append(id)
            uses[id] = Use(scale: scale.summary)
          }
          uses[id]?.add(port.name, of: module.path)
        }
      }
    }
    for id in order {
      guard let use = uses[id] else { continue }
      graph.annotate(
        id,
        with: [
          Metadata(Metadata.module, use.modules.text),
          Metadata("fp8c.scale", use.scale),
          Metadata("fp8c.reason", use.operands.text),
        ])
      context.count("annotated", by: 1)
    }
  }

  /// The most nodes that lowering puts between a value and what reads it.
  private static let reach = 8

  /// The nodes through which a module's operators read a value of the source.
  private func quantizers(
    from value: ValueID, to module: QuantizedModule, in graph: Graph
  ) -> [NodeID] {
    var result: [NodeID] = []
    for reader in nodes(of: module, in: graph) {
      for operand in graph[reader].inputs {
        guard var current = operand else { continue }
        var chain: [NodeID] = []
        while current != value, chain.count < AnnotateNodes.reach,
          let producer = graph[current].producer, !module.nodes.contains(producer),
          let next = graph[producer].input(0)
        {
          chain.append(producer)
          current = next
        }
        guard current == value else { continue }
        result += chain.reversed().filter { !result.contains($0) }
      }
    }
    return result
  }

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

extension Graph {
  /// Sets pairs of a node's metadata, in the place of those of the same keys.
  fileprivate mutating func annotate(_ id: NodeID, with pairs: [Metadata]) {
    update(id) { node in
      node.annotations.metadata =
        node.annotations.metadata.filter { pair in !pairs.contains { $0.key == pair.key } } + pairs
    }
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

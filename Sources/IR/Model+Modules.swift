/// A module and the graph that holds its nodes.
package struct PlacedModule: Sendable {
  package let module: QuantizedModule
  package let graph: Graph
  /// The constants that the graph captures.
  private let outer: [String: Weight]

  init(_ module: QuantizedModule, in graph: Graph, outer: [String: Weight]) {
    self.module = module
    self.graph = graph
    self.outer = outer
  }

  /// The constant that a port reads, wherever it is defined.
  package func weight(of port: Port) -> Weight? {
    port.value.flatMap { graph.weight(of: $0, outer: outer) }
  }
}

extension Model {
  /// The modules of the main graph, then those of bodies, in the order of the nodes that hold them.
  package var placedModules: [PlacedModule] {
    var placed: [PlacedModule] = []
    func visit(_ graph: Graph, outer: [String: Weight], depth: Int) {
      placed += graph.modules.map { PlacedModule($0, in: graph, outer: outer) }
      guard depth < Graph.depthLimit else { return }
      for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
        let visible = graph.visibleWeights(from: graph[id], outer: outer)
        for body in graph[id].bodies { visit(body, outer: visible, depth: depth + 1) }
      }
    }
    visit(graph, outer: [:], depth: 1)
    return placed
  }

  package var modules: [QuantizedModule] { placedModules.map(\.module) }
}

extension Node {
  /// True for the standard operators whose bodies may hold modules: how often each runs is known.
  package var holdsRepeatableBodies: Bool {
    domain.isEmpty && (op == "If" || op == "Loop" || op == "Scan") && !bodies.isEmpty
  }
}

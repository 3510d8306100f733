/// A module and the graph that holds its nodes.
package struct PlacedModule: Sendable {
  package let module: QuantizedModule
  private let place: Place

  /// What all modules of one graph share.
  private final class Place: Sendable {
    let graph: Graph
    /// The constants that the graph captures.
    let outer: [String: Weight]

    init(_ graph: Graph, outer: [String: Weight]) {
      self.graph = graph
      self.outer = outer
    }
  }

  fileprivate static func all(in graph: Graph, outer: [String: Weight]) -> [PlacedModule] {
    let place = Place(graph, outer: outer)
    return graph.modules.map { PlacedModule(module: $0, place: place) }
  }

  package var graph: Graph { place.graph }

  /// The constant that a port reads, wherever it is defined.
  package func weight(of port: Port) -> Weight? {
    port.value.flatMap { place.graph.weight(of: $0, outer: place.outer) }
  }
}

extension Model {
  /// The modules of the main graph, then those of bodies, in the order of the nodes that hold them.
  package var placedModules: [PlacedModule] {
    var placed: [PlacedModule] = []
    forEachGraph { placed += PlacedModule.all(in: $0, outer: $1) }
    return placed
  }

  package var modules: [QuantizedModule] {
    var modules: [QuantizedModule] = []
    forEachGraph { graph, _ in modules += graph.modules }
    return modules
  }

  package var hasModules: Bool {
    var isFound = false
    forEachGraph { graph, _ in isFound = isFound || !graph.modules.isEmpty }
    return isFound
  }

  /// True where any graph has modules, a function's and one that may hold none too.
  package var namesModules: Bool {
    func names(_ graph: Graph) -> Bool {
      !graph.modules.isEmpty || graph.nodeIDs.contains { graph[$0].bodies.contains(where: names) }
    }
    return names(graph) || functions.contains { names($0.body) }
  }

  /// Every graph that may hold modules, with the constants that it captures.
  private func forEachGraph(_ body: (Graph, _ outer: [String: Weight]) -> Void) {
    func visit(_ graph: Graph, outer: [String: Weight], depth: Int) {
      body(graph, outer)
      guard depth < Graph.depthLimit else { return }
      for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
        let visible = graph.visibleWeights(from: graph[id], outer: outer)
        for body in graph[id].bodies { visit(body, outer: visible, depth: depth + 1) }
      }
    }
    visit(graph, outer: [:], depth: 1)
  }
}

extension Node {
  /// True for the standard operators whose bodies may hold modules: how often each runs is known.
  package var holdsRepeatableBodies: Bool {
    domain.isEmpty && (op == "If" || op == "Loop" || op == "Scan") && !bodies.isEmpty
  }
}

package import IR
package import Support
internal import Targets

/// Finds the parts of the graph that run in FP8 and annotates them.
///
/// Before:
///
///     weight @fc.weight: f32[64, 10]
///     %h = MatMul(%x, @fc.weight) : f32[4, 10]
///     %y = Add(%h, @fc.bias) : f32[4, 10]
///
/// After, the same nodes and
///
///     module linear "fc" Linear by weight-name
///       (input: activation %x, weight: weight @fc.weight axis 1, bias: unquantized @fc.bias) = %h, %y
///
/// What is left is noted with the reason in `context.left`. Modules that stand already are kept, so a
/// second run changes nothing.
package struct SelectModules: Pass {
  package static let name = "select-modules"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    context.left = []
    context.reasons = [:]
    var paths: [String: Int] = [:]
    for module in model.modules { paths[module.path, default: 0] += 1 }
    select(in: &model.graph, outer: [:], &paths, &context, depth: 1)
    warnOfIdleSelectors(model, &context)
  }

  /// The graph's own modules, then those of its bodies.
  private func select(
    in graph: inout Graph, outer: [String: Weight], _ paths: inout [String: Int],
    _ context: inout PassContext, depth: Int
  ) {
    var finder = ModuleFinder(graph: graph, outer: outer, context: context, paths: paths)
    finder.run()
    paths = finder.paths
    for module in finder.found { graph.addModule(module) }
    context.left += finder.left
    context.reasons.merge(finder.reasons) { first, _ in first }
    for warning in finder.warnings { context.warn(warning) }
    context.count("modules", by: finder.found.count)
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      let visible = graph.visibleWeights(from: node, outer: outer)
      node.mapBodies { body in
        select(in: &body, outer: visible, &paths, &context, depth: depth + 1)
      }
      if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
    }
  }
}

extension SelectModules {
  /// A selector that matches nothing is a warning that names what comes nearest.
  private func warnOfIdleSelectors(_ model: Model, _ context: inout PassContext) {
    let selection = context.settings.selection
    guard !selection.isEmpty else { return }
    let paths = model.modules.map(\.path) + context.left.map(\.path)
    let types = model.modules.map(\.type) + context.left.map(\.type)
    for pattern in selection.allowedNames + selection.blockedNames
    where !paths.contains(where: { pattern.matches($0) }) {
      context.warn(.idleSelector(pattern.source, near: nearest(to: pattern.source, among: paths)))
    }
    for type in selection.allowedTypes + selection.blockedTypes where !types.contains(type) {
      context.warn(.idleSelector(type, near: nearest(to: type, among: types)))
    }
  }
}

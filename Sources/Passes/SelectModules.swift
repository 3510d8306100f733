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
    var finder = ModuleFinder(graph: model.graph, outer: [:], context: context, paths: [:])
    finder.run()
    for module in finder.found { model.graph.addModule(module) }
    context.left = finder.left
    context.reasons = finder.reasons
    for warning in finder.warnings { context.warn(warning) }
    warnOfIdleSelectors(model.graph, &context)
    context.count("modules", by: finder.found.count)
  }
}

extension SelectModules {
  /// A selector that matches nothing is a warning that names what comes nearest.
  private func warnOfIdleSelectors(_ graph: Graph, _ context: inout PassContext) {
    let selection = context.settings.selection
    let paths = graph.modules.map(\.path) + context.left.map(\.path)
    let types = graph.modules.map(\.type) + context.left.map(\.type)
    for pattern in selection.allowedNames + selection.blockedNames
    where !paths.contains(where: { pattern.matches($0) }) {
      context.warn(.idleSelector(pattern.source, near: nearest(to: pattern.source, among: paths)))
    }
    for type in selection.allowedTypes + selection.blockedTypes where !types.contains(type) {
      context.warn(.idleSelector(type, near: nearest(to: type, among: types)))
    }
  }
}

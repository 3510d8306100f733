package import IR
package import Support
internal import Targets

/// Adds graph outputs that say what FP8 costs every module, and of which kind the cost is.
///
/// Next to each module that has scales stand copies of it that read, in place of its
/// operands, what FP8 would make of them. Every module reads what the model computes without FP8, so an
/// error belongs to one module and does not grow from module to module.
///
/// Before:
///
///     %y = MatMul(%x, @w) : f32[4, 10]
///     module linear "fc" Linear … (input: activation %x scale 1.0, weight: weight @w scale 0.0625) = %y
///
/// After, eight scalars that are outputs of the graph too:
///
///     %"fp8c.error/fc/signal" = the sum of squares of %y
///     %"fp8c.error/fc/weights" = the same of the difference where only weights are rounded
///     %"fp8c.error/fc/saturation" = where activations are clamped to full scale, and nothing is rounded
///     %"fp8c.error/fc/rounding" = where activations are clamped and rounded, less the clamped ones
///     %"fp8c.error/fc/total" = where all of it happens
///     %"fp8c.error/fc/clipped" = the elements of activations beyond full scale
///     %"fp8c.error/fc/flushed" = those other than zero that become zero
///     %"fp8c.error/fc/elements" = all of them
///
/// What a body sums leaves the node that holds it, over all turns. A softmax has a scale for its result, which is rounded in the same way. A scale that is computed when the model
/// runs is computed by the target's cast, whose definition is added to the model's functions.
package struct ObserveErrors: Pass {
  package static let name = "observe-errors"

  /// What is summed for a module.
  package enum Quantity: String, CaseIterable, Sendable {
    case signal
    case weights
    case saturation
    case rounding
    case total
    case clipped
    case flushed
    case elements
  }

  package init() {}

  /// The graph output that gives a sum.
  package static func outputName(path: String, _ quantity: Quantity) -> String {
    "\(prefix(path: path))/\(quantity.rawValue)"
  }

  fileprivate static func prefix(path: String) -> String { "fp8c.error/\(path)" }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var names = NameSource(model.graph)
    let main = model.graph
    var observation = Observation(settings: context.settings, opset: model.opset ?? 0) { path in
      main.value(named: Self.outputName(path: path, .signal)) != nil
    }
    let observed = observation.run(on: &model.graph, &names, depth: 1)
    guard !observed.isEmpty else { return }
    if observation.usesDynamicCast {
      let domain = context.settings.target.domain
      let function = TargetOperator.dynamicCastToFp8.definition(
        domain: domain, opset: observation.opset)
      if model.function(function.key) == nil { model.functions.append(function) }
      model.opsets.set(domain, to: 1)
    }
    var outputs = model.graph.outputs
    for item in observed {
      for scalar in item.scalars {
        let node = model.graph.addNode(
          Node(op: "Identity", inputs: [scalar.value], outputs: []),
          results: [
            ("\(item.name)/\(scalar.suffix)", .tensor(TensorType(.float32, sizes: [])))
          ])
        outputs += model.graph[node].outputs.compactMap { $0 }
      }
      context.count("modules")
    }
    model.graph.setOutputs(outputs)
  }
}

/// One run over a graph and the bodies in it.
private struct Observation {
  let settings: PassSettings
  let opset: Int64
  let isKnown: (String) -> Bool
  private(set) var usesDynamicCast = false

  init(settings: PassSettings, opset: Int64, isKnown: @escaping (String) -> Bool) {
    self.settings = settings
    self.opset = opset
    self.isKnown = isKnown
  }

  /// Gives the sums of a graph's modules and of those in its bodies as values of the graph.
  mutating func run(
    on graph: inout Graph, _ names: inout NameSource, depth: Int
  ) -> [ObservedScalars] {
    var observed: [ObservedScalars] = []
    for module in graph.modules where !isKnown(module.path) {
      guard let copies = ModuleCopies(module, in: graph, settings),
        // The operator's definition is written in what opset 21 has.
        opset >= 21 || !copies.hasDynamicScales
      else { continue }
      usesDynamicCast = usesDynamicCast || copies.hasDynamicScales
      let sums = copies.sums(in: &graph)
      observed.append(
        ObservedScalars(
          name: ObserveErrors.prefix(path: module.path),
          scalars: ObserveErrors.Quantity.allCases.compactMap { quantity in
            sums[quantity].map {
              .init(suffix: quantity.rawValue, value: $0, element: .float32, reduction: .sum)
            }
          }))
    }
    guard depth < Graph.depthLimit else { return observed }
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      var inner: [[ObservedScalars]] = []
      node.mapBodies { body in
        let before = Set(body.values.map { body[$0].name })
        inner.append(run(on: &body, &names, depth: depth + 1))
        names.separate(&body, from: before)
      }
      guard inner.contains(where: { !$0.isEmpty }) else { continue }
      observed += ObserverLift(inner, outOf: node).run(at: id, node, in: &graph, &names)
    }
    return observed
  }
}

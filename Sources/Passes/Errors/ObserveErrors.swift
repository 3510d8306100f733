package import IR
package import Support
internal import Targets

/// Adds graph outputs that say what FP8 costs every module, and of which kind the cost is.
///
/// Next to each module of the main graph that has scales stand copies of it that read, in place of its
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
/// A softmax has a scale for its result, which is rounded in the same way. A scale that is computed when the model
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
    "fp8c.error/\(path)/\(quantity.rawValue)"
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var outputs = model.graph.outputs
    let opset = model.opset ?? 0
    let domain = context.settings.target.domain
    for module in model.graph.modules {
      guard model.graph.value(named: Self.outputName(path: module.path, .signal)) == nil,
        let copies = ModuleCopies(
          module, in: model.graph, context.settings),
        // The operator's definition is written in what opset 21 has.
        opset >= 21 || !copies.hasDynamicScales
      else { continue }
      if copies.hasDynamicScales {
        let function = TargetOperator.dynamicCastToFp8.definition(domain: domain, opset: opset)
        if model.function(function.key) == nil { model.functions.append(function) }
        model.opsets.set(domain, to: 1)
      }
      let sums = copies.sums(in: &model.graph)
      for quantity in Quantity.allCases {
        guard let value = sums[quantity] else { continue }
        let node = model.graph.addNode(
          Node(op: "Identity", inputs: [value], outputs: []),
          results: [
            (
              Self.outputName(path: module.path, quantity),
              .tensor(TensorType(.float32, sizes: []))
            )
          ])
        outputs += model.graph[node].outputs.compactMap { $0 }
      }
      context.count("modules")
    }
    if outputs != model.graph.outputs { model.graph.setOutputs(outputs) }
  }
}

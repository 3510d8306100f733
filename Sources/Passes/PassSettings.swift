package import FP8
package import IR
package import Support
package import Targets

/// The tables and choices that passes work with, and what the driver found out for them.
package struct PassSettings {
  package var target: Target
  package var modules: ModuleTable
  package var operators: OperatorTable
  package var selection: Selection
  /// The scale method of every module.
  package var plan: MethodPlan
  /// The FP8 format chosen, with the target's limits for it.
  package var limits: FormatLimits
  package var hp: HighPrecision
  package var arithmetic: ScaleArithmetic
  package var form = OutputForm.target
  /// Where set, weights are rounded to this type before FP8.
  package var weightsVia: HighPrecision?
  package var ignoresUnmeasured = false
  package var measuresOutputs = false
  package var observer = ObserverKind.maxabs
  /// Scales of activations are computed when the model runs.
  package var isDynamic = false
  /// Caches of keys and values enter and leave the graph as FP8 codes.
  package var hasFP8Cache = false
  /// An infinite or NaN range counts as the largest number of the high precision type.
  package var allowsNonFinite = false

  /// Measured ranges by module path and port.
  package var ranges: [String: [String: [Float]]] = [:]
  /// The measured modules that the model does not have, in the order of their file.
  package var unboundNames: [String] = []
  /// The largest magnitudes of weights, one number or one for each channel.
  package var weightRanges: [WeightChannels: [Float]] = [:]
  /// Scales found by a search over a weight's elements.
  package var searchedScales: [WeightSearch: Scale] = [:]

  /// The defaults of the command line: `gaudi2`, E4M3, bf16 and `maxabs_hw`.
  package init() throws(Diagnostic) {
    target = try Target.load("gaudi2")
    modules = try ModuleTable.embedded()
    operators = try OperatorTable.embedded()
    plan = MethodPlan(try MethodTable.embedded().method("maxabs_hw"))
    limits = try target.limits(of: .e4m3)
    hp = .bf16
    arithmetic = ScaleArithmetic.standard(for: .bf16)
    selection = Selection(defaultTypes: modules.defaultTypes)
  }

  /// The standard opset that a model of `source` is emitted at (decisions.md, Output form).
  package func emittedOpset(from source: Int64) -> Int64 { max(source, hp == .bf16 ? 23 : 21) }

  package func method(of module: QuantizedModule) -> ScaleMethod {
    plan.method(path: module.path, type: module.type)
  }

  /// False where no scale comes from a measurement.
  package var needsRanges: Bool { !isDynamic && plan.needsRanges }

  /// The part of a weight that has a scale of its own under a method.
  package func channels(
    of port: Port, in graph: Graph, _ method: ScaleMethod
  ) -> WeightChannels {
    WeightChannels(
      graph.name(of: port),
      axis: method.weight.granularity == .perChannel ? port.channelAxis : nil)
  }

  /// A side of the method as a rule.
  package func rule(_ choice: ScaleChoice) throws(Diagnostic) -> ScaleRule {
    try ScaleRule(choice, limits: limits, arithmetic: arithmetic, precision: hp)
  }
}

/// A search over a weight: methods may try other candidates.
package struct WeightSearch: Hashable, Sendable {
  package let channels: WeightChannels
  package let choice: ScaleChoice

  package init(_ channels: WeightChannels, _ choice: ScaleChoice) {
    self.channels = channels
    self.choice = choice
  }
}

/// A weight as one module reads it: whole, or channel by channel along an axis.
///
/// A product and a transposed one may share a weight, and the channels of each are the other's depth.
/// Weights are known by name, which is one for each in the whole model (`HoistWeights`).
package struct WeightChannels: Hashable, Sendable {
  package let weight: String
  package let axis: Int?

  package init(_ weight: String, axis: Int?) {
    self.weight = weight
    self.axis = axis
  }
}

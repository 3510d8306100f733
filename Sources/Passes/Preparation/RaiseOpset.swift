package import IR
package import Support
internal import Targets

/// Takes the model to a newer version of the standard operators, each operator with its meaning.
///
/// Before, at opset 12:
///
///     %m = ReduceSum(%x) {axes = [1], keepdims = 0}
///     %y = Softmax(%m) {axis = 1}
///
/// After, at opset 21:
///
///     weight @m.axes: i64[1] = [1]
///     %m = ReduceSum(%x, @m.axes) {keepdims = 0}
///     %y = Softmax(%m) {axis = -1}
///
/// `schemas/opsets.json` says what each version changed. What has no equal is refused by the name
/// of the operator. Bodies and local functions are raised too, each from its own version, and the
/// file format to the least version that has the opset. A newer model is left as it is.
package struct RaiseOpset: Pass {
  package static let name = "raise-opset"
  package static let options = ["opset"]

  /// The version to raise to; the one that the settings emit where it is not given.
  package var opset: Int64?

  /// The least version that can be raised to: what replaces old forms is spelled in it.
  private static let least: Int64 = 21

  package init() {}

  package init(opset: Int64?) { self.opset = opset }

  package mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    guard let number = Int64(value), number >= RaiseOpset.least else {
      throw .optionValue(
        value, of: option, pass: RaiseOpset.name,
        expected: "an opset of \(RaiseOpset.least) or higher")
    }
    opset = number
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    let imports = [model.opsets] + model.functions.map(\.opsets)
    let versions = imports.compactMap { $0.version(of: "") }
    guard let newest = versions.max(), let oldest = versions.min() else { return }
    let opsets = try OpsetTable.embedded()
    let target = max(newest, opset ?? context.settings.emittedOpset(from: newest))
    for version in [oldest, target] where !opsets.accepted.contains(version) {
      throw .opsetNotAccepted(version, accepted: opsets.accepted)
    }
    var raiser = OpsetRaiser(
      target: target, operators: context.settings.operators, opsets: opsets,
      functions: Set(model.functions.map(\.key)))
    if let source = model.opset {
      try raiser.raise(&model.graph, from: source)
      model.opsets.set("", to: target)
    }
    for index in model.functions.indices {
      guard let source = model.functions[index].opsets.version(of: "") else { continue }
      try raiser.raise(&model.functions[index].body, from: source)
      model.functions[index].opsets.set("", to: target)
    }
    model.irVersion = max(model.irVersion, opsets.irVersion(for: target))
    if raiser.count > 0 { context.count("adapted", by: raiser.count) }
  }
}

internal import FP8
package import IR
package import Support
internal import Targets

/// Attaches measured ranges to the ports of every module.
///
/// Before:
///
///     module linear "fc" Linear … (input: activation %x, weight: weight @w axis 1) = %y
///
/// After:
///
///     module linear "fc" Linear …
///       (input: activation %x maxabs 6.5, weight: weight @w axis 1 maxabs 0.8) = %y
///
/// Activations take theirs from the measurement of the module's path, weights from the statistics of
/// their own bytes ([R-9] for convolutions; inc-fp8.md A19). Where the method needs no ranges nothing
/// is asked for. Modules without a measurement are an error that names them all, or stay in high
/// precision where the configuration says so ([R-16]).
package struct BindMeasurements: Pass {
  package static let name = "bind-measurements"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var missing: [String] = []
    model.graph.mapAll { bind(&$0, &missing, &context) }
    guard !missing.isEmpty else { return }
    guard context.settings.ignoresUnmeasured else {
      throw .unmeasured(missing, unbound: context.settings.unboundNames)
    }
    for path in missing { context.remark(.leftUnmeasured(path)) }
    let left = Set(missing)
    model.graph.mapAll { $0.removeModules { left.contains($0.path) } }
  }

  private func bind(
    _ graph: inout Graph, _ missing: inout [String], _ context: inout PassContext
  ) {
    for index in graph.modules.indices {
      let module = graph.modules[index]
      let method = context.settings.method(of: module)
      guard method.activation.value != .fixed || method.weight.value != .fixed else { continue }
      let record = context.settings.ranges[module.path]
      var ports = module.ports
      var isComplete = true
      for position in ports.indices {
        switch ports[position].role {
        case .activation, .output:
          guard method.activation.value != .fixed, !context.settings.isDynamic else { continue }
          if let range = range(of: ports[position], module, record, &context) {
            ports[position].maxAbs = range
          } else if isNeeded(ports[position], module, context) {
            isComplete = false
          }
        case .weight:
          if let statistics = context.settings.weightRanges[
            context.settings.channels(of: ports[position], in: graph, method)]
          {
            ports[position].maxAbs = statistics
          }
        case .unquantized: continue
        }
      }
      if isComplete {
        graph.updateModule(at: index) { $0.ports = ports }
      } else {
        missing.append(module.path)
        if context.settings.ignoresUnmeasured {
          context.leave(module, of: graph, because: "it has no measurement")
        }
      }
    }
  }

  /// The measured range, by the table of kinds from another port, or the one known beforehand.
  private func range(
    of port: Port, _ module: QuantizedModule, _ record: [String: [Float]]?,
    _ context: inout PassContext
  ) -> [Float]? {
    let row = context.settings.modules.kind(named: module.kind)?.port(port.name)
    if let source = row?.range {
      if let range = record?[source] { return range }
      if record?[port.name] != nil { context.warn(.rangeOfInput(port.name, of: module.path)) }
    }
    return record?[port.name] ?? row?.otherwise.map { [$0] }
  }

  /// True for operands, and for outputs that have a scale of their own.
  private func isNeeded(_ port: Port, _ module: QuantizedModule, _ context: PassContext) -> Bool {
    port.role == .activation
      || context.settings.modules.kind(named: module.kind)?.port(port.name)?.scale == .own
  }
}

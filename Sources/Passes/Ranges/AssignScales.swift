internal import FP8
package import IR
package import Support
internal import Targets

/// Gives every quantized port the scale that its measured range asks for.
///
/// The scale maps `maxabs` to the method's share of full scale and then moves up to the next scale
/// that the method allows. Rounding up is what keeps the largest value from saturating.
///
/// Before:
///
///     module linear "fc" Linear …
///       (input: activation %x maxabs 6.5, weight: weight @w axis 1 maxabs 0.8) = %y
///
/// After, with full scale 240, backoff 0.25 and 0.5, and aligned scales 1/256, 1/16, 1 and 16:
///
///     module linear "fc" Linear …
///       (input: activation %x maxabs 6.5 scale 1.0,
///        weight: weight @w axis 1 maxabs 0.8 scale 0.0625) = %y
///
package struct AssignScales: Pass {
  package static let name = "assign-scales"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    try model.graph.mapAll { graph throws(Diagnostic) in
      for index in graph.modules.indices {
        let module = graph.modules[index]
        var ports = module.ports
        for position in ports.indices {
          guard let scale = try scale(of: ports[position], module, graph, &context) else {
            continue
          }
          ports[position].scale = scale
          context.count("scales")
        }
        graph.updateModule(at: index) { $0.ports = ports }
      }
    }
  }

  private func scale(
    of port: Port, _ module: QuantizedModule, _ graph: Graph, _ context: inout PassContext
  ) throws(Diagnostic) -> Scale? {
    let method = context.settings.method(of: module)
    switch port.role {
    case .unquantized: return nil
    case .output where context.settings.isDynamic: return nil
    case .output:
      // The output of a product has the product of the operands' scales, which nothing applies.
      let kind = context.settings.modules.kind(named: module.kind)
      guard kind?.port(port.name)?.scale == .own else { return nil }
      return try perTensor(port, module, method.activation, &context)
    case .activation where context.settings.isDynamic:
      let isPerTensor = method.activation.granularity == .perTensor
      return .dynamic(reducing: isPerTensor ? nil : depthAxis(of: port, module, graph))
    case .activation:
      return try perTensor(port, module, method.activation, &context)
    case .weight:
      let channels = context.settings.channels(of: port, in: graph, method)
      let search = WeightSearch(channels, method.weight)
      if let searched = context.settings.searchedScales[search] { return searched }
      guard method.weight.granularity == .perChannel, let axis = port.channelAxis else {
        return try perTensor(port, module, method.weight, &context)
      }
      return try perChannel(port, axis, module, method.weight, graph, &context)
    }
  }

  /// The axis of an operand that a product sums over, counted from the end; `nil` for a vector.
  private func depthAxis(of port: Port, _ module: QuantizedModule, _ graph: Graph) -> Int? {
    if graph.type(of: port)?.shape?.count ?? 2 < 2 { return nil }
    for id in module.nodes {
      let node = graph[id]
      guard let value = port.value, node.inputs.contains(value) else { continue }
      // Both operands may be one value: the one called `other` is the right one.
      let isRight = port.name == "other" || node.input(0) != value
      let transposes = node.int(isRight ? "transB" : "transA") ?? 0 != 0
      return isRight == transposes ? -1 : -2
    }
    return -1
  }

  private func perTensor(
    _ port: Port, _ module: QuantizedModule, _ choice: ScaleChoice, _ context: inout PassContext
  ) throws(Diagnostic) -> Scale {
    let rule = try context.settings.rule(choice)
    let ranges = choice.value == .fixed ? [0] : port.maxAbs ?? []
    guard var maxAbs = ranges.first(where: \.isNaN) ?? ranges.max() else {
      throw .unmeasuredPort(port.name, of: module.path)
    }
    if context.settings.allowsNonFinite {
      let limit = rule.precision.maxFinite
      maxAbs = maxAbs.isNaN ? limit : min(maxAbs, limit)
    }
    let result = rule.scale(forMaxAbs: maxAbs)
    guard let value = result.value else {
      throw .rangeNotFinite(maxAbs, port: port.name, of: module.path)
    }
    if result == .unitForZero { context.warn(.zeroRange(port.name, of: module.path)) }
    return .perTensor(value)
  }

  private func perChannel(
    _ port: Port, _ axis: Int, _ module: QuantizedModule, _ choice: ScaleChoice, _ graph: Graph,
    _ context: inout PassContext
  ) throws(Diagnostic) -> Scale {
    let rule = try context.settings.rule(choice)
    let size = graph.type(of: port)?.sizes.map { Int($0[axis]) } ?? 0
    if choice.value == .fixed {
      return .perTensor(rule.scale(forMaxAbs: 0).value ?? 1)
    }
    guard let ranges = port.maxAbs, ranges.count == size else {
      throw .unmeasuredPort(port.name, of: module.path)
    }
    var scales: [Float] = []
    scales.reserveCapacity(size)
    let precision = HighPrecision(graph.type(of: port)?.element) ?? .fp32
    for range in ranges {
      guard let value = rule.channelScale(forMaxAbs: range, in: precision).value else {
        throw .rangeNotFinite(range, port: port.name, of: module.path)
      }
      scales.append(value)
    }
    return .perChannel(scales, axis: axis)
  }
}

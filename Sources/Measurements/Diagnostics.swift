internal import Support

extension Diagnostic {
  static func blockProductsWithoutOutput(_ modules: [String]) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "no output was measured of \(listed(modules)): the second operand takes its input's range")
  }

  static func differentLayouts(of what: String, module: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'\(what)' of module '\(module)' differ in number or size between the measurements")
  }

  static func differentModes() -> Diagnostic {
    Diagnostic(.error, .configuration, "one measurement holds ranges, another shapes")
  }

  static func dynamicOnly(_ method: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "scale method '\(method)' has activation scales per channel, which only dynamic "
        + "quantization knows")
  }

  static func notMeasured(_ tensor: String, of module: String) -> Diagnostic {
    Diagnostic(.error, .configuration, "\(tensor) of module '\(module)' was not measured")
  }

  static func notOneArray(_ count: Int, file: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "holds \(count) arrays, expected the one of a measurement")
  }

  static func rangeNotFinite(
    _ range: Float, of tensor: String, module: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "range of \(tensor) of module '\(module)' is \(range), expected a number with a scale")
  }

  static func renamedAlike(_ first: String, _ second: String, to name: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "measured modules '\(first)' and '\(second)' would both be '\(name)', expected one of a name")
  }

  static func scalesNotRanges(file: String?) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "holds scales, expected a measurement",
      notes: ["the measurement's name has no method in it"])
  }

  static func unknownRecord(_ node: MeasuredNode) -> Diagnostic {
    let weight = node.weight == nil ? "no weight" : "a weight"
    return Diagnostic(
      .error, .configuration,
      "module '\(node.name)' has \(node.inputs.count) inputs, \(node.outputs.count) outputs and "
        + "\(weight), which fits no kind of module")
  }

  static func weightsByMaxAbs(_ modules: [String]) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "the bytes of the weights of \(listed(modules)) are not at hand: one scale by maxabs each")
  }

  static func zeroRanges(_ tensors: [String]) -> Diagnostic {
    Diagnostic(.warning, .done, "the range of \(listed(tensors)) is zero: scale 1")
  }
}

/// The first names in quotes, and how many there are where that is not all.
private func listed(_ names: [String]) -> String {
  let shown = names.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
  return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
}

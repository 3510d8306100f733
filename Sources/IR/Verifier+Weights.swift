import Support

/// Sources, recipes and scales.
extension Verification {
  func check(
    _ weight: Weight, named name: String, at location: Location = Location()
  ) throws(Diagnostic) {
    guard let sizes = weight.stored.sizes, let count = TensorType.count(of: sizes) else {
      throw .weightShape(name, at: location)
    }
    try checkLength(of: weight, count: count, named: name, at: location)
    guard !weight.isOverridable || weight.recipe.isEmpty else {
      throw .overridableRecipe(name, at: location)
    }
    var type = weight.stored
    for (index, step) in weight.recipe.enumerated() {
      switch step {
      case .cast(let element, _):
        guard type.element != .string, element != .string else {
          throw .stringCast(name, at: location)
        }
      case .transpose(let permutation):
        guard permutation.sorted() == Array(0..<(type.shape?.count ?? 0)) else {
          throw .permutation(name, at: location)
        }
      case .reshape(let sizes):
        guard let made = TensorType.count(of: sizes), made == count else {
          throw .reshape(name, to: sizes, count: count, at: location)
        }
      case .quantize(let quantization):
        guard index == weight.recipe.count - 1 else { throw .quantizedEarly(name, at: location) }
        try check(quantization, of: type, named: name)
      }
      type = step.type(from: type)
    }
  }

  private func checkLength(
    of weight: Weight, count: Int, named name: String, at location: Location
  ) throws(Diagnostic) {
    let element = weight.stored.element
    let length: Int64
    let wanted: Int64?
    switch weight.source {
    case .range(let range):
      guard range.offset >= 0, range.length >= 0,
        !range.offset.addingReportingOverflow(range.length).overflow
      else { throw .weightRange(name, at: location) }
      guard element != .string else { throw .weightElement(name, at: location) }
      guard range.encoding == .raw || range.encoding == .absent else { return }
      length = range.length
      wanted = element.byteCount(of: count).map { Int64($0) }
    case .literal(let bytes, _):
      guard element != .string else { throw .weightElement(name, at: location) }
      length = Int64(bytes.count)
      wanted = element.byteCount(of: count).map { Int64($0) }
    case .strings(let strings):
      guard element == .string else { throw .weightElement(name, at: location) }
      length = Int64(strings.count)
      wanted = Int64(count)
    }
    guard length == wanted else {
      throw .weightLength(name, length, expected: wanted, at: location)
    }
  }

  private func check(
    _ quantization: Quantization, of type: TensorType, named name: String
  ) throws(Diagnostic) {
    guard type.element.isHighPrecision, quantization.via?.isHighPrecision ?? true else {
      throw .quantizedFrom(name)
    }
    guard quantization.element.isFloat8 else { throw .quantizedTo(quantization.element, name) }
    guard quantization.fullscale.isFinite, quantization.fullscale > 0 else {
      throw .weightFullscale(quantization.fullscale, name)
    }
    if case .dynamic = quantization.scale { throw .dynamicWeight(name) }
    try check(quantization.scale, of: type.shape, named: name)
  }

  func check(
    _ scale: Scale, of shape: [Dimension]?, named name: String
  ) throws(Diagnostic) {
    if let wrong = scale.values.first(where: { !$0.isFinite || $0 <= 0 }) {
      throw .scaleValue(wrong, name)
    }
    if case .dynamic(let axis?) = scale {
      guard axis < 0, -axis <= shape?.count ?? .max else { throw .scaleAxis(axis, name) }
    }
    guard case .perChannel(let values, let axis) = scale else { return }
    guard axis >= 0, axis < shape?.count ?? .max else { throw .scaleAxis(axis, name) }
    if let size = shape?[axis].size, size != Int64(values.count) {
      throw .scaleCount(values.count, name, expected: size)
    }
  }
}

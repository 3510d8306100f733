internal import IR

/// What a standard operator makes of constants.
struct ConstantReading {
  private let node: Node
  /// The constants among the operands.
  private let operands: [Weight?]

  /// The most bytes that a filled tensor may have; larger ones are not written as constants.
  private static let filledLimit = 4096

  init(_ node: Node, _ operands: [Weight?]) {
    self.node = node
    self.operands = operands
  }

  /// The tensor that the node itself says.
  var made: Weight? {
    switch node.op {
    case "Constant": node.attributes.lazy.compactMap { said(by: $0) }.first
    case "ConstantOfShape": filled
    default: nil
    }
  }

  private func said(by attribute: Attribute) -> Weight? {
    func list(_ count: Int) -> [Int64] { [Int64(count)] }
    return switch (attribute.name, attribute.value) {
    case ("value", .tensor(let tensor)): tensor.weight
    case ("value_int", .int(let number)): Weight([number], sizes: [])
    case ("value_ints", .ints(let numbers)): Weight(numbers, sizes: list(numbers.count))
    case ("value_float", .float(let number)): Weight([number], sizes: [])
    case ("value_floats", .floats(let numbers)): Weight(numbers, sizes: list(numbers.count))
    case ("value_string", .string(let text)): Weight([text], sizes: [])
    case ("value_strings", .strings(let texts)): Weight(texts, sizes: list(texts.count))
    default: nil
    }
  }

  private var filled: Weight? {
    guard let sizes = integers(0), let count = TensorType.count(of: sizes) else { return nil }
    var one = Weight([Float(0)], sizes: [1])
    if let value = node[attribute: "value"] {
      guard case .tensor(let tensor) = value else { return nil }
      one = tensor.weight
    }
    guard case .literal(let bytes, _) = one.source, one.recipe.isEmpty,
      bytes.count == one.stored.element.byteCount(of: 1), one.stored.elementCount == 1,
      count <= ConstantReading.filledLimit / max(bytes.count, 1)
    else { return nil }
    let all = [[UInt8]](repeating: bytes, count: count).flatMap { $0 }
    return Weight(
      stored: TensorType(one.stored.element, sizes: sizes), source: .literal(all, encoding: .raw))
  }

  /// How the node moves its first operand: in no way, by steps, or (`nil`) in one that is none of a constant.
  func steps(castsToo: Bool) -> [Weight.Step]? {
    guard let weight = operands.first ?? nil, weight.quantization == nil,
      let sizes = weight.type().sizes
    else { return nil }
    let result: [Int64]?
    switch node.op {
    case "Transpose":
      let axes = node.ints("perm") ?? sizes.indices.reversed().map { Int64($0) }
      guard axes.sorted() == sizes.indices.map({ Int64($0) }) else { return nil }
      return [.transpose(axes.map { Int($0) })]
    case "Cast":
      guard let to = node.int("to").flatMap({ ElementType(rawValue: Int32(clamping: $0)) }) else {
        return nil
      }
      let from = weight.type().element
      if from == to { return [] }
      let isFloat = from.isHighPrecision && to.isHighPrecision
      return castsToo && (isFloat || (from == .float64 && to == .float32)) ? [.cast(to)] : nil
    case "Reshape": result = reshaped(sizes)
    case "Flatten": result = flattened(sizes)
    case "Squeeze": result = squeezed(sizes)
    case "Unsqueeze": result = unsqueezed(sizes)
    default: return nil
    }
    return result.map { $0 == sizes ? [] : [.reshape($0)] }
  }

  // MARK: Shapes

  private func integers(_ index: Int) -> [Int64]? {
    operands.indices.contains(index) ? operands[index]?.integers : nil
  }

  private func reshaped(_ sizes: [Int64]) -> [Int64]? {
    guard let wanted = integers(1), let count = TensorType.count(of: sizes) else { return nil }
    let keepsZeros = (node.int("allowzero") ?? 0) != 0
    var result = wanted
    for (index, size) in wanted.enumerated() where size == 0 && !keepsZeros {
      guard index < sizes.count else { return nil }
      result[index] = sizes[index]
    }
    let rest = result.filter { $0 != -1 }
    guard let known = TensorType.count(of: rest) else { return nil }
    switch result.count - rest.count {
    case 0: return known == count ? result : nil
    case 1 where known > 0 && count % known == 0:
      return result.map { $0 == -1 ? Int64(count / known) : $0 }
    default: return nil
    }
  }

  private func flattened(_ sizes: [Int64]) -> [Int64]? {
    let axis = node.int("axis") ?? 1
    let place = axis < 0 ? axis + Int64(sizes.count) : axis
    guard (0...Int64(sizes.count)).contains(place),
      let front = TensorType.count(of: Array(sizes.prefix(Int(place)))),
      let back = TensorType.count(of: Array(sizes.dropFirst(Int(place))))
    else { return nil }
    return [Int64(front), Int64(back)]
  }

  /// The axes that an attribute or an operand gives, of a tensor of so many.
  private func axes(of rank: Int) -> Set<Int>? {
    guard let given = node.ints("axes") ?? integers(1) else { return nil }
    let places = given.map { $0 < 0 ? $0 + Int64(rank) : $0 }
    guard places.allSatisfy({ (0..<Int64(rank)).contains($0) }) else { return nil }
    let axes = Set(places.map { Int($0) })
    return axes.count == given.count ? axes : nil
  }

  private func squeezed(_ sizes: [Int64]) -> [Int64]? {
    guard node.input(1) != nil || node[attribute: "axes"] != nil else {
      return sizes.filter { $0 != 1 }
    }
    guard let axes = axes(of: sizes.count), axes.allSatisfy({ sizes[$0] == 1 }) else {
      return nil
    }
    return sizes.indices.filter { !axes.contains($0) }.map { sizes[$0] }
  }

  private func unsqueezed(_ sizes: [Int64]) -> [Int64]? {
    let count = (node.ints("axes") ?? integers(1))?.count
    guard let count, let axes = axes(of: sizes.count + count) else { return nil }
    var rest = sizes.makeIterator()
    return (0..<sizes.count + count).map { axes.contains($0) ? 1 : rest.next() ?? 1 }
  }
}

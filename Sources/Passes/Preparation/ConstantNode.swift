internal import IR

/// What a standard operator makes of constants, where that is known without their bytes.
struct ConstantNode {
  private let node: Node
  /// The constants among the operands.
  private let operands: [Weight?]

  /// Bytes that `ConstantOfShape` may turn into: a page.
  private static let literalLimit = 4096

  init(_ node: Node, operands: [Weight?]) {
    self.node = node
    self.operands = operands
  }

  /// The weight that `Constant` or a small `ConstantOfShape` makes.
  var weight: Weight? {
    switch node.op {
    case "Constant": constant
    case "ConstantOfShape": filled
    default: nil
    }
  }

  /// The steps that the operator adds to the recipe of its first operand; none where it does
  /// nothing, `nil` where it is no such operator or the operand no constant of a known shape.
  var steps: [Weight.Step]? {
    guard let weight = operands.first ?? nil, let sizes = weight.type().sizes else { return nil }
    if case .quantize? = weight.recipe.last { return nil }
    switch node.op {
    case "Transpose": return transposition(of: sizes.count).map { [.transpose($0)] }
    case "Cast": return cast(from: weight.type().element)
    case "Reshape": return reshaped(sizes).map { step(from: sizes, to: $0) }
    case "Flatten": return flattened(sizes).map { step(from: sizes, to: $0) }
    case "Squeeze": return squeezed(sizes).map { step(from: sizes, to: $0) }
    case "Unsqueeze": return unsqueezed(sizes).map { step(from: sizes, to: $0) }
    default: return nil
    }
  }

  private func step(from sizes: [Int64], to wanted: [Int64]) -> [Weight.Step] {
    sizes == wanted ? [] : [.reshape(wanted)]
  }

  // MARK: Constants

  private var constant: Weight? {
    for attribute in node.attributes {
      switch (attribute.name, attribute.value) {
      case ("value", .tensor(let tensor)): return tensor.weight
      case ("value_float", .float(let value)): return Weight([value], sizes: [])
      case ("value_floats", .floats(let values)):
        return Weight(values, sizes: [Int64(values.count)])
      case ("value_int", .int(let value)): return Weight([value], sizes: [])
      case ("value_ints", .ints(let values)): return Weight(values, sizes: [Int64(values.count)])
      case ("value_string", .string(let bytes)): return Weight([bytes], sizes: [])
      case ("value_strings", .strings(let strings)):
        return Weight(strings, sizes: [Int64(strings.count)])
      default: continue
      }
    }
    return nil
  }

  private var filled: Weight? {
    guard let sizes = (operands.first ?? nil)?.integers, let count = TensorType.count(of: sizes)
    else { return nil }
    var element = ElementType.float32
    var bytes: [UInt8] = [0, 0, 0, 0]
    if let attribute = node[attribute: "value"] {
      guard case .tensor(let tensor) = attribute, tensor.weight.recipe.isEmpty,
        case .literal(let value, _) = tensor.weight.source
      else { return nil }
      element = tensor.weight.stored.element
      bytes = value
    }
    guard element.bitWidth?.isMultiple(of: 8) == true, bytes.count == element.byteCount(of: 1),
      let length = element.byteCount(of: count), length <= ConstantNode.literalLimit
    else { return nil }
    return Weight(
      stored: TensorType(element, sizes: sizes),
      source: .literal(
        Array(repeatElement(bytes, count: count).joined()), encoding: .raw))
  }

  // MARK: Steps

  private func transposition(of rank: Int) -> [Int]? {
    guard let attribute = node[attribute: "perm"] else { return Array((0..<rank).reversed()) }
    guard case .ints(let values) = attribute else { return nil }
    let permutation = values.compactMap { Int(exactly: $0) }
    return permutation.sorted() == Array(0..<rank) ? permutation : nil
  }

  private func cast(from element: ElementType) -> [Weight.Step]? {
    guard let to = node.int("to").flatMap({ Int32(exactly: $0) }).flatMap(ElementType.init) else {
      return nil
    }
    if to == element { return [] }
    if to == .float32, element == .float64 { return [.cast(to)] }
    return to.isHighPrecision && element.isHighPrecision ? [.cast(to)] : nil
  }

  /// The integers of an operand that says a shape or axes.
  private func integers(_ index: Int) -> [Int64]? {
    operands.indices.contains(index) ? operands[index]?.integers : nil
  }

  private func reshaped(_ sizes: [Int64]) -> [Int64]? {
    guard var wanted = integers(1), let count = TensorType.count(of: sizes),
      let allowZero = number("allowzero", otherwise: 0),
      wanted.allSatisfy({ $0 >= -1 }), wanted.count(where: { $0 == -1 }) <= 1
    else { return nil }
    if allowZero == 0 {
      for index in wanted.indices where wanted[index] == 0 {
        guard sizes.indices.contains(index) else { return nil }
        wanted[index] = sizes[index]
      }
    }
    if let free = wanted.firstIndex(of: -1) {
      wanted[free] = 1
      guard let known = TensorType.count(of: wanted), known > 0, count.isMultiple(of: known) else {
        return nil
      }
      wanted[free] = Int64(count / known)
    }
    return TensorType.count(of: wanted) == count ? wanted : nil
  }

  private func flattened(_ sizes: [Int64]) -> [Int64]? {
    guard let given = number("axis", otherwise: 1) else { return nil }
    let rank = Int64(sizes.count)
    guard given >= -rank, given <= rank else { return nil }
    let axis = Int(given < 0 ? given + rank : given)
    guard let rows = TensorType.count(of: Array(sizes[..<axis])),
      let columns = TensorType.count(of: Array(sizes[axis...]))
    else { return nil }
    return [Int64(rows), Int64(columns)]
  }

  private func squeezed(_ sizes: [Int64]) -> [Int64]? {
    if node.input(1) == nil, node[attribute: "axes"] == nil { return sizes.filter { $0 != 1 } }
    guard let axes = axes(rank: sizes.count), axes.allSatisfy({ sizes[$0] == 1 }) else {
      return nil
    }
    return sizes.indices.filter { !axes.contains($0) }.map { sizes[$0] }
  }

  private func unsqueezed(_ sizes: [Int64]) -> [Int64]? {
    guard let count = givenAxes?.count, let axes = axes(rank: sizes.count + count) else {
      return nil
    }
    var rest = sizes[...]
    return (0..<sizes.count + count).map { axis in
      axes.contains(axis) ? 1 : rest.popFirst() ?? 1
    }
  }

  /// An attribute until opset 12, an operand from opset 13 on.
  private var givenAxes: [Int64]? {
    node.input(1) == nil ? node.ints("axes") : integers(1)
  }

  /// The axes counted from the front; `nil` where one is out of range or stands twice.
  private func axes(rank: Int) -> Set<Int>? {
    guard let given = givenAxes else { return nil }
    let limit = Int64(rank)
    let axes = Set(
      given.compactMap { axis in
        axis >= -limit && axis < limit ? Int(axis < 0 ? axis + limit : axis) : nil
      })
    return axes.count == given.count ? axes : nil
  }

  /// An attribute's number; `nil` where the attribute is something else, such as a reference.
  private func number(_ name: String, otherwise: Int64) -> Int64? {
    node[attribute: name] == nil ? otherwise : node.int(name)
  }
}

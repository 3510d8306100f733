/// One dimension of a shape: a size, a name that stands for a size, or nothing known.
package enum Dimension: Hashable, Sendable {
  case size(Int64)
  case symbol(String)
  case unknown

  package var size: Int64? {
    if case .size(let size) = self { return size }
    return nil
  }
}

/// A tensor's element type and, where known, its shape.
package struct TensorType: Hashable, Sendable {
  package var element: ElementType
  /// `nil` where even the rank is unknown.
  package var shape: [Dimension]?

  package init(_ element: ElementType, _ shape: [Dimension]?) {
    self.element = element
    self.shape = shape
  }

  package init(_ element: ElementType, sizes: [Int64]) {
    self.init(element, sizes.map(Dimension.size))
  }

  /// The shape as numbers, where every dimension has one.
  package var sizes: [Int64]? {
    guard let shape else { return nil }
    var result: [Int64] = []
    for dimension in shape {
      guard let size = dimension.size else { return nil }
      result.append(size)
    }
    return result
  }

  /// The product of the sizes; `nil` where one is unknown, negative, or the product overflows.
  package var elementCount: Int? {
    guard let sizes else { return nil }
    return TensorType.count(of: sizes)
  }

  /// The product of sizes; `nil` where it overflows, be it ahead of a zero, which the checker of ONNX refuses too.
  package static func count(of sizes: [Int64]) -> Int? {
    if sizes.contains(where: { $0 < 0 }) { return nil }
    var product = 1
    for size in sizes {
      guard let factor = Int(exactly: size) else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      product = next
    }
    return product
  }
}

/// What a value is: a tensor, or one of the container types that pass through untouched.
package indirect enum ValueType: Hashable, Sendable {
  case tensor(TensorType)
  /// A tensor whose element type is not known; its shape may be.
  case untyped(shape: [Dimension]?)
  case sparse(TensorType)
  case sequence(ValueType)
  case optional(ValueType)
  case map(key: ElementType, value: ValueType)
  /// A type this version does not read, kept as its encoded `TypeProto`.
  case opaque([UInt8])

  package var tensor: TensorType? {
    if case .tensor(let type) = self { return type }
    return nil
  }

  package var element: ElementType? { tensor?.element }

  /// The type with the shapes of its tensors unknown.
  package var withoutShape: ValueType {
    switch self {
    case .tensor(let tensor): .tensor(TensorType(tensor.element, nil))
    case .untyped: .untyped(shape: nil)
    case .sparse(let tensor): .sparse(TensorType(tensor.element, nil))
    case .sequence(let element): .sequence(element.withoutShape)
    case .optional(let element): .optional(element.withoutShape)
    case .map(let key, let value): .map(key: key, value: value.withoutShape)
    case .opaque: self
    }
  }
}

extension Weight {
  /// A tensor of 64-bit integers; a scalar where `sizes` is empty.
  package init(_ values: [Int64], sizes: [Int64]) {
    self.init(.int64, sizes: sizes, words: values.map { UInt64(bitPattern: $0) })
  }

  /// A float32 tensor; a scalar where `sizes` is empty.
  package init(_ values: [Float], sizes: [Int64]) {
    self.init(.float32, sizes: sizes, words: values.map { UInt64($0.bitPattern) })
  }

  /// A tensor of strings; a scalar where `sizes` is empty.
  package init(_ strings: [[UInt8]], sizes: [Int64]) {
    self.init(stored: TensorType(.string, sizes: sizes), source: .strings(strings))
  }

  private init(_ element: ElementType, sizes: [Int64], words: [UInt64]) {
    let width = element.byteCount(of: 1) ?? 0
    let bytes = words.flatMap { word in
      (0..<width).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
    }
    self.init(
      stored: TensorType(element, sizes: sizes), source: .literal(bytes, encoding: .raw))
  }

  /// The elements of a literal of 64-bit integers without a recipe; `nil` for every other weight.
  package var integers: [Int64]? {
    guard case .literal(let bytes, _) = source, recipe.isEmpty, stored.element == .int64,
      bytes.count.isMultiple(of: 8)
    else { return nil }
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      let word = bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return Int64(bitPattern: word)
    }
  }

  /// The one element of a float literal without a recipe; `nil` for every other weight.
  package var number: Float? {
    guard case .literal(let bytes, _) = source, recipe.isEmpty, stored.elementCount == 1,
      stored.element.byteCount(of: 1) == bytes.count
    else { return nil }
    let word = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    switch stored.element {
    case .float32: return Float(bitPattern: word)
    case .bfloat16: return Float(bitPattern: word << 16)
    case .float16: return Float(Float16(bitPattern: UInt16(truncatingIfNeeded: word)))
    default: return nil
    }
  }
}

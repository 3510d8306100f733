/// The elements of a small tensor as text and back.
enum Literal {
  /// One text for each element; `nil` where only the bytes show everything: packed, complex and
  /// FP8 types, a bool that is neither 0 nor 1, a length that is no whole number of elements.
  static func elements(of bytes: [UInt8], as element: ElementType) -> [String]? {
    switch element {
    case .float16, .bfloat16, .float32, .float64:
      words(bytes, element)?.map { FloatText.text(ofBits: $0, as: element) }
    case .int8: words(bytes, element)?.map { String(Int8(truncatingIfNeeded: $0)) }
    case .int16: words(bytes, element)?.map { String(Int16(truncatingIfNeeded: $0)) }
    case .int32: words(bytes, element)?.map { String(Int32(truncatingIfNeeded: $0)) }
    case .int64: words(bytes, element)?.map { String(Int64(truncatingIfNeeded: $0)) }
    case .uint8, .uint16, .uint32, .uint64: words(bytes, element)?.map { String($0) }
    case .bool:
      bytes.allSatisfy { $0 < 2 } ? bytes.map { $0 == 1 ? "true" : "false" } : nil
    case .string, .complex64, .complex128, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
      .float8e5m2fnuz, .uint4, .int4, .float4e2m1, .float8e8m0, .uint2, .int2:
      nil
    }
  }

  /// The little-endian bytes of one element; `nil` where the token is no such element.
  static func bytes(of token: Token.Kind, as element: ElementType) -> [UInt8]? {
    switch element {
    case .float16, .bfloat16, .float32, .float64:
      let text: String
      switch token {
      case .float(let digits), .integer(let digits): text = digits
      default: return nil
      }
      return FloatText.bits(of: text, as: element).map { little($0, element) }
    case .int8:
      return integer(token, Int8.self).map { little(UInt64(UInt8(bitPattern: $0)), element) }
    case .int16:
      return integer(token, Int16.self).map { little(UInt64(UInt16(bitPattern: $0)), element) }
    case .int32:
      return integer(token, Int32.self).map { little(UInt64(UInt32(bitPattern: $0)), element) }
    case .int64: return integer(token, Int64.self).map { little(UInt64(bitPattern: $0), element) }
    case .uint8: return integer(token, UInt8.self).map { [$0] }
    case .uint16: return integer(token, UInt16.self).map { little(UInt64($0), element) }
    case .uint32: return integer(token, UInt32.self).map { little(UInt64($0), element) }
    case .uint64: return integer(token, UInt64.self).map { little($0, element) }
    case .bool:
      if token == .word("true") { return [1] }
      return token == .word("false") ? [0] : nil
    case .string, .complex64, .complex128, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
      .float8e5m2fnuz, .uint4, .int4, .float4e2m1, .float8e8m0, .uint2, .int2:
      return nil
    }
  }

  private static func integer<T: FixedWidthInteger>(_ token: Token.Kind, _ type: T.Type) -> T? {
    guard case .integer(let text) = token else { return nil }
    return T(text)
  }

  private static func little(_ bits: UInt64, _ element: ElementType) -> [UInt8] {
    (0..<(element.bitWidth ?? 0) / 8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
  }

  private static func words(_ bytes: [UInt8], _ element: ElementType) -> [UInt64]? {
    guard let width = element.byteCount(of: 1), bytes.count % width == 0 else { return nil }
    return stride(from: 0, to: bytes.count, by: width).map { start in
      bytes[start..<start + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }
}

/// Floating-point numbers as text that reads back bit for bit.
///
/// The shortest digits that name the number, always with a point or an exponent, so that no float
/// looks like an integer. A NaN with a payload or a sign shows its bits.
enum FloatText {
  static func text(_ value: Float) -> String {
    text(ofBits: UInt64(value.bitPattern), as: .float32)
  }

  static func value(of text: String) -> Float? {
    bits(of: text, as: .float32).map { Float(bitPattern: UInt32($0)) }
  }

  /// `element` is one of float16, bfloat16, float32 and float64; everything else is printed as bits.
  static func text(ofBits bits: UInt64, as element: ElementType) -> String {
    let quiet = quietNaN(element)
    if isNaN(bits, as: element) {
      return bits == quiet ? "nan" : "nan(0x\(String(bits, radix: 16)))"
    }
    if element == .float16 { return Float16(bitPattern: UInt16(bits)).description }
    if element == .bfloat16 { return Float(bitPattern: UInt32(bits) << 16).description }
    if element == .float32 { return Float(bitPattern: UInt32(bits)).description }
    return Double(bitPattern: bits).description
  }

  /// The bits of the nearest number of the type; `nil` where there is none.
  static func bits(of text: String, as element: ElementType) -> UInt64? {
    if text == "nan" { return quietNaN(element) }
    if text.hasPrefix("nan(0x"), text.hasSuffix(")") {
      guard let bits = UInt64(text.dropFirst(6).dropLast(), radix: 16) else { return nil }
      return isNaN(bits, as: element) ? bits : nil
    }
    let mayBeInfinite = text == "inf" || text == "-inf"
    if element == .float16 {
      guard let value = Float16(text), value.isFinite || mayBeInfinite else { return nil }
      return UInt64(value.bitPattern)
    }
    if element == .float64 {
      guard let value = Double(text), value.isFinite || mayBeInfinite else { return nil }
      return value.bitPattern
    }
    guard let value = Float(text), value.isFinite || mayBeInfinite else { return nil }
    guard element == .bfloat16 else { return UInt64(value.bitPattern) }
    let bits = value.bitPattern
    let rounded = (UInt64(bits) + 0x7FFF + UInt64(bits >> 16 & 1)) >> 16
    return rounded & 0x7FFF < 0x7F80 || mayBeInfinite ? rounded : nil
  }

  private static func infinity(_ element: ElementType) -> UInt64 {
    if element == .float16 { return 0x7C00 }
    if element == .bfloat16 { return 0x7F80 }
    if element == .float32 { return 0x7F80_0000 }
    return 0x7FF0_0000_0000_0000
  }

  private static func quietNaN(_ element: ElementType) -> UInt64 {
    if element == .float16 { return 0x7E00 }
    if element == .bfloat16 { return 0x7FC0 }
    if element == .float32 { return 0x7FC0_0000 }
    return 0x7FF8_0000_0000_0000
  }

  private static func isNaN(_ bits: UInt64, as element: ElementType) -> Bool {
    let sign: UInt64 = 1 << UInt64((element.bitWidth ?? 64) - 1)
    return bits & ~sign > infinity(element) && bits & ~sign < sign
  }
}

/// The types that carry a network's values beside FP8: INC's `hp_dtype`, and what weights are stored in.
package enum HighPrecision: String, CaseIterable, Hashable, Sendable {
  case bf16
  case fp16
  case fp32

  /// Bytes of one stored element.
  package var byteCount: Int {
    switch self {
    case .bf16, .fp16: 2
    case .fp32: 4
    }
  }

  /// Bits of the significand, the implicit one included.
  private var precision: Int {
    switch self {
    case .bf16: 8
    case .fp16: 11
    case .fp32: 24
    }
  }

  /// The exponent of the least normal number.
  private var leastExponent: Int {
    switch self {
    case .bf16, .fp32: -126
    case .fp16: -14
    }
  }

  package var maxFinite: Float {
    switch self {
    case .bf16: 0x1.FEp127
    case .fp16: 65504
    case .fp32: .greatestFiniteMagnitude
    }
  }

  /// The nearest number of the type, ties to even: one rounding, whatever digits `value` has.
  ///
  /// What lies beyond the range becomes an infinity, as IEEE 754 has it.
  package func round(_ value: Double) -> Float {
    guard value.isFinite, value != 0 else { return Float(value) }
    let exponent = max(Int(value.exponent), leastExponent)
    let spacing = Double(sign: .plus, exponent: exponent - precision + 1, significand: 1)
    // Both steps are exact: a division by a power of two, and a product of less than 25 bits.
    let rounded = (value / spacing).rounded(.toNearestOrEven) * spacing
    guard rounded.magnitude <= Double(maxFinite) else {
      return value < 0 ? -.infinity : .infinity
    }
    return Float(rounded)
  }

  /// The nearest number of the type, ties to even.
  package func round(_ value: Float) -> Float { round(Double(value)) }
}

internal import Glibc

/// How a range becomes a scale before the scale is rounded.
package enum ScaleArithmetic: String, CaseIterable, Hashable, Sendable {
  /// What Gaudi computes: every step rounded to the high precision type ([R-7]).
  case device
  /// Real arithmetic, and powers of two by their exponents ([R-8]).
  case exact

  /// The default for a high precision type (decisions.md, Numbers 1).
  package static func standard(for precision: HighPrecision) -> ScaleArithmetic {
    switch precision {
    case .bf16: .device
    case .fp16, .fp32: .exact
    }
  }

  /// The least power of two that is not below a quotient.
  enum Power: Equatable {
    case of(exponent: Int)
    /// The quotient is zero: every power of two is large enough.
    case none
    /// The quotient is infinite.
    case beyond
  }

  /// `maxAbs` over `reach`, which is fullscale times backoff, rounded to `precision`.
  func quotient(_ maxAbs: Float, over reach: Double, in precision: HighPrecision) -> Float {
    switch self {
    case .device:
      let reciprocal = Double(precision.round(1 / reach))
      // Both factors have at most 24 bits: their product in Double is exact, so this rounds once.
      return precision.round(Double(precision.round(maxAbs)) * reciprocal)
    case .exact:
      return precision.round(Double(maxAbs) / reach)
    }
  }

  /// The least power of two at or above `maxAbs` over `reach`, as this arithmetic sees it.
  ///
  /// `maxAbs` is finite and not negative. `floor`, 0 or a power of two, is a lower bound of the quotient.
  func powerOfTwo(
    atLeast maxAbs: Float, over reach: Double, in precision: HighPrecision, floor: Float
  ) -> Power {
    switch self {
    case .device:
      let quotient = max(quotient(maxAbs, over: reach, in: precision), floor)
      guard quotient > 0 else { return .none }
      guard quotient.isFinite else { return .beyond }
      // glibc's log2 is exact at powers of two and within an ulp of Double elsewhere.
      let logarithm = precision.round(log2(Double(quotient)))
      return .of(exponent: Int(logarithm.rounded(.up)))
    case .exact:
      let range = Double(maxAbs)
      let least = floor > 0 ? Int(floor.exponent) : Int.min
      guard range > 0 else { return floor > 0 ? .of(exponent: least) : .none }
      let carry = range.significand > reach.significand ? 1 : 0
      return .of(exponent: max(Int(range.exponent) - Int(reach.exponent) + carry, least))
    }
  }
}

package import Support

/// One side of a scale method made concrete: ranges in, scales out.
///
/// Scales multiply to dequantize, as in ONNX.
package struct ScaleRule: Sendable {
  package let choice: ScaleChoice
  package let limits: FormatLimits
  package let arithmetic: ScaleArithmetic
  /// The type in which ranges are held and scales computed.
  package let precision: HighPrecision
  /// Full scale times backoff: the magnitude that the largest element is mapped to.
  private let reach: Double

  /// The least quotient per channel: the least normal bfloat16 (inc-fp8.md section 4.6).
  package static let channelFloor: Float = 0x1p-126

  /// Throws where the choice needs aligned scales and there are none, or a number of it is senseless.
  package init(
    _ choice: ScaleChoice, limits: FormatLimits, arithmetic: ScaleArithmetic,
    precision: HighPrecision
  ) throws(Diagnostic) {
    guard choice.backoff > 0, choice.backoff.isFinite else { throw .backoff(choice.backoff) }
    if choice.rounding == .aligned, limits.alignedScales.isEmpty {
      throw .noAlignedScales(for: limits.encoding)
    }
    for candidate in choice.candidates ?? [] {
      guard candidate > 0, candidate.isFinite, Float(exactly: candidate) != nil else {
        throw .candidate(candidate)
      }
    }
    self.choice = choice
    self.limits = limits
    self.arithmetic = arithmetic
    self.precision = precision
    reach = Double(limits.fullscale) * choice.backoff
  }

  /// The scale of a whole tensor whose largest magnitude is `maxAbs`.
  ///
  /// A `search` choice is answered as if it were `maxabs`: the scale where the bytes are not at hand.
  package func scale(forMaxAbs maxAbs: Float) -> ScaleResult {
    if choice.value == .fixed { return .scale(fixedScale) }
    guard maxAbs.isFinite else { return .notFinite }
    return scale(forMaxAbs: maxAbs.magnitude, in: precision, floor: 0)
  }

  /// The scale of one channel of a weight; a zero channel has the floor's.
  ///
  /// The range is not rounded to the high precision type first: `weightPrecision`, the type that the
  /// weight is stored in, takes its place (inc-fp8.md section 4.6).
  package func channelScale(
    forMaxAbs maxAbs: Float, in weightPrecision: HighPrecision
  ) -> ScaleResult {
    if choice.value == .fixed { return .scale(fixedScale) }
    guard maxAbs.isFinite else { return .notFinite }
    return scale(
      forMaxAbs: maxAbs.magnitude, in: weightPrecision, floor: ScaleRule.channelFloor)
  }

  /// What the quantizing side multiplies by where it does not divide: 1/scale in high precision.
  package func inverse(of scale: Float) -> Float { precision.round(1 / Double(scale)) }

  /// The scale of a product of two quantized operands, in high precision.
  package func product(_ first: Float, _ second: Float) -> Float {
    precision.round(Double(first) * Double(second))
  }

  /// The scales that a search over a whole tensor tries, in INC's order, on which ties depend.
  ///
  /// Aligned scales descend, powers of two rise from 2^-10 to 2^9 (inc-fp8.md section 4.7).
  package var tensorCandidates: [Float] {
    if let candidates = choice.candidates { return candidates.map { Float($0) } }
    switch choice.rounding {
    case .aligned: return limits.alignedScales.reversed()
    case .identity, .pow2, .unit:
      return (-10...9).map { Float(sign: .plus, exponent: $0, significand: 1) }
    }
  }

  /// The multiples of a channel's maxabs scale that a search per channel tries: 2^-3 to 2^4.
  package var channelMultipliers: [Float] {
    if let candidates = choice.candidates { return candidates.map { Float($0) } }
    return (-3...4).map { Float(sign: .plus, exponent: $0, significand: 1) }
  }

  /// The scale of a choice that does not look at the tensor: the largest aligned one, or 1.
  private var fixedScale: Float {
    switch choice.rounding {
    case .aligned: limits.alignedScales.last ?? 1
    case .identity, .pow2, .unit: 1
    }
  }

  private func scale(
    forMaxAbs maxAbs: Float, in precision: HighPrecision, floor: Float
  ) -> ScaleResult {
    if choice.rounding == .identity || choice.rounding == .unit {
      let quotient = max(arithmetic.quotient(maxAbs, over: reach, in: precision), floor)
      guard quotient.isFinite else { return .notFinite }
      return quotient > 0 ? .scale(quotient) : .unitForZero
    }
    let power = arithmetic.powerOfTwo(
      atLeast: maxAbs, over: reach, in: precision, floor: floor)
    if choice.rounding == .aligned { return alignedScale(atLeast: power) }
    guard case .of(let exponent) = power else {
      return power == .none ? .unitForZero : .notFinite
    }
    let exact = Float(sign: .plus, exponent: exponent, significand: 1)
    let scale = arithmetic == .device ? precision.round(exact) : exact
    guard scale.isFinite else { return .notFinite }
    return scale > 0 ? .scale(scale) : .unitForZero
  }

  /// The least aligned scale that is large enough, else the largest: values beyond it saturate.
  private func alignedScale(atLeast power: ScaleArithmetic.Power) -> ScaleResult {
    let scales = limits.alignedScales
    switch power {
    case .of(let exponent):
      let least = Double(sign: .plus, exponent: exponent, significand: 1)
      return .scale(scales.first { Double($0) >= least } ?? scales.last ?? 1)
    case .none: return .scale(scales.first ?? 1)
    case .beyond: return .notFinite
    }
  }
}

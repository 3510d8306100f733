/// One of the two FP8 encodings, as OCP OFP8 1.0 defines them and ONNX stores them.
///
/// The encoding says what the bits mean; the limit at which a target saturates is a separate number
/// (`FormatLimits.fullscale`). Gaudi2's E4M3 has this encoding and saturates at 240
/// (fp8-and-gaudi2.md section 1.2).
package enum FP8Format: String, CaseIterable, Hashable, Sendable {
  case e4m3
  case e5m2

  /// The code that every NaN becomes (decisions.md, Numbers 2).
  package static let nanCode: UInt8 = 0x7F

  package var mantissaBits: Int {
    switch self {
    case .e4m3: 3
    case .e5m2: 2
    }
  }

  package var bias: Int {
    switch self {
    case .e4m3: 7
    case .e5m2: 15
    }
  }

  /// The largest finite number of the encoding: code 0x7E of E4M3, 0x7B of E5M2.
  package var maxFinite: Float {
    switch self {
    case .e4m3: 448
    case .e5m2: 57344
    }
  }

  /// The exponent of the least number with an implicit leading one.
  private var leastExponent: Int { 1 - bias }

  /// Whether `value` is a finite number of the encoding.
  package func represents(_ value: Float) -> Bool {
    value.isFinite && value.magnitude <= maxFinite
      && decode(encode(value, fullscale: maxFinite)) == value
  }

  /// The code nearest to `value`, ties to even, at most `fullscale` in magnitude.
  ///
  /// NaN gives `nanCode`, an infinity the full scale of its sign; the sign of zero is kept. This is
  /// the definition that the kernels are tested against, written for reading: the bytes of tensors
  /// go through `Quantizer`. `fullscale` is a number of the encoding.
  package func encode(_ value: Float, fullscale: Float) -> UInt8 {
    if value.isNaN { return FP8Format.nanCode }
    let sign: UInt8 = value.sign == .minus ? 0x80 : 0
    let magnitude = min(value.magnitude, fullscale)
    if magnitude == 0 { return sign }
    let exponent = max(Int(magnitude.exponent), leastExponent)
    // In units of the spacing of codes around the value, the nearest code is the nearest integer.
    let spacing = Double(sign: .plus, exponent: exponent - mantissaBits, significand: 1)
    let units = Int((Double(magnitude) / spacing).rounded(.toNearestOrEven))
    // The step from one exponent to the next is one step of the code as well.
    let below = (exponent - leastExponent) << mantissaBits
    return sign | UInt8(below + units)
  }

  /// The number that a code stands for: exact in float32.
  package func decode(_ code: UInt8) -> Float {
    let sign: FloatingPointSign = code & 0x80 == 0 ? .plus : .minus
    let magnitude = Int(code & 0x7F)
    let exponent = magnitude >> mantissaBits
    let mantissa = magnitude & ((1 << mantissaBits) - 1)
    switch self {
    case .e4m3:
      if magnitude == 0x7F { return .nan }
    case .e5m2:
      if magnitude == 0x7C { return sign == .plus ? .infinity : -.infinity }
      if magnitude > 0x7C { return .nan }
    }
    let leading = exponent == 0 ? 0 : 1 << mantissaBits
    let value = Float(
      sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits,
      significand: Float(leading + mantissa))
    return sign == .plus ? value : -value
  }

  /// The numbers of all 256 codes, in order.
  package var decodeTable: [Float] { (0...255).map { decode(UInt8($0)) } }
}

/// What every power-of-two scale would cost a tensor, from one pass over its elements.
///
/// Magnitudes fall into buckets by the exponent of a float32 and the upper four bits of its fraction. Such a
/// bucket is half a step of either encoding or less, and begins where a step, half a step or the clipped range
/// does: all of it has one code under any power of two but for ties, whose two codes err alike. With n
/// elements that lie l units above the bucket's base b, and c the number of the code, the squared error is
/// the sum of (b + l - c)^2 = S2 + 2 (b - c) S1 + n (b - c)^2, in integers (engineering.md section 4).
///
/// Parts of a tensor may be taken in in any order.
package struct MomentTable: Equatable, Sendable {
  /// Per bucket the count, S1, and S2 in two words, the low one first.
  private var words: [UInt64]

  private static let wordsPerBucket = 4
  private static let lowBits = 19
  private static let bucketsPerExponent = 1 << (23 - lowBits)

  package init() {
    words = Array(repeating: 0, count: Kernels.buckets * MomentTable.wordsPerBucket)
  }

  /// Whether a scale's codes change at the edges of buckets only.
  ///
  /// Numbers below 2^-126 have no leading one, and their buckets are 2^-130 wide: half the least code has
  /// to be a multiple of that.
  package static func isExact(for encoding: FP8Format, scale: Float) -> Bool {
    scale > 0 && scale.isFinite && scale.significand == 1
      && Int(scale.exponent) - encoding.bias - encoding.mantissaBits >= -130
  }

  /// Takes in a part of the tensor.
  package mutating func add(_ source: Span<UInt8>, of type: HighPrecision) {
    Kernels.moments(source, of: type, into: &words)
  }

  /// The sum of squared errors of casting every element with `scale`, for which the table is exact.
  ///
  /// Exact for each exponent of the elements, then added in binary64 from the least exponent upward.
  /// `fullscale` is a number of the encoding. Infinities give an infinity, NaN gives NaN.
  package func squaredError(_ encoding: FP8Format, scale: Float, fullscale: Float) -> Double {
    precondition(MomentTable.isExact(for: encoding, scale: scale), "a scale the table is exact for")
    var total = 0.0
    for exponent in 0..<255 {
      var exact: Int128 = 0
      var inexact = 0.0
      // Magnitudes are whole numbers of units.
      let unit = Double(sign: .plus, exponent: max(exponent, 1) - 150, significand: 1)
      for bucket in 0..<MomentTable.bucketsPerExponent {
        let start = place(of: exponent, bucket)
        guard words[start] > 0 else { continue }
        let leading = exponent > 0 ? MomentTable.bucketsPerExponent : 0
        let base = (leading + bucket) << MomentTable.lowBits
        let middle = Double(base) + Double(1 << (MomentTable.lowBits - 1))
        let quotient = Float(middle * unit / Double(scale))
        let number = encoding.decode(encoding.encode(quotient, fullscale: fullscale))
        let nearest = Double(number) * Double(scale) / unit
        let (count, sum) = (words[start], words[start + 1])
        let squares = Int128(words[start + 3]) << 64 | Int128(words[start + 2])
        if let whole = Int(exactly: nearest) {
          let below = Int128(base - whole)
          exact += squares + 2 * below * Int128(sum) + Int128(count) * below * below
        } else {
          // Clipped to less than eight units: nothing cancels.
          let below = Double(base) - nearest
          inexact += Double(squares) + below * (2 * Double(sum) + Double(count) * below)
        }
      }
      total += (Double(exact) + inexact) * unit * unit
    }
    return total + unlimited
  }

  /// What infinities and NaN add to an error.
  private var unlimited: Double {
    var total = 0.0
    for bucket in 0..<MomentTable.bucketsPerExponent {
      let start = place(of: 255, bucket)
      guard words[start] > 0 else { continue }
      total += bucket == 0 && words[start + 1] == 0 ? .infinity : .nan
    }
    return total
  }

  private func place(of exponent: Int, _ bucket: Int) -> Int {
    (exponent * MomentTable.bucketsPerExponent + bucket) * MomentTable.wordsPerBucket
  }
}

package import Support

/// What a target makes of an FP8 format: the encoding, where it saturates, and the scales it applies for nothing.
///
/// One entry of a target description's `formats`.
package struct FormatLimits: Equatable, Sendable {
  package let encoding: FP8Format
  /// The largest magnitude that is ever written: 240 for E4M3 on Gaudi2 (inc-fp8.md section 4.2).
  package let fullscale: Float
  /// The scales that are a change of the exponent bias, ascending; empty where there are none.
  ///
  /// Gaudi2 has 2^-8, 2^-4, 1 and 16 (inc-fp8.md section 4.3).
  package let alignedScales: [Float]

  /// Throws where `fullscale` is no positive number of the encoding, or a scale is not positive.
  package init(
    encoding: FP8Format, fullscale: Double, alignedScales: [Double]
  ) throws(Diagnostic) {
    guard fullscale > 0, let limit = Float(exactly: fullscale), encoding.represents(limit) else {
      throw .targetFullscale(fullscale, of: encoding)
    }
    var scales: [Float] = []
    for scale in alignedScales.sorted() {
      guard scale > 0, scale.isFinite, let exact = Float(exactly: scale) else {
        throw .alignedScale(scale, of: encoding)
      }
      scales.append(exact)
    }
    self.encoding = encoding
    self.fullscale = limit
    self.alignedScales = scales
  }
}

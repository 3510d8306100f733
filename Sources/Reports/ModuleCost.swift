/// What FP8 costs one module that reads what the source model computes: ratios of its result to the
/// error, in dB, infinite where there is no error.
package struct ModuleCost: Equatable, Sendable {
  package let path: String
  /// Of everything that FP8 does.
  package let total: Double
  /// Of rounding weights.
  package let weights: Double
  /// Of rounding activations.
  package let rounding: Double
  /// Of activations beyond full scale.
  package let saturation: Double
  /// The share of the activations' elements beyond full scale.
  package let clipped: Double
  /// The share of those other than zero that become zero.
  package let flushed: Double

  package init(
    path: String, total: Double, weights: Double, rounding: Double, saturation: Double,
    clipped: Double, flushed: Double
  ) {
    self.path = path
    self.total = total
    self.weights = weights
    self.rounding = rounding
    self.saturation = saturation
    self.clipped = clipped
    self.flushed = flushed
  }
}

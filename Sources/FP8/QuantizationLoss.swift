/// What casting a tensor to FP8 lost, gathered over its blocks in order.
package struct QuantizationLoss: Equatable, Sendable {
  package var elements = 0
  /// Elements beyond fullscale times scale.
  package var clipped = 0
  /// Elements other than zero that became zero.
  package var flushed = 0
  /// Sums of squares of the differences between elements and what their codes stand for: number i of
  /// the elements whose place in the tensor is i modulo 8, so that the sum does not depend on blocks.
  package var errors = SIMD8<Double>()

  package var error: Double { errors.indices.reduce(0) { $0 + errors[$1] } }

  package init() {}

  /// Adds what another part of the tensor lost.
  package mutating func add(_ other: QuantizationLoss) {
    elements += other.elements
    clipped += other.clipped
    flushed += other.flushed
    errors += other.errors
  }
}

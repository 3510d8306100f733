/// What casting a tensor to FP8 lost, gathered over its blocks in order.
package struct QuantizationLoss: Equatable, Sendable {
  package var elements = 0
  /// Elements beyond fullscale times scale.
  package var clipped = 0
  /// Elements other than zero that became zero.
  package var flushed = 0
  /// Sum of squares of the elements.
  package var signal = 0.0
  /// Sum of squares of the differences between elements and what their codes stand for.
  package var error = 0.0

  package init() {}
}

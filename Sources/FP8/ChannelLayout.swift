/// How a tensor's elements fall into channels: the tensor seen as [outer, channels, inner].
package struct ChannelLayout: Equatable, Sendable {
  package let channels: Int
  package let inner: Int

  /// One channel: a scale for the whole tensor.
  package static let tensor = ChannelLayout(channels: 1, inner: Int.max)

  /// Both numbers are at least 1.
  package init(channels: Int, inner: Int) {
    precondition(channels >= 1 && inner >= 1, "a channel layout has at least one element")
    self.channels = channels
    self.inner = inner
  }

  /// A tensor with a scale for each index along `axis`.
  ///
  /// `nil` where the axis is not one of the shape's, a dimension is below 1, or the element count
  /// does not fit.
  package init?(shape: [Int], axis: Int) {
    guard shape.indices.contains(axis) else { return nil }
    var inner = 1
    var total = 1
    for (index, dimension) in shape.enumerated() {
      guard dimension >= 1 else { return nil }
      let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      total = product
      if index > axis { inner *= dimension }
    }
    self.init(channels: shape[axis], inner: inner)
  }
}

/// The largest magnitudes of a tensor, gathered block by block.
package struct RangeAccumulator: Equatable, Sendable {
  package let layout: ChannelLayout
  /// The largest finite magnitude of each channel, 0 where nothing was seen.
  package private(set) var maxAbs: [Float]
  /// How many elements were infinite or NaN.
  package private(set) var nonFiniteCount = 0
  /// The least index of an infinite or NaN element.
  package private(set) var firstNonFinite: Int?

  package init(layout: ChannelLayout = .tensor) {
    self.layout = layout
    maxAbs = Array(repeating: 0, count: layout.channels)
  }

  /// The largest finite magnitude of the whole tensor.
  package var tensorMaxAbs: Float { maxAbs.reduce(0) { $0 < $1 ? $1 : $0 } }

  /// Takes in a block whose first element is number `first` of the tensor.
  package mutating func add(_ source: Span<UInt8>, of type: HighPrecision, first: Int = 0) {
    let count = Kernels.maxAbs(source, of: type, layout: layout, first: first, into: &maxAbs)
    guard count > 0 else { return }
    nonFiniteCount += count
    if let index = Kernels.firstNonFinite(source, of: type) {
      firstNonFinite = min(firstNonFinite ?? Int.max, first + index)
    }
  }
}

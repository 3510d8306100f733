internal import CKernels

/// Finds the scales with the least error (inc-fp8.md section 4.7).
///
/// Blocks of the tensor are added in order; sums are binary64 in an order that does not depend on how the
/// tensor is cut ([R-10]). Elements are finite. Powers of two for a whole tensor are judged by a
/// `MomentTable`. Else scales are tried on every element but those that no scale of their channel clips or
/// makes subnormal: where scales are powers of two, their error is the same under all and taken once.
package struct ScaleSearch: Sendable {
  package let layout: ChannelLayout
  let encoding: FP8Format
  let fullscale: Float
  private let references: [Float]
  /// Candidates per channel, and how many groups of the kernel's lanes they fill.
  private let count: Int
  let groups: Int
  /// Both have `groups * FP8C_LANES` entries per channel, padded with ones.
  let scales: [Float]
  let factors: [Float]
  let divides: Bool
  /// Per channel the bits of the magnitudes between which the error is the same under every scale.
  let leastOrdinary: [UInt32]
  let largestOrdinary: [UInt32]
  var sums: [Double]
  /// The errors of these elements: one sum per channel, or `FP8C_LANES` where channels are long.
  var bases: [Double]
  /// In place of the sums.
  private var moments: MomentTable?

  /// Tensors below this many elements are too small for clearing and reading a table to pay.
  private static let leastForMoments = 1 << 12

  /// A search for one scale of a whole tensor of `elements` elements among `candidates`.
  package init(encoding: FP8Format, fullscale: Float, candidates: [Float], elements: Int) {
    self.init(
      encoding: encoding, fullscale: fullscale, references: [1], multipliers: candidates,
      layout: .tensor)
    if elements >= ScaleSearch.leastForMoments,
      candidates.allSatisfy({ MomentTable.isExact(for: encoding, scale: $0) })
    {
      moments = MomentTable()
    }
  }

  /// A search per channel among the multiples of `references`, the channels' maxabs scales.
  package init(
    encoding: FP8Format, fullscale: Float, references: [Float], multipliers: [Float],
    layout: ChannelLayout
  ) {
    precondition(references.count == layout.channels, "one reference per channel")
    precondition(encoding.represents(fullscale), "fullscale is a number of the encoding")
    let lanes = Int(FP8C_LANES)
    let groups = (multipliers.count + lanes - 1) / lanes
    var scales: [Float] = []
    scales.reserveCapacity(references.count * groups * lanes)
    for reference in references {
      scales += multipliers.map { reference * $0 }
      scales += Array(repeating: 1, count: groups * lanes - multipliers.count)
    }
    self.layout = layout
    self.encoding = encoding
    self.fullscale = fullscale
    self.references = references
    self.groups = groups
    self.scales = scales
    count = multipliers.count
    divides = !scales.allSatisfy { Quantizer.hasExactInverse($0) }
    factors = divides ? scales : scales.map { 1 / $0 }
    sums = Array(repeating: 0, count: scales.count)
    bases = Array(repeating: 0, count: references.count * (layout.inner == 1 ? 1 : lanes))
    let none = UInt32(0x7FFF_FFFF)
    var bounds: [(least: UInt32, largest: UInt32)] = []
    for reference in references {
      let own = multipliers.map { reference * $0 }
      let least = (own.max() ?? 0) * Float(sign: .plus, exponent: 1 - encoding.bias, significand: 1)
      let largest = (own.min() ?? 0) * fullscale
      let isEmpty = divides || !(least > 0 && 16 * least <= largest && largest.isFinite)
      bounds.append(isEmpty ? (none, none) : (least.bitPattern, largest.bitPattern + 1))
    }
    leastOrdinary = bounds.map(\.least)
    largestOrdinary = bounds.map(\.largest)
  }

  /// The sum of squared errors of a channel under one of its candidates.
  private func error(ofChannel channel: Int, _ candidate: Int) -> Double {
    if let moments {
      return moments.squaredError(encoding, scale: scales[candidate], fullscale: fullscale)
    }
    let lanes = Int(FP8C_LANES)
    let base =
      layout.inner == 1
      ? bases[channel] : bases[channel * lanes..<(channel + 1) * lanes].reduce(0, +)
    return base + sums[channel * groups * lanes + candidate]
  }

  /// Takes in a block whose first element is number `first` of the tensor.
  package mutating func add(_ source: Span<UInt8>, of type: HighPrecision, first: Int = 0) {
    if moments?.add(source, of: type) != nil { return }
    Kernels.search(source, of: type, first: first, search: &self)
  }

  /// The candidate of the least error for the whole tensor; of equal errors the last.
  ///
  /// The error is the root of the sum of squares, rounded to `precision` before it is compared: the
  /// rounding is what makes INC's ties. `nil` where no candidate has an error that is a number.
  package func best(comparingIn precision: HighPrecision) -> Float? {
    var best: (error: Float, scale: Float)?
    for index in 0..<count {
      let error = precision.round(error(ofChannel: 0, index).squareRoot())
      if error <= best?.error ?? .infinity { best = (error, scales[index]) }
    }
    return best?.scale
  }

  /// A search for one scale of a whole tensor that looks at the errors of its channels.
  package init(
    encoding: FP8Format, fullscale: Float, candidates: [Float], channels layout: ChannelLayout
  ) {
    self.init(
      encoding: encoding, fullscale: fullscale,
      references: Array(repeating: 1, count: layout.channels),
      multipliers: candidates + [ScaleSearch.flushing], layout: layout)
  }

  /// A scale under which all elements below 2^116 have code zero: the error is the sum of squares.
  private static let flushing: Float = 0x1p126

  /// The candidate whose errors, each channel's over its sum of squares, have the least mean; of equal
  /// means the last.
  ///
  /// For a search with `candidates` and `channels`. Channels of zeros do not count.
  package func bestByRelativeError() -> Float? {
    var best: (error: Double, scale: Float)?
    for index in 0..<count - 1 {
      var total = 0.0
      for channel in 0..<layout.channels {
        let signal = error(ofChannel: channel, count - 1)
        if signal > 0 { total += error(ofChannel: channel, index) / signal }
      }
      if total <= best?.error ?? .infinity { best = (total, scales[index]) }
    }
    return best?.scale
  }

  /// Each channel's multiple of the least error; of equal errors the first.
  ///
  /// The error is the sum of squares, rounded to `precision`. A channel none of whose errors is
  /// finite keeps its reference. No scale is below `ScaleRule.channelFloor` ([R-12]): a channel of
  /// zeros would else get a scale without a float32 inverse.
  package func bestPerChannel(comparingIn precision: HighPrecision) -> [Float] {
    let stride = groups * Int(FP8C_LANES)
    return (0..<layout.channels).map { channel in
      var best: (error: Float, scale: Float)?
      for index in 0..<count {
        let error = precision.round(error(ofChannel: channel, index))
        if error < best?.error ?? .infinity { best = (error, scales[channel * stride + index]) }
      }
      return max(best?.scale ?? references[channel], ScaleRule.channelFloor)
    }
  }

  /// The errors of the candidates of a channel, as sums of squares in the order of the candidates.
  package func errors(ofChannel channel: Int = 0) -> [Double] {
    (0..<count).map { error(ofChannel: channel, $0) }
  }
}

import FP8
import Testing

/// Searches against sums of squares in integers, which have no rounding.
@Suite struct ScaleSearchTests {
  /// The numbers of E4M3's codes from zero to full scale, by the format's definition.
  private static let grid: [Double] = (0...0x77).map { code in
    let (exponent, mantissa) = (code >> 3, Double(code & 7))
    return exponent == 0
      ? mantissa * 0x1p-9
      : (8 + mantissa) * Double(sign: .plus, exponent: exponent - 10, significand: 1)
  }

  /// The nearest of the grid, of two equally near the one with an even code.
  private static func nearest(_ value: Double) -> Double {
    let magnitude = value.magnitude
    let above = grid.firstIndex { $0 >= magnitude } ?? grid.count - 1
    guard above > 0, magnitude < grid[above] else { return value < 0 ? -grid[above] : grid[above] }
    let (low, high) = (grid[above - 1], grid[above])
    let isLow =
      magnitude - low == high - magnitude ? above % 2 == 1 : magnitude - low < high - magnitude
    return (value < 0 ? -1 : 1) * (isLow ? low : high)
  }

  /// The exact sum of squared errors, in units of 4^unit.
  ///
  /// Scales are powers of two, so the quotient, the product and the difference are exact.
  private static func exactError(_ values: [Float], _ scale: Float, unit: Int) -> UInt128 {
    values.reduce(0) { sum, value in
      let error = Double(value) - nearest(Double(value) / Double(scale)) * Double(scale)
      let whole = UInt128(error.magnitude / power(of: unit))
      return sum + whole * whole
    }
  }

  private static func power(of exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// Near normal numbers in whole units, and a few much larger ones.
  private static func number(
    _ magnitude: Double, unit: Int, _ generator: inout SplitMix
  ) -> Float {
    let sum = (0..<6).reduce(0.0) { sum, _ in sum + Double.random(in: -1...1, using: &generator) }
    let outlier = UInt.random(in: 0..<50, using: &generator) == 0 ? 16.0 : 1
    return Float((sum * magnitude * outlier / power(of: unit)).rounded() * power(of: unit))
  }

  @Test func errorsAreTheExactOnesAndNoBetterCandidateIsLeft() throws {
    var generator = SplitMix(state: 25)
    let candidates = (-10...9).map { Float(sign: .plus, exponent: $0, significand: 1) }
    for number in 0..<200 {
      let magnitude = [1e-6, 1e-4, 1e-2, 1, 1e2, 1e4, 1e6][number % 7] / 64
      let shape = [
        Int.random(in: 1...9, using: &generator) * 2 - 1,
        Int.random(in: 1...9, using: &generator) * 2 - 1,
      ]
      // The least step of all candidates is 2^-19, and numbers keep 33 bits below their magnitude.
      let unit = min(Int(magnitude.exponent) - 32, -19)
      let values = (0..<shape[0] * shape[1]).map { _ in
        Self.number(magnitude, unit: unit, &generator)
      }
      let bytes = stored(values, as: .fp32)
      // Even tensors are judged by a table, odd ones by trying every element.
      let elements = number % 2 == 0 ? Int.max : 0
      var search = ScaleSearch(
        encoding: .e4m3, fullscale: 240, candidates: candidates, elements: elements)
      search.add(bytes.span, of: .fp32)
      let exact = candidates.map { Self.exactError(values, $0, unit: unit) }
      for (found, expected) in zip(search.errors(), exact) {
        let expected = Double(expected) * Self.power(of: 2 * unit)
        #expect((found - expected).magnitude <= expected * 0x1p-40, "tensor \(number)")
      }
      let least = try #require(exact.min())
      let best = try #require(search.best(comparingIn: .fp32))
      let chosen = exact[try #require(candidates.firstIndex(of: best))]
      // Roots are compared as float32, so that two within 2^-22 of each other may tie.
      #expect(Double(chosen) <= Double(least) * (1 + 0x1p-22), "tensor \(number)")

      let layout = try #require(ChannelLayout(shape: shape, axis: 0))
      var rows = ScaleSearch(
        encoding: .e4m3, fullscale: 240, references: Array(repeating: 0x1p-4, count: shape[0]),
        multipliers: candidates.suffix(12), layout: layout)
      rows.add(bytes.span, of: .fp32)
      for (row, scale) in rows.bestPerChannel(comparingIn: .fp32).enumerated() {
        let channel = Array(values[row * shape[1]..<(row + 1) * shape[1]])
        let errors = candidates.suffix(12).map { Self.exactError(channel, 0x1p-4 * $0, unit: unit) }
        let chosen = Self.exactError(channel, scale, unit: unit)
        #expect(Double(chosen) <= Double(errors.min() ?? 0) * (1 + 0x1p-22), "tensor \(number)")
      }
    }
  }

  /// One channel is 4096 times the other: squared errors hear the large one only, whose errors are the
  /// same under every scale that neither clips nor flushes it.
  @Test func relativeErrorsHearSmallChannels() throws {
    let values: [Float] = [1.1, -0.7, 0.33, 0.9, 4505.6, -2867.2, 1351.68, 3686.4]
    let bytes = stored(values, as: .fp32)
    let candidates: [Float] = [0x1p-10, 0x1p-2, 1, 16, 0x1p5, 0x1p9]
    let layout = try #require(ChannelLayout(shape: [2, 4], axis: 0))
    var relative = ScaleSearch(
      encoding: .e4m3, fullscale: 240, candidates: candidates, channels: layout)
    relative.add(bytes.span, of: .fp32)
    func share(_ scale: Float) -> Double {
      [values.prefix(4), values.suffix(4)].reduce(0) { sum, channel in
        let signal = channel.reduce(0) { $0 + Double($1) * Double($1) }
        let error = Double(Self.exactError(Array(channel), scale, unit: -40)) * 0x1p-80
        return sum + error / signal
      }
    }
    let shares = candidates.map(share)
    let least = try #require(shares.indices.min { shares[$0] < shares[$1] })
    #expect(relative.bestByRelativeError() == candidates[least])
    // 16 clips the largest element, 512 makes the small channel subnormal.
    #expect(candidates[least] == 32)
    var plain = ScaleSearch(
      encoding: .e4m3, fullscale: 240, candidates: candidates, elements: values.count)
    plain.add(bytes.span, of: .fp32)
    #expect(plain.best(comparingIn: .bf16) == 512)
  }
}

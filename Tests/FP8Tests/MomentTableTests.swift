import FP8
import Testing

/// Errors from a table against the error of every element, by the definition of the encodings.
@Suite struct MomentTableTests {
  /// The finite magnitudes of an encoding up to a full scale, ascending.
  private static func grid(_ encoding: FP8Format, upTo fullscale: Float) -> [Double] {
    let (mantissaBits, bias) = encoding == .e4m3 ? (3, 7) : (2, 15)
    return (0..<0x7F).compactMap { code in
      let (exponent, mantissa) = (code >> mantissaBits, Double(code & (1 << mantissaBits - 1)))
      let leading = exponent == 0 ? 0 : Double(1 << mantissaBits)
      let number = (leading + mantissa) * two(max(exponent, 1) - bias - mantissaBits)
      return number <= Double(fullscale) ? number : nil
    }
  }

  private static func two(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  private static func error(_ value: Float, _ scale: Float, _ grid: [Double]) -> Double {
    let magnitude = Double(value.magnitude)
    let errors = grid.map { (magnitude - $0 * Double(scale)).magnitude }
    return errors.min().map { $0 * $0 } ?? 0
  }

  /// Magnitudes around a power of two, with midpoints and edges of steps among them.
  private static func numbers(
    around exponent: Int, _ count: Int, _ generator: inout SplitMix
  ) -> [Float] {
    (0..<count).map { index in
      let power = min(max(exponent + Int.random(in: -14...14, using: &generator), -149), 127)
      let steps = Int.random(in: 0..<32, using: &generator)
      let fraction =
        index % 3 == 0 ? Double(steps) / 32 : Double.random(in: 0..<1, using: &generator)
      let value = min((1 + fraction) * two(power), 0x1.FFFFFEp127)
      return Float(index % 2 == 0 ? value : -value)
    }
  }

  @Test func errorsAreThoseOfEveryElement() {
    var generator = SplitMix(state: 31)
    let formats: [(FP8Format, Float)] = [(.e4m3, 240), (.e4m3, 448), (.e5m2, 57344), (.e4m3, 0.5)]
    for (encoding, fullscale) in formats {
      let grid = Self.grid(encoding, upTo: fullscale)
      let least = encoding == .e4m3 ? -120 : -113
      for center in [-149, -130, -126, -100, -20, -8, 0, 7, 60, 115] {
        let values = Self.numbers(around: center, 300, &generator)
        for type in [HighPrecision.fp32, .bf16] {
          let bytes = stored(values, as: type)
          var widened = [Float](repeating: 0, count: values.count)
          var span = widened.mutableSpan
          type.widen(bytes.span, into: &span)
          widened = widened.map { $0.isFinite ? $0 : 0 }
          let finite = stored(widened, as: type)
          var table = MomentTable()
          table.add(finite.span, of: type)
          for exponent in [-40, -20, -9, -3, 0, 2, 10, 40].map({ center + $0 })
          where exponent >= least && exponent <= 127 {
            let scale = power(exponent)
            let found = table.squaredError(encoding, scale: scale, fullscale: fullscale)
            let expected = widened.reduce(0) { $0 + Self.error($1, scale, grid) }
            #expect(
              (found - expected).magnitude <= expected * 0x1p-40,
              "\(encoding) \(fullscale), numbers around 2^\(center), scale 2^\(exponent)")
          }
        }
      }
    }
  }

  @Test func partsAddUpInAnyOrder() {
    var generator = SplitMix(state: 32)
    let values = Self.numbers(around: 0, 5000, &generator)
    let bytes = stored(values, as: .fp32)
    var whole = MomentTable()
    whole.add(bytes.span, of: .fp32)
    let cuts = [0, 4, 1000, 1004, 12_340, bytes.count]
    var parts = MomentTable()
    for (start, end) in zip(cuts, cuts.dropFirst()).reversed() {
      parts.add(bytes.span.extracting(start..<end), of: .fp32)
    }
    #expect(parts == whole)
  }

  /// All of 3 * 2^20 elements in one bucket, whose squares need more than 64 bits.
  @Test func sumsDoNotOverflow() {
    let value = Float(bitPattern: 0x3F87_FFFF)
    let bytes = stored(Array(repeating: value, count: 3 << 20), as: .fp32)
    var table = MomentTable()
    for _ in 0..<24 { table.add(bytes.span, of: .fp32) }
    // One unit of 2^-23 below the midpoint of 1 and 1.125.
    let difference = 0x7FFFFp-23
    let expected = Double(72 << 20) * difference * difference
    #expect(table.squaredError(.e4m3, scale: 1, fullscale: 240) == expected)
  }

  @Test func aTableIsExactForPowersOfTwoOnly() {
    #expect(MomentTable.isExact(for: .e4m3, scale: 0x1p-120))
    #expect(!MomentTable.isExact(for: .e4m3, scale: 0x1p-121))
    #expect(MomentTable.isExact(for: .e5m2, scale: 0x1p-113))
    #expect(!MomentTable.isExact(for: .e5m2, scale: 0x1p-114))
    #expect(!MomentTable.isExact(for: .e4m3, scale: 3))
    #expect(!MomentTable.isExact(for: .e4m3, scale: -1))
    #expect(!MomentTable.isExact(for: .e4m3, scale: .infinity))
  }

  @Test func whatIsNotFiniteIsNotHidden() {
    for (value, expected) in [(Float.infinity, Double.infinity), (.nan, .nan)] {
      var table = MomentTable()
      table.add(stored([1, value], as: .fp32).span, of: .fp32)
      let error = table.squaredError(.e4m3, scale: 1, fullscale: 240)
      #expect(error.isNaN == expected.isNaN && (error.isNaN || error == expected))
    }
  }
}

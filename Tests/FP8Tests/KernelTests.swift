import FP8
import Testing

/// Every kernel against a loop in Swift that does one element at a time, on bits of every kind, at odd addresses,
/// and cut anywhere: results are equal to the bit.
@Suite struct KernelTests {
  /// A tensor of random bits: numbers of all magnitudes, zeros, infinities and NaN.
  private struct Sample {
    let type: HighPrecision
    let values: [Float]
    /// The elements behind `lead` other bytes.
    let bytes: [UInt8]
    let lead: Int

    init(_ type: HighPrecision, count: Int, lead: Int, _ generator: inout SplitMix) {
      self.type = type
      self.lead = lead
      var bytes = [UInt8](repeating: 0xFF, count: lead)
      values = (0..<count).map { _ in
        var bits = generator.next()
        switch bits >> 60 {
        case 0: bits &= 0x8000_8000
        case 1: bits |= type == .fp16 ? 0x7C00 : 0x7F80_7F80
        default: break
        }
        switch type {
        case .fp32:
          let pattern = UInt32(truncatingIfNeeded: bits)
          bytes += (0..<4).map { UInt8(truncatingIfNeeded: pattern >> (8 * $0)) }
          return Float(bitPattern: pattern)
        case .bf16, .fp16:
          let pattern = UInt16(truncatingIfNeeded: bits)
          bytes += [UInt8(truncatingIfNeeded: pattern), UInt8(pattern >> 8)]
          return type == .fp16
            ? Float(halfPattern: pattern) : Float(bitPattern: UInt32(pattern) << 16)
        }
      }
      self.bytes = bytes
    }

    /// The bytes of a range of elements.
    func span(_ range: Range<Int>) -> Range<Int> {
      lead + range.lowerBound * type.byteCount..<lead + range.upperBound * type.byteCount
    }
  }

  /// How tensors fall into channels: whole, by rows, by columns, and by an axis between others.
  private static let layouts: [(channels: Int, inner: Int)?] = [
    nil, (3, 40), (7, 1), (40, 1), (5, 3), (4, 8), (2, 200),
  ]

  private static func channel(of index: Int, _ layout: (channels: Int, inner: Int)?) -> Int {
    layout.map { index / $0.inner % $0.channels } ?? 0
  }

  /// Calls with samples of all types, layouts and lengths up to some vectors, cut in two.
  private func forEachSample(
    _ body: (Sample, (channels: Int, inner: Int)?, ChannelLayout, _ cut: Int) -> Void
  ) {
    var generator = SplitMix(state: 7)
    for type in HighPrecision.allCases {
      for layout in KernelTests.layouts {
        for round in 0..<24 {
          let count = Int.random(in: 0...(round < 8 ? 9 : 400), using: &generator)
          let sample = Sample(type, count: count, lead: round % 4, &generator)
          let channels =
            layout.map { ChannelLayout(channels: $0.channels, inner: $0.inner) } ?? .tensor
          body(sample, layout, channels, Int.random(in: 0...count, using: &generator))
        }
      }
    }
  }

  @Test func `the largest magnitudes are those of a loop`() {
    var (wrong, tried) = (0, 0)
    forEachSample { sample, layout, channels, cut in
      var found = RangeAccumulator(layout: channels)
      for range in [0..<cut, cut..<sample.values.count] {
        found.add(
          sample.bytes.span.extracting(sample.span(range)), of: sample.type,
          first: range.lowerBound)
      }
      var largest = [Float](repeating: 0, count: channels.channels)
      var nonFinite: [Int] = []
      for (index, value) in sample.values.enumerated() {
        guard value.isFinite else {
          nonFinite.append(index)
          continue
        }
        let channel = KernelTests.channel(of: index, layout)
        if value.magnitude > largest[channel] { largest[channel] = value.magnitude }
      }
      tried += 1
      if found.maxAbs != largest || found.nonFiniteCount != nonFinite.count
        || found.firstNonFinite != nonFinite.first
      {
        wrong += 1
      }
    }
    #expect(tried == 504 && wrong == 0)
  }

  /// The code of the number nearest to `quotient`, of two equally near the even one, by looking at all of them.
  private static func nearestCode(
    _ quotient: Float, _ encoding: FP8Format, _ grid: [Double]
  ) -> UInt8 {
    if quotient.isNaN { return 0x7F }
    let sign: UInt8 = quotient.sign == .minus ? 0x80 : 0
    let magnitude = Double(quotient.magnitude)
    guard magnitude < grid[grid.count - 1] else { return sign | UInt8(grid.count - 1) }
    var best = 0
    for (code, number) in grid.enumerated() {
      let (distance, least) = ((number - magnitude).magnitude, (grid[best] - magnitude).magnitude)
      if distance < least || distance == least && code % 2 == 0 { best = code }
    }
    return sign | UInt8(best)
  }

  /// The numbers of an encoding's codes up to full scale, by the format's definition.
  private static func grid(_ encoding: FP8Format, upTo fullscale: Double) -> [Double] {
    let (bits, bias) = encoding == .e4m3 ? (3, 7) : (2, 15)
    let numbers = (0..<0x80).map { code -> Double in
      let (exponent, mantissa) = (code >> bits, Double(code & (1 << bits - 1)))
      let one = Double(1 << bits)
      return exponent == 0
        ? mantissa / one * Double(sign: .plus, exponent: 1 - bias, significand: 1)
        : (1 + mantissa / one) * Double(sign: .plus, exponent: exponent - bias, significand: 1)
    }
    return numbers.filter { $0 <= fullscale }
  }

  @Test(arguments: [
    (FP8Format.e4m3, Float(240), HighPrecision?.none), (.e4m3, 448, .bf16), (.e4m3, 240, .fp16),
    (.e4m3, 448, .fp32), (.e5m2, 57344, nil), (.e5m2, 57344, .bf16),
  ])
  func `codes are those of a loop`(
    encoding: FP8Format, fullscale: Float, precision: HighPrecision?
  ) {
    let grid = KernelTests.grid(encoding, upTo: Double(fullscale))
    var (wrong, tried) = (0, 0)
    forEachSample { sample, layout, channels, cut in
      // Powers of two, and in every second sample others.
      let step: Float = cut % 2 == 0 ? 1 : 0.7
      let scales = (0..<channels.channels).map {
        Float(sign: .plus, exponent: $0 % 7 - 3, significand: 1) * step
      }
      let quantizer = Quantizer(
        encoding: encoding, fullscale: fullscale, scales: scales, through: precision)
      var codes = [UInt8](repeating: 0, count: sample.values.count)
      for range in [0..<cut, cut..<sample.values.count] {
        var whole = codes.mutableSpan
        var target = whole._mutatingExtracting(range)
        quantizer.quantize(
          sample.bytes.span.extracting(sample.span(range)), of: sample.type, layout: channels,
          first: range.lowerBound, into: &target)
      }
      tried += 1
      for (index, value) in sample.values.enumerated() {
        let scale = scales[KernelTests.channel(of: index, layout)]
        let quotient: Float
        if let precision {
          let inverse = precision.round(1 / Double(scale))
          quotient = precision.round(Double(precision.round(value)) * Double(inverse))
        } else {
          quotient = value / scale
        }
        if codes[index] != KernelTests.nearestCode(quotient, encoding, grid) { wrong += 1 }
      }
    }
    #expect(tried == 504 && wrong == 0)
  }

  /// Halves and scales that are powers of two have a kernel of their own, for strips without subnormal codes.
  ///
  /// In the order of their bits most strips are of one kind; with a zero, an infinity, a NaN or the least number
  /// in every third strip they are mixed.
  @Test(arguments: [HighPrecision.bf16, .fp16], [FP8Format.e4m3, .e5m2])
  func `every half has the code of its quotient by powers of two`(
    type: HighPrecision, encoding: FP8Format
  ) {
    var patterns = (0...UInt16.max).map { $0 }
    for (strip, start) in stride(from: 0, to: patterns.count, by: 192).enumerated() {
      let others: [UInt16] = [0, 0x8000, type == .fp16 ? 0x7C00 : 0x7F80, 0xFFFF, 1]
      patterns[start + strip % 64] = others[strip % others.count]
    }
    let bytes = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let values = patterns.map {
      type == .fp16 ? Float(halfPattern: $0) : Float(bitPattern: UInt32($0) << 16)
    }
    let largest = encoding.maxFinite
    let other: HighPrecision = type == .fp16 ? .bf16 : .fp16
    var wrong: [Int: Int] = [:]
    for exponent in [-130, -24, -9, -8, -3, 0, 1, 7, 10, 60, 120] {
      let scale = Float(sign: .plus, exponent: exponent, significand: 1)
      for (fullscale, precision) in [(largest, HighPrecision?.none), (96, type), (largest, other)] {
        let quantizer = Quantizer(
          encoding: encoding, fullscale: fullscale, scales: [scale], through: precision)
        var codes = [UInt8](repeating: 0, count: patterns.count)
        var target = codes.mutableSpan
        quantizer.quantize(bytes.span, of: type, layout: .tensor, first: 0, into: &target)
        let inverse = precision.map { $0.round(1 / Double(scale)) }
        for (index, value) in values.enumerated() {
          let quotient =
            if let precision, let inverse {
              precision.round(Double(precision.round(value)) * Double(inverse))
            } else { value / scale }
          if codes[index] != encoding.encode(quotient, fullscale: fullscale) {
            wrong[exponent, default: 0] += 1
          }
        }
      }
    }
    #expect(wrong == [:])
  }

  @Test(arguments: FP8Format.allCases)
  func `values are those of a loop`(encoding: FP8Format) {
    var generator = SplitMix(state: 8)
    var (wrong, elements) = (0, 0)
    for layout in KernelTests.layouts {
      let channels = layout.map { ChannelLayout(channels: $0.channels, inner: $0.inner) } ?? .tensor
      let scales = (0..<channels.channels).map { _ in
        Float.random(in: 1e-3...1e3, using: &generator)
      }
      for count in [0, 1, 7, 64, 129, 400] {
        let codes = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        let cut = Int.random(in: 0...count, using: &generator)
        var values = [Float](repeating: 0, count: count)
        for range in [0..<cut, cut..<count] {
          var whole = values.mutableSpan
          var target = whole._mutatingExtracting(range)
          encoding.dequantize(
            codes.span.extracting(range), scales: scales, layout: channels, first: range.lowerBound,
            into: &target)
        }
        elements += count
        for (index, code) in codes.enumerated() {
          let expected = encoding.decode(code) * scales[KernelTests.channel(of: index, layout)]
          let same = expected.isNaN ? values[index].isNaN : values[index] == expected
          if !same { wrong += 1 }
        }
        let largest = codes.reduce(0) { max($0, $1 & 0x7F) }
        if FP8Format.largestMagnitude(of: codes.span) != largest { wrong += 1 }
      }
    }
    #expect(elements == 7 * 601 && wrong == 0)
  }
}

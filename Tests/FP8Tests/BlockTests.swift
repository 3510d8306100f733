import FP8
import Testing

@Suite struct BlockTests {
  @Test func halvesWidenAndNarrowAsTheStandardSays() {
    let patterns = (0...UInt16.max).map { $0 }
    let bytes = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    for type in [HighPrecision.bf16, .fp16] {
      var values = [Float](repeating: 0, count: patterns.count)
      var span = values.mutableSpan
      type.widen(bytes.span, into: &span)
      var back = [UInt8](repeating: 0, count: bytes.count)
      var target = back.mutableSpan
      let beyond = type.narrow(values.span, into: &target)
      #expect(beyond == 0)
      var wrong = 0
      for (index, pattern) in patterns.enumerated() {
        let expected =
          type == .bf16 ? Float(bitPattern: UInt32(pattern) << 16) : Float(halfPattern: pattern)
        let again = UInt16(back[2 * index]) | UInt16(back[2 * index + 1]) << 8
        if expected.isNaN {
          let isNaN = type == .bf16 ? again & 0x7FFF > 0x7F80 : again & 0x7FFF > 0x7C00
          if !values[index].isNaN || !isNaN { wrong += 1 }
        } else if values[index].bitPattern != expected.bitPattern || again != pattern {
          wrong += 1
        }
      }
      #expect(wrong == 0, "\(type)")
    }
  }

  @Test func narrowingRoundsTiesToEvenAndCountsWhatIsBeyond() {
    let values: [Float] = [
      0x1.01p0, 0x1.03p0, 0x1.010002p0, 65519.99, 65520, -1e9, .infinity, 0x1p-25, 0x1.8p-24,
      3.4e38,
    ]
    func narrowed(_ type: HighPrecision, clamp: Bool) -> (patterns: [UInt16], beyond: Int) {
      var bytes = [UInt8](repeating: 0, count: 2 * values.count)
      var target = bytes.mutableSpan
      let beyond = type.narrow(values.span, clamp: clamp, into: &target)
      return (
        (0..<values.count).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }, beyond
      )
    }
    // Worked by hand from the formats: bfloat16 keeps 7 bits of fraction, float16 10.
    let bf16 = narrowed(.bf16, clamp: false)
    #expect(bf16.patterns[..<3] == [0x3F80, 0x3F82, 0x3F81])
    #expect(bf16.patterns[9] == 0x7F80 && bf16.beyond == 1)
    #expect(narrowed(.bf16, clamp: true).patterns[9] == 0x7F7F)
    let fp16 = narrowed(.fp16, clamp: false)
    #expect(fp16.patterns[3...8] == [0x7BFF, 0x7C00, 0xFC00, 0x7C00, 0, 2])
    #expect(fp16.beyond == 3)
    let clamped = narrowed(.fp16, clamp: true)
    #expect(clamped.patterns[3...6] == [0x7BFF, 0x7BFF, 0xFBFF, 0x7C00])
    #expect(clamped.patterns[9] == 0x7BFF)
  }

  @Test func roundingAgreesWithNarrowing() {
    var generator = SplitMix(state: 16)
    let values = (0..<20_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
    }
    for type in HighPrecision.allCases {
      let bytes = stored(values, as: type)
      var back = [Float](repeating: 0, count: values.count)
      var span = back.mutableSpan
      type.widen(bytes.span, into: &span)
      let different = zip(values, back).filter { value, back in
        value.isNaN ? !back.isNaN : type.round(value).bitPattern != back.bitPattern
      }
      #expect(different.isEmpty, "\(type)")
    }
  }

  @Test func rangesArePerChannelAndNameTheFirstElementThatIsNotFinite() throws {
    let values: [Float] = [1, -2, 3, -4, .nan, 5, 0.5, -.infinity, 0.25]
    for type in HighPrecision.allCases {
      let bytes = stored(values, as: type)
      var whole = RangeAccumulator()
      whole.add(bytes.span, of: type)
      #expect(whole.maxAbs == [5])
      #expect(whole.nonFiniteCount == 2 && whole.firstNonFinite == 4)
      var columns = RangeAccumulator(
        layout: try #require(ChannelLayout(shape: [3, 3], axis: 1)))
      let cut = 4 * type.byteCount
      columns.add(Array(bytes[cut...]).span, of: type, first: 4)
      columns.add(Array(bytes[..<cut]).span, of: type)
      #expect(columns.maxAbs == [4, 2, 5])
      #expect(columns.nonFiniteCount == 2 && columns.firstNonFinite == 4)
      var rows = RangeAccumulator(layout: try #require(ChannelLayout(shape: [3, 3], axis: 0)))
      rows.add(bytes.span, of: type)
      #expect(rows.maxAbs == [3, 5, 0.5] && rows.tensorMaxAbs == 5)
    }
  }

  @Test func dequantizingMultipliesByTheChannelsScale() throws {
    let codes: [UInt8] = [0x38, 0xB8, 0x77, 0x01, 0x80, 0x7F]
    var values = [Float](repeating: 0, count: 6)
    var span = values.mutableSpan
    FP8Format.e4m3.dequantize(
      codes.span, scales: [2, 0.5], layout: try #require(ChannelLayout(shape: [2, 3], axis: 0)),
      into: &span)
    #expect(values[..<5] == [2, -2, 480, 0x1p-10, -0.0])
    #expect(values[4].sign == .minus && values[5].isNaN)
    #expect(FP8Format.largestMagnitude(of: codes.span) == 0x7F)
  }

  @Test func aLossCountsWhatIsClippedAndWhatVanishes() {
    let values: [Float] = [0, 250, -480, 1, 0x1p-11, 3]
    var loss = QuantizationLoss()
    let quantizer = Quantizer(encoding: .e4m3, fullscale: 240, scales: [1])
    quantizer.tally(stored(values, as: .fp32).span, of: .fp32, into: &loss)
    #expect(loss.elements == 6 && loss.clipped == 2 && loss.flushed == 1)
    #expect(loss.error == 100 + 57600 + 0x1p-22)
  }

  /// Against what the codes stand for, added up by hand, whatever the layout and the blocks.
  @Test func aLossDoesNotDependOnBlocks() throws {
    var generator = SplitMix(state: 11)
    let shape = [37, 29]
    let values = (0..<37 * 29).map { _ in
      Float.random(in: -1...1, using: &generator)
        * power(Int.random(in: -12...9, using: &generator))
    }
    for type in HighPrecision.allCases {
      let bytes = stored(values, as: type)
      var exact = [Float](repeating: 0, count: values.count)
      var wide = exact.mutableSpan
      type.widen(bytes.span, into: &wide)
      for (axis, count) in [(nil, 1), (0, 37), (1, 29)] as [(Int?, Int)] {
        for step in [1, 0.75] as [Float] {
          let scales = (0..<count).map { power($0 % 3 - 1) * step }
          let layout =
            try axis.map { try #require(ChannelLayout(shape: shape, axis: $0)) } ?? .tensor
          let quantizer = Quantizer(encoding: .e4m3, fullscale: 240, scales: scales)
          let made = codes(bytes, of: type, by: quantizer, layout: layout)
          var back = [Float](repeating: 0, count: made.count)
          var span = back.mutableSpan
          FP8Format.e4m3.dequantize(
            made.span, scales: Array(repeating: 1, count: count), layout: layout, into: &span)
          var (clipped, flushed, error) = (0, 0, 0.0)
          for (index, value) in exact.enumerated() {
            let scale = scales[axis == 0 ? index / 29 : axis == 1 ? index % 29 : 0]
            let difference = Double(value) - Double(back[index]) * Double(scale)
            error += difference * difference
            let quotient = step == 1 ? value * (1 / scale) : value / scale
            if quotient.magnitude > 240 { clipped += 1 }
            if value != 0, back[index] == 0 { flushed += 1 }
          }
          var whole = QuantizationLoss()
          quantizer.tally(bytes.span, of: type, layout: layout, into: &whole)
          #expect(whole.clipped == clipped && whole.flushed == flushed)
          #expect((whole.error - error).magnitude <= error * 0x1p-45)
          var cut = QuantizationLoss()
          var start = 0
          for length in [3, 101, 8, 1, 500, 1000] {
            let end = min(start + length, values.count)
            let block = Array(bytes[start * type.byteCount..<end * type.byteCount])
            quantizer.tally(block.span, of: type, layout: layout, first: start, into: &cut)
            start = end
          }
          #expect(start == values.count && cut == whole)
        }
      }
    }
  }

  @Test func aLayoutRefusesShapesThatHaveNoElements() {
    #expect(ChannelLayout(shape: [2, 0], axis: 0) == nil)
    #expect(ChannelLayout(shape: [2, 3], axis: 2) == nil)
    #expect(ChannelLayout(shape: [Int.max, 2], axis: 0) == nil)
    #expect(ChannelLayout(shape: [4, 3, 5], axis: 1) == ChannelLayout(channels: 3, inner: 5))
  }
}

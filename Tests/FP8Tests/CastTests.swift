import FP8
import Testing

/// Codes that other libraries give for a list of patterns.
struct ExpectedCasts: CustomTestStringConvertible, Sendable {
  var type: HighPrecision
  var encoding: FP8Format
  var fullscale: Float
  var entries: [(pattern: UInt32, code: UInt8)]

  var testDescription: String { "\(type) to \(encoding) at \(fullscale), \(entries.count) values" }

  static func load() throws -> [ExpectedCasts] {
    var result: [ExpectedCasts] = []
    for line in try expectedLines("casts.txt") {
      switch line[0] {
      case "runs", "points":
        result.append(
          ExpectedCasts(
            type: try #require(HighPrecision(rawValue: String(line[1]))),
            encoding: try #require(FP8Format(rawValue: String(line[2]))),
            fullscale: try #require(Float(line[3])), entries: []))
      case "decode":
        return result.map { $0.type == .fp32 ? $0 : $0.expanded }
      default:
        let pattern = try #require(UInt32(line[0], radix: 16))
        let code = try #require(UInt8(line[1], radix: 16))
        result[result.count - 1].entries.append((pattern, code))
      }
    }
    return result
  }

  /// Runs written out: an entry for each of the 65,536 patterns.
  private var expanded: ExpectedCasts {
    var copy = self
    copy.entries = []
    for (index, run) in entries.enumerated() {
      let end = index + 1 < entries.count ? entries[index + 1].pattern : 0x10000
      copy.entries += (run.pattern..<end).map { ($0, run.code) }
    }
    return copy
  }

  func value(_ pattern: UInt32) -> Float {
    switch type {
    case .fp32: Float(bitPattern: pattern)
    case .bf16: Float(bitPattern: pattern << 16)
    case .fp16: Float(halfPattern: UInt16(pattern))
    }
  }

  /// NaN has one code here, and its sign in the file (decisions.md, Numbers 2).
  func expected(_ entry: (pattern: UInt32, code: UInt8)) -> UInt8 {
    value(entry.pattern).isNaN ? 0x7F : entry.code
  }

  var bytes: [UInt8] {
    entries.flatMap { entry in
      (0..<type.byteCount).map { UInt8(truncatingIfNeeded: entry.pattern >> (8 * UInt32($0))) }
    }
  }
}

extension Float {
  /// The number of a float16 pattern, by the definition of IEEE 754.
  init(halfPattern: UInt16) {
    let exponent = Int(halfPattern >> 10 & 31)
    let fraction = Float(halfPattern & 0x3FF)
    let sign: Float = halfPattern & 0x8000 == 0 ? 1 : -1
    switch exponent {
    case 31: self = fraction == 0 ? sign * .infinity : .nan
    case 0: self = sign * fraction * 0x1p-24
    default: self = sign * (1024 + fraction) * power(exponent - 25)
    }
  }
}

@Suite struct CastTests {
  @Test func everyPatternHasTheCodeOtherLibrariesGive() throws {
    let casts = try ExpectedCasts.load()
    #expect(casts.count == 9)
    for expected in casts {
      let quantizer = Quantizer(
        encoding: expected.encoding, fullscale: expected.fullscale, scales: [1])
      let codes = codes(expected.bytes, of: expected.type, by: quantizer)
      var different: [UInt32] = []
      for (entry, code) in zip(expected.entries, codes) {
        let reference = expected.encoding.encode(
          expected.value(entry.pattern), fullscale: expected.fullscale)
        if code != expected.expected(entry) || reference != code { different.append(entry.pattern) }
      }
      #expect(different.isEmpty, "\(expected.testDescription)")
      #expect(expected.entries.count >= 800)
    }
  }

  @Test func everyCodeStandsForTheNumberOtherLibrariesGive() throws {
    var format = FP8Format.e4m3
    var next = 0
    var isDecode = false
    for line in try expectedLines("casts.txt") {
      if line[0] == "decode" {
        format = try #require(FP8Format(rawValue: String(line[1])))
        next = 0
        isDecode = true
      } else if isDecode {
        let expected = try float(hex: line[0])
        let value = format.decode(UInt8(next))
        #expect(
          expected.isNaN ? value.isNaN : value.bitPattern == expected.bitPattern,
          "\(format) code \(next)")
        next += 1
      }
    }
    #expect(next == 256)
  }

  /// fp8-and-gaudi2.md section 1.4, whose own table this is.
  @Test func theBoundariesOfGaudi2SaturateAndTieToEven() {
    let quantizer = Quantizer(encoding: .e4m3, fullscale: 240, scales: [1])
    let cases: [(Float, UInt8)] = [
      (247.99, 0x77), (248, 0x77), (464, 0x77), (.infinity, 0x77), (-.infinity, 0xF7),
      (.nan, 0x7F), (-.nan, 0x7F), (0x1p-10, 0), (0x1.001p-10, 1), (0x1.8p-9, 2), (0x1.4p-8, 2),
      (-0.0, 0x80), (0, 0),
    ]
    #expect(codes(stored(cases.map(\.0), as: .fp32), of: .fp32, by: quantizer) == cases.map(\.1))
    let wide = Quantizer(encoding: .e5m2, fullscale: 57344, scales: [1])
    #expect(codes(stored([61440, -70000], as: .fp32), of: .fp32, by: wide) == [0x7B, 0xFB])
  }

  @Test func kernelsAgreeWithTheDefinitionOnRandomPatternsAndScales() {
    var generator = SplitMix(state: 240)
    let values = (0..<20_000).map { _ in
      Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
    }
    for encoding in FP8Format.allCases {
      for scale: Float in [1, 0x1p-8, 16, 0x1p100, 0x1p-126, 0x1p-149, 0.025, 3, 1e30] {
        let quantizer = Quantizer(
          encoding: encoding, fullscale: encoding.maxFinite, scales: [scale])
        let expected = values.map { encoding.encode($0 / scale, fullscale: encoding.maxFinite) }
        #expect(codes(stored(values, as: .fp32), of: .fp32, by: quantizer) == expected)
      }
    }
  }

  /// An arbitrary scale: divided where ONNX divides, multiplied by the rounded inverse on INC's way.
  @Test func incsWayGivesTheCodesOfTheWorkedExample() {
    let weights: [Float] = [
      0.02001953125, -0.5, 0.10986328125, 0.330078125, 3.0, 0.006988525390625, -1.8984375,
      0.6015625,
    ]
    let quantizer = Quantizer(
      encoding: .e4m3, fullscale: 240, scales: [0.025146484375], through: .bf16)
    #expect(
      codes(stored(weights, as: .bf16), of: .bf16, by: quantizer)
        == [0x35, 0xDA, 0x49, 0x55, 0x6F, 0x29, 0xE9, 0x5C])
    let gaudi3 = Quantizer(
      encoding: .e4m3, fullscale: 448, scales: [0.01336669921875], through: .bf16)
    #expect(
      codes(stored(weights, as: .fp32), of: .fp32, by: gaudi3)
        == [0x3C, 0xE1, 0x50, 0x5C, 0x76, 0x30, 0xF1, 0x63])
  }

  /// Codes of inc-fp8.md section 10.3 per method, for one scale and for one per row.
  @Test func theWorkedExampleHasItsCodesForEveryScale() throws {
    let weights: [Float] = [
      0.02001953125, -0.5, 0.10986328125, 0.330078125, 3.0, 0.006988525390625, -1.8984375,
      0.6015625,
    ]
    let rows = try #require(ChannelLayout(shape: [2, 4], axis: 0))
    let cases: [(Float, [Float], [UInt8])] = [
      (240, [1], [0x0A, 0xB0, 0x1E, 0x2B, 0x44, 0x04, 0xBF, 0x32]),
      (240, [0x1p-4], [0x2A, 0xD0, 0x3E, 0x4B, 0x64, 0x1E, 0xDF, 0x52]),
      (448, [0x1p-6], [0x3A, 0xE0, 0x4E, 0x5B, 0x74, 0x2E, 0xEF, 0x62]),
      (240, [0x1p-5], [0x32, 0xD8, 0x46, 0x53, 0x6C, 0x26, 0xE7, 0x5A]),
      (240, [0x1p-7, 0x1p-5], [0x42, 0xE8, 0x56, 0x63, 0x6C, 0x26, 0xE7, 0x5A]),
      (448, [0x1p-8, 0x1p-6], [0x4A, 0xF0, 0x5E, 0x6B, 0x74, 0x2E, 0xEF, 0x62]),
    ]
    for (fullscale, scales, expected) in cases {
      let quantizer = Quantizer(encoding: .e4m3, fullscale: fullscale, scales: scales)
      let layout = scales.count == 1 ? ChannelLayout.tensor : rows
      #expect(
        codes(stored(weights, as: .bf16), of: .bf16, by: quantizer, layout: layout) == expected)
    }
  }

  @Test func blocksOfATensorFindTheirChannelsWhateverTheirStart() throws {
    let scales: [Float] = [1, 2, 4]
    let values = (0..<48).map { Float($0) - 20 }
    for (shape, axis) in [([2, 3, 8], 1), ([16, 3], 1), ([3, 16], 0)] {
      let layout = try #require(ChannelLayout(shape: shape, axis: axis))
      let quantizer = Quantizer(encoding: .e4m3, fullscale: 240, scales: scales)
      let inner = shape[(axis + 1)...].reduce(1, *)
      let expected = values.enumerated().map { index, value in
        FP8Format.e4m3.encode(value / scales[index / inner % 3], fullscale: 240)
      }
      for cut in 0...48 {
        let head = codes(
          stored(Array(values[..<cut]), as: .fp32), of: .fp32, by: quantizer, layout: layout)
        let tail = codes(
          stored(Array(values[cut...]), as: .fp32), of: .fp32, by: quantizer, layout: layout,
          first: cut)
        #expect(head + tail == expected)
      }
    }
  }
}

/// A generator whose numbers are the same everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

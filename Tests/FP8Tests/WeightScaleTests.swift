import FP8
import Testing

/// A weight and the scales that INC gives it.
struct ExpectedWeight: Sendable {
  struct Case: Sendable {
    var device: Substring
    var precision: HighPrecision
    var storage: HighPrecision
    var method: Substring
    var scales: [Float]
    /// For a search, the scales whose errors in binary64 are within 2 % of the least.
    var near: [[Float]]
  }

  var name: Substring
  var shape: [Int]
  var values: [Float]
  var cases: [Case]

  private static func near(_ field: Substring) throws -> [Float] {
    field == "-" ? [] : try field.split(separator: ":").map { try float(hex: $0) }
  }

  static func load() throws -> [ExpectedWeight] {
    let bytes = try expectedBytes("weights.bin")
    var all = [Float](repeating: 0, count: bytes.count / 4)
    var span = all.mutableSpan
    HighPrecision.fp32.widen(bytes.span, into: &span)
    var result: [ExpectedWeight] = []
    for line in try expectedLines("weights.txt") {
      if line[0] == "weight" {
        let shape = line[2].split(separator: "x").compactMap { Int($0) }
        let start = try #require(Int(line[3]))
        result.append(
          ExpectedWeight(
            name: line[1], shape: shape,
            values: Array(all[start..<start + shape.reduce(1, *)]), cases: []))
      } else {
        result[result.count - 1].cases.append(
          Case(
            device: line[0], precision: try #require(HighPrecision(rawValue: String(line[1]))),
            storage: try #require(HighPrecision(rawValue: String(line[2]))), method: line[3],
            scales: try line[4].split(separator: ",").map { try float(hex: $0) },
            near: try line.count > 5 ? line[5].split(separator: ",").map(near) : []))
      }
    }
    return result
  }
}

@Suite struct WeightScaleTests {
  /// The scales of one case, in blocks of 100 elements.
  private func scales(of weight: ExpectedWeight, in expected: ExpectedWeight.Case) throws
    -> [ScaleResult]
  {
    let parts = expected.method.split(separator: "/")
    let isSearch = parts[1] == "OPT"
    let rule = try ScaleRule(
      ScaleChoice(
        granularity: parts[0] == "PTS" ? .perTensor : .perChannel,
        value: isSearch ? .search : .maxabs,
        rounding: parts[2] == "IDENTITY" ? .identity : parts[2] == "POW2" ? .pow2 : .aligned,
        backoff: 0.5),
      limits: limits(device: expected.device, format: .e4m3),
      // Unrounded, INC on a CPU divides: that is the exact arithmetic.
      arithmetic: expected.precision == .bf16 && parts[2] != "IDENTITY" ? .device : .exact,
      precision: expected.precision)
    let storage = expected.storage
    let bytes = stored(weight.values, as: storage)
    let layout =
      rule.choice.granularity == .perTensor
      ? .tensor : try #require(ChannelLayout(shape: weight.shape, axis: 0))
    let blocks = stride(from: 0, to: weight.values.count, by: 100).map { start in
      (
        start,
        Array(
          bytes[start * storage.byteCount..<min(bytes.count, (start + 100) * storage.byteCount)])
      )
    }
    var ranges = RangeAccumulator(layout: layout)
    for (start, block) in blocks { ranges.add(block.span, of: storage, first: start) }
    if rule.choice.granularity == .perTensor {
      guard isSearch else {
        return [rule.scale(forMaxAbs: rule.precision.round(ranges.tensorMaxAbs))]
      }
      // By a table and by trying every element, which have to agree.
      let choices = [0, Int.max].map { elements in
        var search = ScaleSearch(
          encoding: .e4m3, fullscale: rule.limits.fullscale, candidates: rule.tensorCandidates,
          elements: elements)
        for (start, block) in blocks { search.add(block.span, of: storage, first: start) }
        return search.best(comparingIn: expected.precision)
      }
      #expect(choices[0] == choices[1])
      return [choices[0].map { .scale($0) } ?? .notFinite]
    }
    let references = ranges.maxAbs.map { rule.channelScale(forMaxAbs: $0, in: storage) }
    guard isSearch else { return references }
    var search = ScaleSearch(
      encoding: .e4m3, fullscale: rule.limits.fullscale,
      references: references.compactMap(\.value), multipliers: rule.channelMultipliers,
      layout: layout)
    for (start, block) in blocks { search.add(block.span, of: storage, first: start) }
    return search.bestPerChannel(comparingIn: expected.precision).map { .scale($0) }
  }

  @Test func scalesOfWeightsAreIncs() throws {
    var wrong: [String] = []
    var compared = 0
    var listed: [String: Int] = [:]
    for line in try expectedLines("device-differs.txt") where line[1].count < 8 {
      listed["\(line[0])/\(line[1])"] = Int(line[3])
    }
    for weight in try ExpectedWeight.load() {
      for expected in weight.cases {
        let found = try scales(of: weight, in: expected)
        try #require(found.count == expected.scales.count)
        for (index, result) in found.enumerated() {
          let scale = expected.scales[index]
          var accepted: [ScaleResult] = [scale > 0 ? .scale(scale) : .unitForZero]
          // A search between candidates within 2 % of each other may end at either.
          if !expected.near.isEmpty { accepted += expected.near[index].map { .scale($0) } }
          // At these boundaries the device's arithmetic differs from the CPU's; see the README.
          if expected.method == "PCS/MAXABS/POW2", expected.storage == .bf16,
            let exponent = listed["\(weight.name)/\(expected.device)/\(index)"]
          {
            accepted = [.scale(power(exponent))]
          }
          // Where squares overflow, INC finds no candidate and answers a scale that is not positive.
          if expected.method.contains("OPT"), !(scale > 0) { continue }
          // a channel of zeros has the floor's scale.
          if expected.method.hasPrefix("PCS"), scale < 0x1p-126 { accepted = [.scale(0x1p-126)] }
          compared += 1
          if !accepted.contains(result) {
            wrong.append(
              "\(weight.name) \(expected.device) \(expected.precision) \(expected.storage) \(expected.method) [\(index)]: \(result), not \(accepted)"
            )
          }
        }
      }
    }
    #expect(wrong == [])
    #expect(compared > 4500)
  }

  /// inc-fp8.md section 10.3: which ties fall where.
  @Test func theWorkedExampleBreaksItsTiesAsDocumented() throws {
    let weights: [Float] = [
      0.02001953125, -0.5, 0.10986328125, 0.330078125, 3.0, 0.006988525390625, -1.8984375,
      0.6015625,
    ]
    let bytes = stored(weights, as: .bf16)
    let rows = try #require(ChannelLayout(shape: [2, 4], axis: 0))
    for (device, aligned, pow2, channels): (Substring, Float, Float, [Float]) in [
      ("GAUDI2", 0x1p-4, 2, [0x1p-8, 0x1p-6]), ("GAUDI3", 0x1p-7, 2, [0x1p-9, 0x1p-7]),
    ] {
      let limits = try limits(device: device, format: .e4m3)
      func rule(_ rounding: ScaleChoice.Rounding) throws -> ScaleRule {
        try ScaleRule(
          ScaleChoice(value: .search, rounding: rounding, backoff: 0.5), limits: limits,
          arithmetic: .device, precision: .bf16)
      }
      for (rounding, expected): (ScaleChoice.Rounding, Float) in [
        (.aligned, aligned), (.pow2, pow2),
      ] {
        var search = ScaleSearch(
          encoding: .e4m3, fullscale: limits.fullscale,
          candidates: try rule(rounding).tensorCandidates, elements: Int.max)
        search.add(bytes.span, of: .bf16)
        #expect(search.best(comparingIn: .bf16) == expected)
      }
      var ranges = RangeAccumulator(layout: rows)
      ranges.add(bytes.span, of: .bf16)
      let pow2Rule = try rule(.pow2)
      var search = ScaleSearch(
        encoding: .e4m3, fullscale: limits.fullscale,
        references: ranges.maxAbs.compactMap {
          pow2Rule.channelScale(forMaxAbs: $0, in: .bf16).value
        }, multipliers: pow2Rule.channelMultipliers, layout: rows)
      search.add(bytes.span, of: .bf16)
      #expect(search.bestPerChannel(comparingIn: .bf16) == channels)
    }
    var gaudi2 = ScaleSearch(
      encoding: .e4m3, fullscale: 240, candidates: [0x1p-8, 0x1p-7, 1, 4, 16],
      elements: Int.max)
    gaudi2.add(bytes.span, of: .bf16)
    #expect(
      gaudi2.errors().map { HighPrecision.bf16.round($0.squareRoot()) }
        == [2.28125, 1.125, 0.035888671875, 0.0361328125, 0.041015625])
  }
}

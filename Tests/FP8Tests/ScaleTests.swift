import FP8
import Testing

@Suite struct ScaleTests {
  /// inc-fp8.md section 10.2: the quotient and the scales that devices give for it.
  @Test func devicesGiveTheScalesOfThePublishedTable() throws {
    // maxabs; Gaudi2: quotient, pow2, aligned; Gaudi3: same; weights: pow2, aligned, pow2, aligned.
    let rows: [(Float, Float, Int, Int, Float, Int, Int, Int, Int, Int, Int)] = [
      (0x1p-20, 1.594889909029007e-08, -25, -8, 8.498318493366241e-09, -26, -26, -26, -8, -27, -27),
      (0.1162109375, 0.00194549560546875, -9, -8, 0.00103759765625, -9, -9, -10, -8, -10, -10),
      (0.46875, 0.0078125, -7, -4, 0.004180908203125, -7, -7, -8, -8, -8, -8),
      (0.470703125, 0.00787353515625, -7, -4, 0.004180908203125, -7, -7, -8, -8, -8, -8),
      (0.47265625, 0.0079345703125, -6, -4, 0.00421142578125, -7, -7, -7, -4, -8, -8),
      (1, 0.0167236328125, -5, -4, 0.0089111328125, -6, -6, -6, -4, -7, -7),
      (3.75, 0.0625, -4, -4, 0.033447265625, -4, -4, -5, -4, -5, -5),
      (3.765625, 0.06298828125, -3, 0, 0.033447265625, -4, -4, -5, -4, -5, -5),
      (4.40625, 0.07373046875, -3, 0, 0.039306640625, -4, -4, -4, -4, -5, -5),
      (7.46875, 0.125, -3, 0, 0.06640625, -3, -3, -4, -4, -4, -4),
      (14, 0.234375, -2, 0, 0.125, -3, -3, -3, 0, -4, -4),
      (14.0625, 0.2353515625, -2, 0, 0.125, -3, -3, -3, 0, -4, -4),
      (14.125, 0.236328125, -2, 0, 0.1259765625, -2, -2, -3, 0, -3, -3),
      (60, 1, 0, 0, 0.53515625, 0, 0, -1, 0, -1, -1),
      (91.5, 1.53125, 1, 4, 0.81640625, 0, 0, 0, 0, -1, -1),
      (112.5, 1.8828125, 1, 4, 1, 0, 0, 0, 0, -1, -1),
      (240, 4, 2, 4, 2.140625, 2, 2, 1, 4, 1, 1),
      (976, 16.375, 5, 4, 8.6875, 4, 4, 4, 4, 3, 3),
      (3840, 64, 6, 4, 34.25, 6, 6, 5, 4, 5, 5),
      (13696, 229, 8, 4, 122, 7, 7, 7, 4, 6, 6),
    ]
    func scale(
      _ maxAbs: Float, _ device: Substring, _ rounding: ScaleChoice.Rounding, _ backoff: Double
    )
      throws -> Float?
    {
      let rule = try ScaleRule(
        ScaleChoice(rounding: rounding, backoff: backoff),
        limits: limits(device: device, format: .e4m3), arithmetic: .device, precision: .bf16)
      return rule.scale(forMaxAbs: maxAbs).value
    }
    for row in rows {
      #expect(try scale(row.0, "GAUDI2", .identity, 0.25) == row.1)
      #expect(try scale(row.0, "GAUDI2", .pow2, 0.25) == power(row.2))
      #expect(try scale(row.0, "GAUDI2", .aligned, 0.25) == power(row.3))
      #expect(try scale(row.0, "GAUDI3", .identity, 0.25) == row.4)
      #expect(try scale(row.0, "GAUDI3", .pow2, 0.25) == power(row.5))
      #expect(try scale(row.0, "GAUDI3", .aligned, 0.25) == power(row.6))
      #expect(try scale(row.0, "GAUDI2", .pow2, 0.5) == power(row.7))
      #expect(try scale(row.0, "GAUDI2", .aligned, 0.5) == power(row.8))
      #expect(try scale(row.0, "GAUDI3", .pow2, 0.5) == power(row.9))
      #expect(try scale(row.0, "GAUDI3", .aligned, 0.5) == power(row.10))
    }
  }

  /// inc-fp8.md section 4.5: the reciprocals, seen as the unrounded scale of a range of 1.
  @Test func theReciprocalOfFullScaleIsRoundedOnce() throws {
    let table: [(Double, Double, UInt32)] = [
      (240, 0.25, 0x3C89), (240, 0.5, 0x3C09), (240, 1, 0x3B89), (448, 0.25, 0x3C12),
      (448, 0.5, 0x3B92), (448, 1, 0x3B12), (57344, 0.25, 0x3892), (57344, 0.5, 0x3812),
      (57344, 1, 0x3792),
    ]
    for (fullscale, backoff, bits) in table {
      let format: FP8Format = fullscale > 448 ? .e5m2 : .e4m3
      let rule = try ScaleRule(
        ScaleChoice(backoff: backoff),
        limits: FormatLimits(encoding: format, fullscale: fullscale, alignedScales: []),
        arithmetic: .device, precision: .bf16)
      #expect(rule.scale(forMaxAbs: 1) == .scale(Float(bitPattern: bits << 16)))
    }
  }

  /// inc-fp8.md section 4.5: where the rounded logarithm keeps the lower power, for a full scale of 240.
  @Test func theRoundedLogarithmKeepsTheLowerPowerAsFarAsTheTableSays() throws {
    let table: [(ClosedRange<Int>, Float)] = [
      (-4...3, 240), (-8 ... -5, 241), (4...7, 241), (-16 ... -9, 243), (8...15, 243),
      (-32 ... -17, 249), (16...31, 249), (-64 ... -33, 255), (32...63, 255),
    ]
    let rule = try ScaleRule(
      ScaleChoice(rounding: .pow2, backoff: 1), limits: limits(device: "GAUDI2", format: .e4m3),
      arithmetic: .device, precision: .bf16)
    for (exponents, last) in table {
      for exponent in exponents {
        for significand in 240...255 {
          let maxAbs = Float(significand) * power(exponent)
          let expected = Float(significand) <= last ? exponent : exponent + 1
          #expect(rule.scale(forMaxAbs: maxAbs) == .scale(power(expected)))
        }
      }
    }
  }

  @Test func scalesOfActivationsAreIncsButForTheListedBoundaries() throws {
    let lines = try expectedLines("activations.txt")
    let columns = lines[0].dropFirst(2).map { $0.split(separator: "/") }
    var listed: [Substring: [Substring: Substring]] = [:]
    for line in try expectedLines("device-differs.txt") + expectedLines("exact-differs.txt") {
      listed[line[0], default: [:]][line[1]] = line[3]
    }
    let rules = try columns.map { column in
      try ScaleRule(
        ScaleChoice(
          rounding: column[3] == "IDENTITY" ? .identity : column[3] == "POW2" ? .pow2 : .aligned,
          backoff: 0.25),
        limits: limits(device: column[0], format: column[2] == "E4M3" ? .e4m3 : .e5m2),
        // Unrounded, INC on a CPU divides: that is the exact arithmetic.
        arithmetic: column[1] == "bf16" && column[3] != "IDENTITY" ? .device : .exact,
        precision: column[1] == "bf16" ? .bf16 : .fp32)
    }
    var wrong: [String] = []
    for line in lines.dropFirst() {
      let maxAbs = try float(hex: line[0])
      for (index, rule) in rules.enumerated() {
        let range = rule.precision.round(maxAbs)
        let name = lines[0][index + 2]
        let cell = listed[name]?[line[0]] ?? line[index + 1]
        let expected: ScaleResult
        if !range.isFinite {
          expected = .notFinite
        } else if rule.choice.rounding == .identity {
          expected = cell == "zero" ? .unitForZero : .scale(try float(hex: cell))
        } else if let exponent = Int(cell), exponent >= -149 {
          expected = .scale(power(exponent))
        } else {
          expected = .unitForZero
        }
        if rule.scale(forMaxAbs: range) != expected {
          wrong.append("\(name) \(line[0]): \(rule.scale(forMaxAbs: range)), not \(cell)")
        }
      }
    }
    #expect(wrong == [])
    #expect(columns.count == 18 && lines.count == 925)
  }

  @Test func rangesWithoutASizeFollowTheEdgeRules() throws {
    func rule(_ rounding: ScaleChoice.Rounding, _ device: Substring) throws -> ScaleRule {
      try ScaleRule(
        ScaleChoice(rounding: rounding, backoff: 0.25),
        limits: limits(device: device, format: .e4m3),
        arithmetic: .device, precision: .bf16)
    }
    #expect(try rule(.aligned, "GAUDI2").scale(forMaxAbs: 0) == .scale(0x1p-8))
    #expect(try rule(.aligned, "GAUDI3").scale(forMaxAbs: 0) == .scale(0x1p-55))
    #expect(try rule(.pow2, "GAUDI2").scale(forMaxAbs: 0) == .unitForZero)
    #expect(try rule(.identity, "GAUDI2").scale(forMaxAbs: 0) == .unitForZero)
    #expect(try rule(.pow2, "GAUDI2").channelScale(forMaxAbs: 0, in: .bf16) == .scale(0x1p-126))
    for value: Float in [.infinity, .nan] {
      #expect(try rule(.aligned, "GAUDI2").scale(forMaxAbs: value) == .notFinite)
      #expect(try rule(.pow2, "GAUDI2").channelScale(forMaxAbs: value, in: .fp32) == .notFinite)
    }
  }

  @Test func fixedChoicesDoNotLookAtTheTensor() throws {
    let gaudi2 = try limits(device: "GAUDI2", format: .e4m3)
    let gaudi3 = try limits(device: "GAUDI3", format: .e4m3)
    for (rounding, limits, expected): (ScaleChoice.Rounding, FormatLimits, Float) in [
      (.unit, gaudi2, 1), (.aligned, gaudi2, 16), (.aligned, gaudi3, 128),
    ] {
      let rule = try ScaleRule(
        ScaleChoice(value: .fixed, rounding: rounding), limits: limits, arithmetic: .device,
        precision: .bf16)
      #expect(rule.scale(forMaxAbs: 123) == .scale(expected))
      #expect(rule.scale(forMaxAbs: .nan) == .scale(expected))
    }
  }

  @Test func senselessNumbersAreRefused() throws {
    #expect(throws: (any Error).self) {
      try FormatLimits(encoding: .e4m3, fullscale: 241, alignedScales: [])
    }
    #expect(throws: (any Error).self) {
      try FormatLimits(encoding: .e4m3, fullscale: 480, alignedScales: [])
    }
    #expect(throws: (any Error).self) {
      try FormatLimits(encoding: .e4m3, fullscale: 240, alignedScales: [0])
    }
    let limits = try FormatLimits(encoding: .e4m3, fullscale: 448, alignedScales: [])
    for choice in [
      ScaleChoice(rounding: .aligned), ScaleChoice(backoff: 0), ScaleChoice(backoff: .nan),
      ScaleChoice(value: .search, candidates: [-1]),
    ] {
      #expect(throws: (any Error).self) {
        try ScaleRule(choice, limits: limits, arithmetic: .exact, precision: .fp32)
      }
    }
  }

  @Test func inversesAndProductsAreRoundedToHighPrecision() throws {
    let rule = try ScaleRule(
      ScaleChoice(), limits: limits(device: "GAUDI2", format: .e4m3), arithmetic: .device,
      precision: .bf16)
    // inc-fp8.md section 4.10.
    #expect(rule.inverse(of: 0.025146484375) == 39.75)
    #expect(rule.product(0.0625, 16) == 1)
  }
}

import FP8
import Measurements
import Support
import Targets
import Testing

/// The path of a file of `Tests/Data/Measurements`; see the README there.
func expectedPath(_ name: String) -> String {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return "\(tests)/Data/Measurements/\(name)"
}

func expectedText(_ name: String) throws -> String {
  String(
    decoding: try InputFile.contents(of: expectedPath(name), limit: 1 << 20), as: UTF8.self)
}

/// What inc-fp8.md sections 4.1 to 4.3 say of the devices and of some methods.
func recorder(
  method: String, gaudi3: Bool, arithmetic: ScaleArithmetic = .device
) throws -> ScaleRecorder {
  let exponents = gaudi3 ? Array(-55...7) : [-8, -4, 0, 4]
  let limits = try FormatLimits(
    encoding: .e4m3, fullscale: gaudi3 ? 448 : 240,
    alignedScales: exponents.map { Double(sign: .plus, exponent: $0, significand: 1) })
  func choice(_ backoff: Double) -> ScaleChoice {
    switch method {
    case "UNIT_SCALE": ScaleChoice(value: .fixed, rounding: .unit)
    case "HW_ALIGNED_SINGLE_SCALE": ScaleChoice(value: .fixed, rounding: .aligned)
    case "MAXABS_POW2": ScaleChoice(rounding: .pow2, backoff: backoff)
    case "MAXABS_ARBITRARY": ScaleChoice(rounding: .identity, backoff: backoff)
    default: ScaleChoice(rounding: .aligned, backoff: backoff)
    }
  }
  return try ScaleRecorder(
    plan: MethodPlan(
      ScaleMethod(name: method, weight: choice(0.5), activation: choice(0.25))),
    limits: limits, arithmetic: arithmetic, precision: .bf16)
}

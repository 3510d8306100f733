internal import Support

extension Diagnostic {
  static func alignedScale(_ scale: Double, of format: FP8Format) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "aligned scale \(scale) of format '\(format.rawValue)' is not a positive float32 number")
  }

  static func backoff(_ backoff: Double) -> Diagnostic {
    Diagnostic(.error, .configuration, "backoff is \(backoff), expected a positive number")
  }

  static func candidate(_ scale: Double) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "candidate scale \(scale) is not a positive float32 number")
  }

  static func targetFullscale(_ fullscale: Double, of format: FP8Format) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "fullscale \(fullscale) is not a positive number of format '\(format.rawValue)'",
      notes: ["its largest number is \(format.maxFinite)"])
  }

  static func noAlignedScales(for format: FP8Format) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "the scale method needs aligned scales, but the target has none for format "
        + "'\(format.rawValue)'",
      notes: ["choose a method that rounds to powers of two"])
  }
}

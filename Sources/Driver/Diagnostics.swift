internal import Support

extension Diagnostic {
  static func badFullscale(_ fullscale: Float, of name: String, limit: Float) -> Diagnostic {
    Diagnostic(
      .error, .internalError,
      "weight '\(name)' saturates at \(fullscale), beyond the target's \(limit)")
  }

  static func badScale(_ scale: Float, of name: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "weight '\(name)' has scale \(scale), expected one above 0")
  }

  static func dynamicMethod(_ name: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "scale method '\(name)' computes scales at run time, expected one with fixed scales")
  }

  static func needsWeights(_ path: String) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: path),
      "textual IR has no weights, expected a binary model")
  }

  static func noModules() -> Diagnostic {
    Diagnostic(
      .warning, .done, "no module was found or allowed: the model is written unquantized")
  }

  static func noOutput() -> Diagnostic {
    Diagnostic(.error, .usage, "no output file is named, expected '-o OUT'")
  }

  static func standardOutput(_ reason: String) -> Diagnostic {
    Diagnostic(.error, .inputOutput, "standard output cannot be written: \(reason)")
  }

  static func unknownConfigurationKey(
    _ key: String, accepted: [String], file: String?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "key '\(key)' is unknown, expected one of \(accepted.joined(separator: ", "))",
      notes: nearest(to: key, among: accepted).map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func weightNotFinite(_ name: String, count: Int, first: Int) -> Diagnostic {
    Diagnostic(
      "weight '\(name)' has \(count) infinite or NaN elements, the first at index \(first)",
      notes: ["'--allow-nonfinite' quantizes it all the same"])
  }

  static func weightQuantizedAtRunTime(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "weight '\(name)' is quantized at run time")
  }
}

package import Support

extension Diagnostic {
  static func nestedTooDeep(_ limit: Int) -> Diagnostic {
    Diagnostic("graphs nest deeper than \(limit)")
  }

  static func notRaised(_ op: String, across version: Int64, reason: String) -> Diagnostic {
    Diagnostic(
      "operator '\(op)' cannot be taken across opset \(version): \(reason)",
      notes: ["export the model at opset \(version) or higher"])
  }

  static func opsetNotAccepted(
    _ version: Int64, accepted: ClosedRange<Int64>
  ) -> Diagnostic {
    Diagnostic(
      "opset \(version) is not supported, expected \(accepted.lowerBound) to "
        + "\(accepted.upperBound)")
  }

  static func pipeline(found: Substring, expected: String) -> Diagnostic {
    let text = found.isEmpty ? "the end" : "'\(found.prefix(40))'"
    return Diagnostic(.error, .usage, "pipeline: found \(text), expected \(expected)")
  }

  static func pipelineTooLong(_ limit: Int) -> Diagnostic {
    Diagnostic(.error, .usage, "pipeline: found more than \(limit) passes, expected fewer")
  }

  /// For a pass's `set`: a value that makes no sense.
  package static func optionValue(
    _ value: String, of option: String, pass: String, expected: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "option '\(option)' of pass '\(pass)' is '\(value)', expected \(expected)")
  }

  static func unknownOption(_ option: String, of pass: String, known: [String]) -> Diagnostic {
    let names = known.map { "'\($0)'" }.joined(separator: ", ")
    let expected = known.isEmpty ? "none" : "one of \(names)"
    return Diagnostic(
      .error, .usage, "pass '\(pass)' has no option '\(option)', expected \(expected)",
      notes: suggestion(for: option, among: known))
  }

  static func unknownPass(_ name: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .usage, "pass '\(name)' is unknown, expected one of \(known.joined(separator: ", "))",
      notes: suggestion(for: name, among: known))
  }

  private static func suggestion(for name: String, among known: [String]) -> [String] {
    nearest(to: name, among: known).map { ["did you mean '\($0)'?"] } ?? []
  }
}

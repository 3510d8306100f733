import Support

extension Diagnostic {
  static func syntax(line: Int, column: Int, found: String, expected: String) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, "\(line):\(column): found \(found), expected \(expected)")
  }
}

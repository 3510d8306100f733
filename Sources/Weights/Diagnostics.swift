internal import Support

extension Diagnostic {
  static func noMemory(_ bytes: Int) -> Diagnostic {
    Diagnostic(.error, .limitReached, "\(bytes) bytes of memory for a weight cannot be had")
  }

  static func unknownDataFile(_ location: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "data file '\(location)' was not opened with the model")
  }

  static func varintCount(_ found: Int, expected: Int) -> Diagnostic {
    Diagnostic("a tensor's typed list has \(found) entries, expected \(expected) by its shape")
  }
}

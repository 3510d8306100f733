internal import Support

extension Diagnostic {
  static func modelTooLarge(_ bytes: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "the model would take \(bytes) bytes, more than the \(Int32.max) a protobuf may have",
      notes: ["'--external-data always' keeps the weights in a file of their own"])
  }

  static func payloadLength(_ found: Int64, expected: Int64) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "a weight wrote \(found) bytes, expected \(expected)")
  }
}

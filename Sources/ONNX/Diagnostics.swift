internal import Support

extension Diagnostic {
  static func badFieldNumber(_ number: UInt64, at offset: Int64) -> Diagnostic {
    malformed("byte \(offset): field number \(number) is not a legal one")
  }

  static func unusedWireType(field: UInt64, wire: UInt64, at offset: Int64) -> Diagnostic {
    malformed("byte \(offset): field \(field) has wire type \(wire), which ONNX does not use")
  }

  static func invalidUTF8(_ place: FieldPlace) -> Diagnostic {
    malformed("\(place.text) is not valid UTF-8")
  }

  static func lengthPastEnd(_ length: UInt64, at offset: Int64) -> Diagnostic {
    malformed("byte \(offset): a length of \(length) bytes leads past the end of its message")
  }

  private static func malformed(
    _ message: String, factory: String = #function
  ) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, "not a valid ONNX model: \(message)", factory: factory)
  }

  static func nestingTooDeep(limit: Int, at offset: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "byte \(offset): messages are nested deeper than the limit of \(limit)")
  }

  static func noGraph() -> Diagnostic { malformed("it has no graph") }

  static func nulInString(_ place: FieldPlace) -> Diagnostic {
    malformed("\(place.text) holds a NUL character")
  }

  static func repeatedMessage(_ place: FieldPlace) -> Diagnostic {
    malformed("\(place.text) stands twice, expected once")
  }

  static func structureTooLarge(limit: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "the model without its tensors' elements takes more than \(limit) bytes")
  }

  static func tooManyMessages(limit: Int) -> Diagnostic {
    Diagnostic(.error, .limitReached, "more than \(limit) protobuf messages")
  }

  static func truncated(at offset: Int64) -> Diagnostic {
    malformed("byte \(offset): the file or a message of it ends inside a field")
  }

  static func twoDataFields(_ place: FieldPlace) -> Diagnostic {
    malformed("\(place.text): a tensor holds its elements in two data fields, expected one")
  }

  static func undecodable(_ message: String) -> Diagnostic {
    malformed("a \(message) cannot be decoded")
  }

  static func varintTooLong(at offset: Int64) -> Diagnostic {
    malformed("byte \(offset): a varint is longer than 64 bits")
  }

  static func wrongWireType(_ wire: UInt64, _ place: FieldPlace) -> Diagnostic {
    malformed("\(place.text) has wire type \(wire), which does not fit its type")
  }
}

extension FieldPlace {
  var text: String { "byte \(offset): \(message).\(field)" }
}

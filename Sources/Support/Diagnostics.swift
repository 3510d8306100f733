extension Diagnostic {
  static func cannotCreate(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(.error, .cannotCreate, at: Location(file: path), "cannot be created: \(reason)")
  }

  static func cannotOpen(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(.error, .noInput, at: Location(file: path), "cannot be opened: \(reason)")
  }

  static func cannotRead(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(.error, .inputOutput, at: Location(file: path), "cannot be read: \(reason)")
  }

  static func cannotWrite(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(.error, .inputOutput, at: Location(file: path), "cannot be written: \(reason)")
  }

  static func endedEarly(_ path: String, at offset: Int64) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: path),
      "ends at byte \(offset), inside the range that is read")
  }

  static func locationRefused(_ location: String, model: String) -> Diagnostic {
    Diagnostic(
      .error, .notPermitted, at: Location(file: model),
      "external data location '\(location)' leads outside the model's folder",
      notes: [
        "a location is a relative path of a regular file below that folder, without '..'"
      ])
  }

  static func notRegular(_ path: String, status: ExitStatus) -> Diagnostic {
    Diagnostic(.error, status, at: Location(file: path), "is not a regular file")
  }

  static func tooLarge(_ path: String, size: Int64, limit: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached, at: Location(file: path),
      "has \(size) bytes, more than the \(limit) that such a file may have")
  }
}

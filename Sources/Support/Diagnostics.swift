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

  static func invalidJSON(
    _ found: String, line: Int, column: Int, file: String?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "line \(line), column \(column): found \(found)")
  }

  static func locationRefused(_ location: String, model: String) -> Diagnostic {
    Diagnostic(
      .error, .notPermitted, at: Location(file: model),
      "external data location '\(location)' leads outside the model's folder",
      notes: [
        "a location is a relative path of a regular file below that folder, without '..'"
      ])
  }

  static func missingKey(
    _ key: String, in path: String, found keys: [String], file: String?
  ) -> Diagnostic {
    let near = nearest(to: key, among: keys)
    return Diagnostic(
      .error, .configuration, at: Location(file: file),
      "\(path.isEmpty ? "" : "'\(path)': ")key '\(key)' is missing",
      notes: near.map { ["found the key '\($0)'"] } ?? [])
  }

  static func noDigest() -> Diagnostic {
    Diagnostic(.error, .unavailable, "the cryptography library has no SHA-256")
  }

  static func notRegular(_ path: String, status: ExitStatus) -> Diagnostic {
    Diagnostic(.error, status, at: Location(file: path), "is not a regular file")
  }

  static func tooLarge(_ path: String, size: Int64, limit: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached, at: Location(file: path),
      "has \(size) bytes, more than the \(limit) that such a file may have")
  }

  static func unknownKey(
    _ key: String, in path: String, accepted: [String], file: String?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "\(path.isEmpty ? "" : "'\(path)': ")unknown key '\(key)'",
      notes: acceptedNotes(for: key, accepted))
  }

  static func unknownValue(
    at path: String, found: String, text: String?, accepted: [String], file: String?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "'\(path)' is \(found), which is not accepted",
      notes: acceptedNotes(for: text, accepted))
  }

  static func wrongType(
    at path: String, found: String, expected: String, file: String?
  ) -> Diagnostic {
    let name = path.isEmpty ? "the text" : "'\(path)'"
    return Diagnostic(
      .error, .configuration, at: Location(file: file),
      "\(name) is \(found), expected \(expected)")
  }
}

/// Which values would have been right, the nearest first.
private func acceptedNotes(for found: String?, _ accepted: [String]) -> [String] {
  let list = accepted.map { "'\($0)'" }.joined(separator: ", ")
  guard let found, let near = nearest(to: found, among: accepted) else {
    return ["accepted: \(list)"]
  }
  return ["did you mean '\(near)'?", "accepted: \(list)"]
}

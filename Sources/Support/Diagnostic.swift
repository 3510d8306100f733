/// What the user is told: severity, place, and one sentence without a full stop.
///
/// The only error that leaves a target. It is thrown as `throws(Diagnostic)`; warnings and remarks
/// are collected in order. Every message is made by a static factory in the `Diagnostics.swift` of
/// the target that finds the fault.
package struct Diagnostic: Error, Equatable, Sendable {
  package enum Severity: String, Sendable {
    case error
    case warning
    case remark
    case note
  }

  package var severity: Severity
  /// The process's exit status where this is an error.
  package var status: ExitStatus
  package var location: Location
  package var message: String
  /// Remedies and further places; each hangs off this diagnostic and is printed below it.
  package var notes: [String]

  package init(
    _ severity: Severity, _ status: ExitStatus, at location: Location = Location(),
    _ message: String, notes: [String] = []
  ) {
    self.severity = severity
    self.status = status
    self.location = location
    self.message = message
    self.notes = notes
  }

  /// An error of a malformed input, by far the most frequent kind.
  package init(at location: Location = Location(), _ message: String, notes: [String] = []) {
    self.init(.error, .malformedInput, at: location, message, notes: notes)
  }

  /// The same diagnostic with the file named, where its maker did not know the file.
  package func inFile(_ file: String) -> Diagnostic {
    var copy = self
    if copy.location.file == nil { copy.location.file = file }
    return copy
  }

  /// `error: model.onnx: node '/conv1/Conv': message`, then one `note:` line each.
  package var text: String {
    let place = location.text
    var lines = ["\(severity.rawValue): \(place)\(printable(message))"]
    lines += notes.map { "note: \(place)\(printable($0))" }
    return lines.joined(separator: "\n")
  }
}

/// Where a diagnostic points: a file, and inside it a node or another named thing.
package struct Location: Equatable, Hashable, Sendable {
  package var file: String?
  package var node: String?

  package init(file: String? = nil, node: String? = nil) {
    self.file = file
    self.node = node
  }

  package var text: String {
    var parts = ""
    if let file { parts += "\(printable(file)): " }
    if let node { parts += "node '\(printable(node))': " }
    return parts
  }
}

/// The exit statuses of the command line contract (cli.md section 6).
package enum ExitStatus: Int32, Sendable {
  case done = 0
  case checkFailed = 1
  case usage = 64
  case malformedInput = 65
  case noInput = 66
  case unavailable = 69
  case internalError = 70
  case cannotCreate = 73
  case inputOutput = 74
  case limitReached = 75
  case notPermitted = 77
  case configuration = 78
}

/// A name or message with control characters escaped, so that a hostile file cannot drive a terminal.
package func printable(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x00..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069:
      let digits = String(scalar.value, radix: 16)
      result += "\\u{\(digits)}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

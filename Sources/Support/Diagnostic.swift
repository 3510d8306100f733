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

  /// What this is, however it is worded: the factory's name in kebab-case, such as `no-graph`.
  ///
  /// Flags and scripts rely on it; `schemas/diagnostics.json` explains each one. Broken invariants of
  /// ours share one: all that a user can do about them is the same.
  package var id: String { status == .internalError ? "broken-invariant" : identifier }
  private let identifier: String
  package var severity: Severity
  /// The process's exit status where this is an error.
  package var status: ExitStatus
  package var location: Location
  package var message: String
  /// Remedies and further places; each hangs off this diagnostic and is printed below it.
  package var notes: [String]

  package init(
    _ severity: Severity, _ status: ExitStatus, at location: Location = Location(),
    _ message: String, notes: [String] = [], factory: String = #function
  ) {
    identifier = Diagnostic.identifier(of: factory)
    self.severity = severity
    self.status = status
    self.location = location
    self.message = message
    self.notes = notes
  }

  /// An error of a malformed input, by far the most frequent kind.
  package init(
    at location: Location = Location(), _ message: String, notes: [String] = [],
    factory: String = #function
  ) {
    self.init(.error, .malformedInput, at: location, message, notes: notes, factory: factory)
  }

  /// `notRaised(_:across:)` is `not-raised`, `noIRVersion()` is `no-ir-version`.
  private static func identifier(of factory: String) -> String {
    let letters = Array(factory.prefix { $0 != "(" })
    var result = ""
    for (index, letter) in letters.enumerated() {
      let isFollowed = index + 1 < letters.count && letters[index + 1].isLowercase
      if index > 0, letter.isUppercase, isFollowed || !letters[index - 1].isUppercase {
        result += "-"
      }
      result += letter.lowercased()
    }
    return result
  }

  /// The same diagnostic with the file named, where its maker did not know the file.
  package func inFile(_ file: String) -> Diagnostic {
    var copy = self
    if copy.location.file == nil { copy.location.file = file }
    return copy
  }

  /// The same diagnostic with the node named, where its maker did not know the node.
  package func atNode(_ node: String) -> Diagnostic {
    var copy = self
    if copy.location.node == nil { copy.location.node = node }
    return copy
  }

  /// `error: model.onnx: node '/conv1/Conv': message [id]`, then one `note:` line each.
  ///
  /// Remarks and notes go without the identifier: nothing can be asked of them.
  package var text: String { text(inColor: false) }

  package func text(inColor: Bool) -> String {
    let place = location.text
    let suffix = severity == .error || severity == .warning ? " [\(id)]" : ""
    var lines = ["\(label(severity, inColor)): \(place)\(printable(message))\(suffix)"]
    lines += notes.map { "\(label(.note, inColor)): \(place)\(printable($0))" }
    return lines.joined(separator: "\n")
  }

  /// The same for programs: one object with the keys always in this order.
  package var json: JSON {
    .object([
      "severity": .string(severity.rawValue), "id": .string(id),
      "status": .number(Int(status.rawValue)),
      "file": location.file.map { .string($0) } ?? .null,
      "node": location.node.map { .string($0) } ?? .null,
      "message": .string(message), "notes": .array(notes.map { .string($0) }),
    ])
  }

  /// The colours that clang gives the words.
  private func label(_ severity: Severity, _ inColor: Bool) -> String {
    guard inColor else { return severity.rawValue }
    let color =
      switch severity {
      case .error: 31
      case .warning: 35
      case .remark: 34
      case .note: 36
      }
    return "\u{1B}[1;\(color)m\(severity.rawValue)\u{1B}[0m"
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

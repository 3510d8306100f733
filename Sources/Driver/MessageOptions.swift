package import Support
internal import Targets

/// How messages are written, and which of them count.
package struct MessageOptions: Sendable {
  package var format = Format.text
  package var progress = Progress.auto
  /// Say only what is wrong.
  package var isQuiet = false
  /// Say nothing at all: what is said is an output of its own.
  var isSilent = false
  /// Identifiers of warnings that are errors; `all` stands for every one.
  package var errors: [String] = []
  /// Identifiers of warnings that are not said.
  package var silenced: [String] = []

  package init() {}

  package init(isQuiet: Bool) { self.isQuiet = isQuiet }

  package enum Format: String, CaseIterable, Sendable {
    case text
    /// One object a line.
    case json
    /// One SARIF document behind everything.
    case sarif
    /// Workflow commands of GitHub Actions.
    case github
  }

  package enum Progress: String, CaseIterable, Sendable {
    /// One line that changes on a terminal, a line for each phase elsewhere.
    case auto
    case always
    case never
  }

  /// Throws where a flag names an identifier that no message has.
  package func check() throws(Diagnostic) {
    let asked = errors.filter { $0 != "all" } + silenced
    guard !asked.isEmpty else { return }
    let catalogue = try DiagnosticCatalogue.embedded()
    for id in asked { _ = try catalogue.require(id) }
  }

  /// The message as these options have it; `nil` where they leave it out.
  func applied(to diagnostic: Diagnostic) -> Diagnostic? {
    if isSilent { return nil }
    switch diagnostic.severity {
    case .error, .note: return diagnostic
    case .remark: return isQuiet ? nil : diagnostic
    case .warning:
      if silenced.contains(diagnostic.id) { return nil }
      guard errors.contains(diagnostic.id) || errors.contains("all") else { return diagnostic }
      var promoted = diagnostic
      promoted.severity = .error
      promoted.status = .checkFailed
      return promoted
    }
  }
}

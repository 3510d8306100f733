package import Support

/// What every message means and what to do about it, by its identifier (`schemas/diagnostics.json`).
package struct DiagnosticCatalogue: Sendable {
  package struct Entry: Equatable, Sendable {
    package let id: String
    package let meaning: String
    package let remedy: String
  }

  /// In alphabetical order.
  package let entries: [Entry]

  package static func embedded() throws(Diagnostic) -> DiagnosticCatalogue {
    let items = try EmbeddedFile.reader("diagnostics.json").member("diagnostics").items()
    return DiagnosticCatalogue(
      entries: try items.map { (item) throws(Diagnostic) in
        Entry(
          id: try item.member("id").string(), meaning: try item.member("meaning").string(),
          remedy: try item.member("remedy").string())
      })
  }

  /// An error names the nearest identifier.
  package func require(_ id: String) throws(Diagnostic) -> Entry {
    guard let entry = entries.first(where: { $0.id == id }) else {
      throw .unknownDiagnostic(id, known: entries.map(\.id))
    }
    return entry
  }
}

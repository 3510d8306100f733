/// An array of an archive, by the archive's path and the array's key.
package struct ArrayPlace: Equatable, Sendable {
  package let file: String
  package let key: String

  package init(file: String, key: String) {
    self.file = file
    self.key = key
  }

  /// Reads `FILE.npz:KEY`; `nil` where there is no colon.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    self.init(file: String(text[..<colon]), key: String(text[text.index(after: colon)...]))
  }
}

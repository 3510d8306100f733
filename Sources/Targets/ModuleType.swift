internal import Support

/// One of INC's module classes.
package struct ModuleType: Equatable, Sendable {
  package let name: String
  package let kind: String
  /// Whether an empty allowlist selects it.
  package let isDefault: Bool
  /// Whether INC quantizes it dynamically too.
  package let isDynamic: Bool

  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["type", "kind", "isDefault", "isDynamic"])
    name = try row.member("type").string()
    kind = try row.member("kind").string()
    isDefault = try row.member("isDefault").bool()
    isDynamic = try row.member("isDynamic").bool()
  }
}

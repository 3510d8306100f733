package import Support

/// The kinds of modules, and INC's classes that are of each kind (inc-fp8.md section 1.6).
package struct ModuleTable: Equatable, Sendable {
  package let kinds: [ModuleKind]
  package let types: [ModuleType]
  /// Classes that INC does not list and that compute what one of its classes does: transformers'
  /// `Conv1D`, whose weight is a linear layer's transposed, and PyTorch's linear layer in attention.
  private let aliases: [String: String]
  /// Where a kind stands in `kinds`, and a class in `types`.
  private let kindPlaces: [String: Int]
  private let typePlaces: [String: Int]

  /// The kind of an INC class, which may be written with its package as in `torch.nn.Linear`.
  package func kind(of type: String) -> String? { self.type(type)?.kind }

  package func type(_ name: String) -> ModuleType? {
    let bare = name.lastIndex(of: ".").map { String(name[name.index(after: $0)...]) } ?? name
    return typePlaces[aliases[bare] ?? bare].map { types[$0] }
  }

  /// INC's class for a class of a model; `nil` where modules of the class stay as they are.
  package func canonicalType(_ name: String) -> String? { type(name)?.name }

  /// An INC class by name; the error names the nearest one.
  package func requireType(_ name: String) throws(Diagnostic) -> ModuleType {
    guard let found = type(name) else { throw .unknownType(name, known: supportedTypes) }
    return found
  }

  package func kind(named name: String) -> ModuleKind? { kindPlaces[name].map { kinds[$0] } }

  /// INC's class for a module of which only the kind is known.
  package func defaultType(of kind: String) -> String {
    self.kind(named: kind)?.defaultType ?? kind
  }

  /// The kind whose spellings this one shares: only a class or a name tells them apart.
  package func spelling(of kind: String) -> String { self.kind(named: kind)?.spelledAs ?? kind }

  package func alwaysMeasuresOutput(of kind: String) -> Bool {
    self.kind(named: kind)?.alwaysMeasuresOutput ?? false
  }

  /// The classes that an empty allowlist selects.
  package var defaultTypes: [String] { types.filter(\.isDefault).map(\.name) }

  /// Every class of INC's, in the order of its table.
  package var supportedTypes: [String] { types.map(\.name) }

  /// The table that the compiler was built with.
  package static func embedded() throws(Diagnostic) -> ModuleTable {
    try ModuleTable(try EmbeddedFile.reader("modules.json"))
  }

  init(_ table: JSONReader) throws(Diagnostic) {
    try table.onlyKeys(["kinds", "types", "aliases"])
    var kinds: [ModuleKind] = []
    for row in try table.member("kinds").items() { kinds.append(try ModuleKind(row)) }
    var types: [ModuleType] = []
    for row in try table.member("types").items() {
      let type = try ModuleType(row)
      guard kinds.contains(where: { $0.name == type.kind }) else {
        throw try row.member("kind").notOneOf(kinds.map(\.name))
      }
      types.append(type)
    }
    var aliases: [String: String] = [:]
    for row in try table.member("aliases").items() {
      try row.onlyKeys(["class", "type"])
      let type = try row.member("type").string()
      guard types.contains(where: { $0.name == type }) else {
        throw try row.member("type").notOneOf(types.map(\.name))
      }
      aliases[try row.member("class").string()] = type
    }
    self.kinds = kinds
    self.types = types
    self.aliases = aliases
    kindPlaces = Dictionary(zip(kinds.map(\.name), kinds.indices)) { first, _ in first }
    typePlaces = Dictionary(zip(types.map(\.name), types.indices)) { first, _ in first }
  }
}

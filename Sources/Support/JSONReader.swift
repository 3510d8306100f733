/// A value inside a JSON file with the path that leads to it, for reading with messages that name it.
package struct JSONReader: Equatable, Sendable {
  package let value: JSON
  /// `kernels[2].op`; empty for the whole text.
  package let path: String
  package let file: String?

  package init(_ value: JSON, file: String? = nil) {
    self.init(value, path: "", file: file)
  }

  private init(_ value: JSON, path: String, file: String?) {
    self.value = value
    self.path = path
    self.file = file
  }

  package var isNull: Bool { value == .null }

  /// The entries of an object, in their order.
  package func members() throws(Diagnostic) -> [(key: String, value: JSONReader)] {
    guard case .object(let members) = value else { throw wrongType("an object") }
    return members.map { ($0.key, child($0.value, key: $0.key)) }
  }

  /// The value of a key that has to be there.
  package func member(_ key: String) throws(Diagnostic) -> JSONReader {
    guard let found = try optional(key) else {
      throw .missingKey(key, in: path, found: try members().map(\.key), file: file)
    }
    return found
  }

  /// The value of a key, `nil` where the object lacks it.
  package func optional(_ key: String) throws(Diagnostic) -> JSONReader? {
    guard case .object(let members) = value else { throw wrongType("an object") }
    return members.first { $0.key == key }.map { child($0.value, key: key) }
  }

  /// Refuses keys other than these, naming the nearest.
  package func onlyKeys(_ accepted: [String]) throws(Diagnostic) {
    for member in try members() where !accepted.contains(member.key) {
      throw .unknownKey(member.key, in: path, accepted: accepted, file: file)
    }
  }

  package func items() throws(Diagnostic) -> [JSONReader] {
    guard case .array(let items) = value else { throw wrongType("an array") }
    return items.enumerated().map { index, item in
      JSONReader(item, path: "\(path)[\(index)]", file: file)
    }
  }

  package func string() throws(Diagnostic) -> String {
    guard case .string(let string) = value else { throw wrongType("a string") }
    return string
  }

  package func bool() throws(Diagnostic) -> Bool {
    guard case .bool(let bool) = value else { throw wrongType("a boolean") }
    return bool
  }

  package func double() throws(Diagnostic) -> Double {
    guard case .number(let number) = value else { throw wrongType("a number") }
    return number.double
  }

  package func integer() throws(Diagnostic) -> Int {
    guard case .number(let number) = value, let integer = number.integer else {
      throw wrongType("an integer")
    }
    return integer
  }

  /// A string that is one of a type's raw values, exactly as spelled.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    of type: Choice.Type
  ) throws(Diagnostic) -> Choice where Choice.RawValue == String {
    let text = try string()
    guard let choice = Choice(rawValue: text) else {
      throw notOneOf(Choice.allCases.map(\.rawValue))
    }
    return choice
  }

  /// That this value is not of the type it has to be.
  package func wrongType(_ expected: String) -> Diagnostic {
    .wrongType(at: path, found: found, expected: expected, file: file)
  }

  /// That this value is none of the accepted ones.
  package func notOneOf(_ accepted: [String]) -> Diagnostic {
    .unknownValue(at: path, found: found, text: text, accepted: accepted, file: file)
  }

  private var text: String? {
    if case .string(let string) = value { string } else { nil }
  }

  private var found: String {
    switch value {
    case .null, .array, .object: value.kind
    case .bool(let bool): bool ? "true" : "false"
    case .number(let number): number.text
    case .string(let string): "'\(string)'"
    }
  }

  private func child(_ value: JSON, key: String) -> JSONReader {
    JSONReader(value, path: path.isEmpty ? key : "\(path).\(key)", file: file)
  }
}

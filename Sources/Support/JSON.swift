/// A JSON value that keeps the order of its objects and the spelling of its numbers.
package enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSON])
  case object([Member])

  /// One entry of an object.
  package struct Member: Equatable, Sendable {
    package var key: String
    package var value: JSON

    package init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }

  package static func number(_ value: Double) -> JSON { .number(JSONNumber(value)) }
  package static func number(_ value: Float) -> JSON { .number(JSONNumber(value)) }
  package static func number(_ value: Int) -> JSON { .number(JSONNumber(value)) }

  /// An object written as pairs, in that order.
  package static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(members.map { Member($0.key, $0.value) })
  }

  /// The value of a key of an object; `nil` where there is no such key or this is no object.
  package subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// What kind of value this is, as messages say it.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

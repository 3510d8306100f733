internal import Support

/// What changed from one JSON document to another, in words.
///
/// Items of arrays are told apart by their `path`, `port` or `name` where all have one, so that an added
/// module is one line and not a change of every module behind it.
struct JSONDifference {
  private(set) var lines: [String] = []

  init(from old: JSON, to new: JSON) { compare(old, new, at: "") }

  private static let identities = ["path", "port", "name", "id"]

  private mutating func compare(_ old: JSON, _ new: JSON, at place: String) {
    guard old != new else { return }
    switch (old, new) {
    case (.object(let first), .object(let second)):
      compare(keyed(first), keyed(second)) { place.isEmpty ? $0 : "\(place): \($0)" }
    case (.array(let first), .array(let second)):
      if let identity = identity(of: first + second) {
        let noun = self.noun(of: place)
        compare(named(first, by: identity), named(second, by: identity)) { name in
          let label = "\(noun.item) '\(name)'"
          return noun.around.isEmpty ? label : "\(noun.around): \(label)"
        }
      } else {
        lines.append("\(place): \(text(old)) -> \(text(new))")
      }
    default: lines.append("\(place): \(text(old)) -> \(text(new))")
    }
  }

  private mutating func compare(
    _ old: [(name: String, value: JSON)], _ new: [(name: String, value: JSON)],
    _ label: (String) -> String
  ) {
    let first = Dictionary(old.map { ($0.name, $0.value) }) { first, _ in first }
    let second = Dictionary(new.map { ($0.name, $0.value) }) { first, _ in first }
    for item in old {
      if let other = second[item.name] {
        compare(item.value, other, at: label(item.name))
      } else {
        lines.append("\(label(item.name)): removed")
      }
    }
    for item in new where first[item.name] == nil { lines.append("\(label(item.name)): added") }
    let common = old.map(\.name).filter { second[$0] != nil }
    if lines.isEmpty, common != new.map(\.name).filter({ first[$0] != nil }) {
      lines.append("\(label("…")): in another order")
    }
  }

  private func keyed(_ members: [JSON.Member]) -> [(name: String, value: JSON)] {
    members.map { ($0.key, $0.value) }
  }

  private func named(_ items: [JSON], by key: String) -> [(name: String, value: JSON)] {
    items.map { item in
      guard case .string(let name)? = item[key] else { return ("", item) }
      return (name, item)
    }
  }

  /// The key that tells items apart, where every one has it as text.
  private func identity(of items: [JSON]) -> String? {
    guard !items.isEmpty else { return nil }
    return JSONDifference.identities.first { key in
      items.allSatisfy { if case .string? = $0[key] { true } else { false } }
    }
  }

  /// `modules` holds a `module`: the last word of a place without its plural.
  private func noun(of place: String) -> (around: String, item: String) {
    var parts = place.components(separatedBy: ": ")
    let last = parts.removeLast()
    let item = last.hasSuffix("s") ? String(last.dropLast()) : last
    return (parts.joined(separator: ": "), item)
  }

  private func text(_ value: JSON) -> String {
    let text = value.text(indent: nil)
    return text.count <= 80 ? text : "\(text.prefix(76)) ..."
  }
}

extension String {
  fileprivate func components(separatedBy separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}

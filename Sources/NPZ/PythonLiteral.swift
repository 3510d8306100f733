/// Reads the Python dictionary that the head of an array is written as.
struct PythonLiteral {
  enum Value: Equatable {
    case string(String)
    case bool(Bool)
    case tuple([Int])
    /// The descriptor of a structure, which is not looked into.
    case list
  }

  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = Array(bytes) }

  /// The entries of the dictionary that all of the text is; `nil` for everything else.
  mutating func parseDictionary() -> [(key: String, value: Value)]? {
    skipBlanks()
    guard skip("{") else { return nil }
    var entries: [(key: String, value: Value)] = []
    while true {
      skipBlanks()
      if skip("}") { break }
      guard let key = parseString(), !entries.contains(where: { $0.key == key }) else {
        return nil
      }
      skipBlanks()
      guard skip(":"), let value = parseValue() else { return nil }
      entries.append((key, value))
      skipBlanks()
      if skip("}") { break }
      guard skip(",") else { return nil }
    }
    skipBlanks()
    return position == bytes.count ? entries : nil
  }

  private mutating func parseValue() -> Value? {
    skipBlanks()
    switch peek {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return parseString().map { .string($0) }
    case UInt8(ascii: "T"): return skipWord("True") ? .bool(true) : nil
    case UInt8(ascii: "F"): return skipWord("False") ? .bool(false) : nil
    case UInt8(ascii: "("): return parseTuple().map { .tuple($0) }
    case UInt8(ascii: "["): return skipList() ? .list : nil
    default: return nil
    }
  }

  /// A string without escapes.
  private mutating func parseString() -> String? {
    guard let quote = peek, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      return nil
    }
    let start = position + 1
    guard let end = bytes[start...].firstIndex(of: quote) else { return nil }
    position = end + 1
    guard !bytes[start..<end].contains(UInt8(ascii: "\\")) else { return nil }
    return String(validating: bytes[start..<end], as: UTF8.self)
  }

  /// A tuple of sizes; Python 2 wrote `3L`.
  private mutating func parseTuple() -> [Int]? {
    position += 1
    var items: [Int] = []
    while true {
      skipBlanks()
      if skip(")") { return items }
      let start = position
      while let digit = peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit { position += 1 }
      guard let item = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else {
        return nil
      }
      items.append(item)
      _ = skip("L")
      skipBlanks()
      if skip(")") { return items }
      guard skip(",") else { return nil }
    }
  }

  private mutating func skipList() -> Bool {
    var depth = 0
    while let byte = peek {
      position += 1
      if byte == UInt8(ascii: "[") { depth += 1 }
      if byte == UInt8(ascii: "]") { depth -= 1 }
      if depth == 0 { return true }
    }
    return false
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipWord(_ word: String) -> Bool {
    guard bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  private mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x09 { position += 1 }
  }
}

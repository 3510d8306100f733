extension JSON {
  /// Reads one JSON text, which is all of `bytes`.
  ///
  /// Accepted beyond RFC 8259: `NaN`, `Infinity` and `-Infinity`, which Python writes. Refused with
  /// line and column: a byte order mark, anything but UTF-8, lone surrogates, a key twice in one
  /// object, and nesting beyond 200.
  package static func parse(_ bytes: [UInt8], file: String? = nil) throws(Diagnostic) -> JSON {
    var parser = JSONParser(bytes: bytes, file: file)
    return try parser.parseText()
  }
}

/// A recursive descent over bytes, total on every input.
private struct JSONParser {
  static let depthLimit = 200

  let bytes: [UInt8]
  let file: String?
  var position = 0

  init(bytes: [UInt8], file: String?) {
    self.bytes = bytes
    self.file = file
  }

  mutating func parseText() throws(Diagnostic) -> JSON {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) || bytes.starts(with: [0xFE, 0xFF])
      || bytes.starts(with: [0xFF, 0xFE])
    {
      throw fault("a byte order mark, expected JSON in UTF-8 without one")
    }
    skipBlanks()
    let value = try parseValue(depth: 0)
    skipBlanks()
    guard position == bytes.count else { throw unexpected("the end of the text") }
    return value
  }

  private mutating func parseValue(depth: Int) throws(Diagnostic) -> JSON {
    guard depth <= JSONParser.depthLimit else {
      throw fault("values nested more than \(JSONParser.depthLimit) deep")
    }
    switch peek {
    case UInt8(ascii: "{"): return try parseObject(depth: depth)
    case UInt8(ascii: "["): return try parseArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    case UInt8(ascii: "N"): return try parseWord("NaN", .number(JSONNumber(spelling: "NaN")))
    case UInt8(ascii: "I"):
      return try parseWord("Infinity", .number(JSONNumber(spelling: "Infinity")))
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
      return try parseNumber()
    default: throw unexpected("a value")
    }
  }

  private mutating func parseObject(depth: Int) throws(Diagnostic) -> JSON {
    position += 1
    var members: [JSON.Member] = []
    // Scalars, not characters: Swift would take two spellings of one accented letter for equal.
    var seen: Set<[Unicode.Scalar]> = []
    skipBlanks()
    if skip("}") { return .object([]) }
    while true {
      skipBlanks()
      guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in double quotes") }
      let start = position
      let key = try parseString()
      guard seen.insert(Array(key.unicodeScalars)).inserted else {
        position = start
        throw fault("key '\(key)' a second time in one object")
      }
      skipBlanks()
      guard skip(":") else { throw unexpected("':'") }
      skipBlanks()
      members.append(JSON.Member(key, try parseValue(depth: depth + 1)))
      skipBlanks()
      if skip("}") { return .object(members) }
      guard skip(",") else { throw unexpected("',' or '}'") }
    }
  }

  private mutating func parseArray(depth: Int) throws(Diagnostic) -> JSON {
    position += 1
    var items: [JSON] = []
    skipBlanks()
    if skip("]") { return .array([]) }
    while true {
      skipBlanks()
      items.append(try parseValue(depth: depth + 1))
      skipBlanks()
      if skip("]") { return .array(items) }
      guard skip(",") else { throw unexpected("',' or ']'") }
    }
  }

  private mutating func parseWord(_ word: String, _ value: JSON) throws(Diagnostic) -> JSON {
    guard bytes[position...].starts(with: word.utf8) else { throw unexpected("a value") }
    position += word.utf8.count
    return value
  }

  private mutating func parseNumber() throws(Diagnostic) -> JSON {
    let start = position
    _ = skip("-")
    if peek == UInt8(ascii: "I") {
      return try parseWord("Infinity", .number(JSONNumber(spelling: "-Infinity")))
    }
    if !skip("0") { try skipDigits() }
    if skip(".") { try skipDigits() }
    if skip("e") || skip("E") {
      if !skip("+") { _ = skip("-") }
      try skipDigits()
    }
    return .number(JSONNumber(spelling: String(decoding: bytes[start..<position], as: UTF8.self)))
  }

  private mutating func skipDigits() throws(Diagnostic) {
    let start = position
    while let digit = peek, UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit { position += 1 }
    if position == start { throw unexpected("a digit") }
  }

  private mutating func parseString() throws(Diagnostic) -> String {
    position += 1
    var text = ""
    while true {
      let start = position
      while let byte = peek, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        position += 1
      }
      guard let plain = String(validating: bytes[start..<position], as: UTF8.self) else {
        position = start
        throw fault("a string that is not UTF-8")
      }
      text += plain
      switch peek {
      case UInt8(ascii: "\""):
        position += 1
        return text
      case UInt8(ascii: "\\"):
        text.unicodeScalars.append(try parseEscape())
      case .none: throw unexpected("'\"'")
      default: throw fault("a control character in a string")
      }
    }
  }

  private mutating func parseEscape() throws(Diagnostic) -> Unicode.Scalar {
    let start = position
    position += 1
    let letter = peek
    position += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      return Unicode.Scalar(letter ?? 0)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var value = try parseHexadecimal()
      if 0xD800..<0xDC00 ~= value, skip("\\"), skip("u") {
        let low = try parseHexadecimal()
        if 0xDC00..<0xE000 ~= low { value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00) }
      }
      guard let scalar = Unicode.Scalar(value) else {
        position = start
        throw fault("a surrogate without its other half")
      }
      return scalar
    default:
      position = start
      throw fault("an unknown escape in a string")
    }
  }

  private mutating func parseHexadecimal() throws(Diagnostic) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private func unexpected(_ expected: String) -> Diagnostic {
    guard let byte = peek else { return fault("the end, expected \(expected)") }
    let scalar = Unicode.Scalar(byte)
    let found = scalar.isASCII ? "'\(scalar)'" : "byte \(byte)"
    return fault("\(found), expected \(expected)")
  }

  private func fault(_ found: String) -> Diagnostic {
    var line = 1
    var column = 1
    for byte in bytes.prefix(position) {
      if byte == 0x0A {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return .invalidJSON(found, line: line, column: column, file: file)
  }
}

import Support

/// Cuts IR text into tokens; total on any bytes.
struct Lexer {
  let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next token; at the end, `.end` again and again.
  mutating func next() throws(Diagnostic) -> Token {
    skipSpace()
    let start = offset
    guard let byte = peek() else { return Token(kind: .end, offset: start) }
    let kind: Token.Kind
    switch byte {
    case UInt8(ascii: "%"), UInt8(ascii: "@"):
      offset += 1
      kind = .name(try name(), isWeight: byte == UInt8(ascii: "@"))
    case UInt8(ascii: "\""): kind = .string(try string())
    case UInt8(ascii: "-"): kind = try minus()
    case _ where Spelling.isDigit(byte): kind = number(from: start)
    case UInt8(ascii: "x") where peek(1) == UInt8(ascii: "\""):
      offset += 1
      kind = .bytes(try hexadecimal())
    case _ where Spelling.isLetter(byte): kind = try word()
    default: kind = .sign(try sign())
    }
    return Token(kind: kind, offset: start)
  }

  /// A fault at `offset`, with its line and column, both counted from one.
  func fault(at offset: Int, found: String, expected: String) -> Diagnostic {
    var line = 1
    var column = 1
    for byte in bytes.prefix(offset) {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return .syntax(line: line, column: column, found: found, expected: expected)
  }

  private func peek(_ ahead: Int = 0) -> UInt8? {
    offset + ahead < bytes.count ? bytes[offset + ahead] : nil
  }

  private mutating func skipSpace() {
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
        offset += 1
      case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "/"):
        while let next = peek(), next != UInt8(ascii: "\n") { offset += 1 }
      default: return
      }
    }
  }

  private mutating func take(while condition: (UInt8) -> Bool) -> String {
    let start = offset
    while let byte = peek(), condition(byte) { offset += 1 }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }

  private mutating func name() throws(Diagnostic) -> String {
    let start = offset
    if peek() == UInt8(ascii: "\"") {
      guard let text = String(validating: try string(), as: UTF8.self) else {
        throw fault(at: start, found: "bytes that are not UTF-8", expected: "a name")
      }
      return text
    }
    let text = take(while: Spelling.isNameByte)
    if text.isEmpty { throw fault(at: start, found: found(at: start), expected: "a name") }
    return text
  }

  /// A word, `inf`, `nan` or `nan(0x…)`; a hyphen belongs to a word where a letter follows.
  private mutating func word() throws(Diagnostic) -> Token.Kind {
    var text = take(while: Spelling.isNameByte)
    while peek() == UInt8(ascii: "-"), let next = peek(1), Spelling.isLetter(next) {
      offset += 1
      text += "-" + take(while: Spelling.isNameByte)
    }
    if text == "inf" { return .float(text) }
    guard text == "nan" else { return .word(text) }
    guard peek() == UInt8(ascii: "(") else { return .float(text) }
    let start = offset
    offset += 1
    let digits = take { Spelling.isDigit($0) || Spelling.isLetter($0) }
    guard digits.hasPrefix("0x"), peek() == UInt8(ascii: ")") else {
      throw fault(
        at: start, found: "'(\(digits)'", expected: "the bits of a NaN, as in (0x7fc00001)")
    }
    offset += 1
    return .float("nan(\(digits))")
  }

  private mutating func minus() throws(Diagnostic) -> Token.Kind {
    let start = offset
    offset += 1
    if peek() == UInt8(ascii: ">") {
      offset += 1
      return .sign(.arrow)
    }
    if let byte = peek(), Spelling.isDigit(byte) { return number(from: start) }
    if case .float("inf")? = peek() == UInt8(ascii: "i") ? try word() : nil {
      return .float("-inf")
    }
    throw fault(at: start, found: "'-'", expected: "a number or '->'")
  }

  private mutating func number(from start: Int) -> Token.Kind {
    var isFloat = false
    _ = take(while: Spelling.isDigit)
    if peek() == UInt8(ascii: "."), let next = peek(1), Spelling.isDigit(next) {
      isFloat = true
      offset += 1
      _ = take(while: Spelling.isDigit)
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      let hasSign = peek(1) == UInt8(ascii: "-") || peek(1) == UInt8(ascii: "+")
      if let digit = peek(hasSign ? 2 : 1), Spelling.isDigit(digit) {
        isFloat = true
        offset += hasSign ? 2 : 1
        _ = take(while: Spelling.isDigit)
      }
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    return isFloat ? .float(text) : .integer(text)
  }

  private mutating func sign() throws(Diagnostic) -> Token.Sign {
    let start = offset
    for length in [2, 1] where offset + length <= bytes.count {
      let text = String(decoding: bytes[offset..<offset + length], as: UTF8.self)
      if let sign = Token.Sign(rawValue: text) {
        offset += length
        return sign
      }
    }
    throw fault(at: start, found: found(at: start), expected: "a word, a name, a number or a sign")
  }

  /// The character at a place, for a message.
  private func found(at place: Int) -> String {
    guard place < bytes.count else { return "the end of the text" }
    let rest = String(decoding: bytes[place..<min(place + 4, bytes.count)], as: UTF8.self)
    return rest.unicodeScalars.first.map { "'\($0)'" } ?? "nothing"
  }

  /// The bytes between two quotation marks, escapes undone.
  private mutating func string() throws(Diagnostic) -> [UInt8] {
    let start = offset
    offset += 1
    var result: [UInt8] = []
    while let byte = peek(), byte != UInt8(ascii: "\n") {
      offset += 1
      if byte == UInt8(ascii: "\"") { return result }
      if byte == UInt8(ascii: "\\") { result += try escape() } else { result.append(byte) }
    }
    throw fault(at: start, found: "a text that does not end", expected: "'\"' on the same line")
  }

  private mutating func escape() throws(Diagnostic) -> [UInt8] {
    let start = offset - 1
    let byte = peek()
    offset += 1
    switch byte {
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): return byte.map { [$0] } ?? []
    case UInt8(ascii: "x"):
      if let high = peek().flatMap(digit), let low = peek(1).flatMap(digit) {
        offset += 2
        return [high << 4 | low]
      }
    case UInt8(ascii: "u"):
      if peek() == UInt8(ascii: "{") {
        offset += 1
        let digits = take(while: Lexer.isHexadecimal)
        if peek() == UInt8(ascii: "}"),
          let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
        {
          offset += 1
          return Array(String(Character(scalar)).utf8)
        }
      }
    default: break
    }
    throw fault(
      at: start, found: "an escape that says nothing",
      expected: "one of \\n, \\t, \\r, \\\", \\\\, \\x00 and \\u{0}")
  }

  private mutating func hexadecimal() throws(Diagnostic) -> [UInt8] {
    let start = offset
    offset += 1
    var result: [UInt8] = []
    while let high = peek().flatMap(digit), let low = peek(1).flatMap(digit) {
      offset += 2
      result.append(high << 4 | low)
    }
    guard peek() == UInt8(ascii: "\"") else {
      throw fault(
        at: start, found: found(at: offset), expected: "pairs of hexadecimal digits, then '\"'")
    }
    offset += 1
    return result
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    Unicode.Scalar(byte).properties.isASCIIHexDigit
  }

  private func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}

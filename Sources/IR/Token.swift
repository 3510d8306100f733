/// One word, name, number, text or sign of IR text, and where it starts.
struct Token {
  var kind: Kind
  /// Bytes before it.
  var offset: Int

  enum Kind: Equatable {
    case end
    case word(String)
    /// A name behind `%`, or behind `@` where it is a weight's or a graph's.
    case name(String, isWeight: Bool)
    /// Digits, with a minus sign before them or not.
    case integer(String)
    /// A decimal fraction, `inf`, `nan` or `nan(0x…)`.
    case float(String)
    case string([UInt8])
    /// `x"…"`: bytes as hexadecimal digits.
    case bytes([UInt8])
    case sign(Sign)
  }

  enum Sign: String {
    case leftParen = "("
    case rightParen = ")"
    case leftBrace = "{"
    case rightBrace = "}"
    case leftBracket = "["
    case rightBracket = "]"
    case less = "<"
    case greater = ">"
    case comma = ","
    case colon = ":"
    case doubleColon = "::"
    case equal = "="
    case bar = "|"
    case question = "?"
    case plus = "+"
    case arrow = "->"
  }

  /// How a message names the token.
  var found: String {
    switch kind {
    case .end: "the end of the text"
    case .word(let word): "'\(word)'"
    case .name(let name, let isWeight): "'\(Spelling.value(name, isWeight: isWeight))'"
    case .integer(let text), .float(let text): "'\(text)'"
    case .string(let bytes): "the text \(Spelling.quoted(Array(bytes.prefix(64))))"
    case .bytes: "bytes"
    case .sign(let sign): "'\(sign.rawValue)'"
    }
  }
}

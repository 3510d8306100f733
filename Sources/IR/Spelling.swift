/// How names, texts and bytes are written in IR text.
enum Spelling {
  /// A word as it is where it cannot be taken for anything else, quoted otherwise.
  static func word(_ text: String) -> String {
    let isPlain =
      text.utf8.first.map { isLetter($0) } == true
      && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: ".") }
      && text != "_" && text != "inf" && text != "nan"
    return isPlain ? text : quoted(text)
  }

  /// A value's name behind its sign: `@` for a weight, `%` for everything else.
  static func value(_ name: String, isWeight: Bool) -> String {
    (isWeight ? "@" : "%") + named(name)
  }

  /// A graph's name behind `@`.
  static func graph(_ name: String) -> String { "@" + named(name) }

  private static func named(_ name: String) -> String {
    !name.isEmpty && name.utf8.allSatisfy(isNameByte) ? name : quoted(name)
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default:
        if isHidden(scalar) {
          result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }

  /// Text where the bytes are UTF-8, every byte that is not printable ASCII escaped otherwise.
  static func quoted(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return quoted(text) }
    var result = "\""
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""): result += "\\\""
      case UInt8(ascii: "\\"): result += "\\\\"
      case 0x20..<0x7F: result.unicodeScalars.append(Unicode.Scalar(byte))
      default: result += "\\x" + hex(byte)
      }
    }
    return result + "\""
  }

  static func bytes(_ bytes: [UInt8]) -> String {
    "x\"" + bytes.map(hex).joined() + "\""
  }

  /// Two lower-case hexadecimal digits.
  private static func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }

  static func isLetter(_ byte: UInt8) -> Bool {
    (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
  }

  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isNameByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || isDigit(byte) || byte == UInt8(ascii: ".")
  }

  /// Controls, line separators and marks that turn the direction of text.
  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}

extension JSON {
  /// The text that Python's `json.dump` writes with `indent`, or on one line without.
  ///
  /// No line break at the end; everything outside ASCII is escaped.
  package func text(indent: Int? = 4) -> String {
    var writer = JSONWriter(indent: indent)
    writer.value(self)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

/// Lays out JSON as Python does: an item a line, nothing inside empty brackets.
///
/// A long document is written piece by piece: its objects and arrays are begun and ended by hand, and what
/// is ready goes to a file before the next piece is made.
package struct JSONWriter {
  private let indent: Int?
  /// What is ready and was not handed on.
  package private(set) var bytes: [UInt8] = []
  /// How many items each open object or array has.
  private var counts: [Int] = []
  private var isBehindKey = false

  private static let pieceBytes = 1 << 18

  package init(indent: Int?) { self.indent = indent }

  package mutating func beginObject() { begin(0x7B) }

  package mutating func endObject() { end(0x7D) }

  package mutating func beginArray() { begin(0x5B) }

  package mutating func endArray() { end(0x5D) }

  /// The key of an object's next value.
  package mutating func key(_ key: String) {
    beginItem()
    string(key)
    bytes += [0x3A, 0x20]
    isBehindKey = true
  }

  /// A whole value.
  package mutating func value(_ value: JSON) {
    switch value {
    case .null: plain("null")
    case .bool(let bool): plain(bool ? "true" : "false")
    case .number(let number): plain(number.text)
    case .string(let text):
      beginItem()
      string(text)
    case .array(let items):
      beginArray()
      for item in items { self.value(item) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.key)
        self.value(member.value)
      }
      endObject()
    }
  }

  /// Hands on what is ready once it is worth a system call.
  package mutating func drain<Sink: ByteSink & ~Copyable>(
    into sink: inout Sink
  ) throws(Diagnostic) {
    if bytes.count >= JSONWriter.pieceBytes { try finish(into: &sink) }
  }

  /// Hands on all that is ready.
  package mutating func finish<Sink: ByteSink & ~Copyable>(
    into sink: inout Sink
  ) throws(Diagnostic) {
    try sink.write(bytes[...])
    bytes.removeAll(keepingCapacity: true)
  }

  private mutating func plain(_ text: String) {
    beginItem()
    bytes += text.utf8
  }

  private mutating func begin(_ bracket: UInt8) {
    beginItem()
    bytes.append(bracket)
    counts.append(0)
  }

  private mutating func end(_ bracket: UInt8) {
    if counts.removeLast() > 0 { breakLine() }
    bytes.append(bracket)
  }

  /// What stands before an item: nothing before a value that has a key, or that is the document.
  private mutating func beginItem() {
    guard !isBehindKey, let count = counts.last else {
      isBehindKey = false
      return
    }
    if count > 0 {
      bytes.append(0x2C)
      if indent == nil { bytes.append(0x20) }
    }
    counts[counts.count - 1] = count + 1
    breakLine()
  }

  private mutating func breakLine() {
    guard let indent else { return }
    bytes.append(0x0A)
    for _ in 0..<indent * counts.count { bytes.append(0x20) }
  }

  private mutating func string(_ string: String) {
    bytes.append(0x22)
    if string.utf8.allSatisfy({ 0x20...0x7E ~= $0 && $0 != 0x22 && $0 != 0x5C }) {
      bytes += string.utf8
    } else {
      for unit in string.utf16 { escaped(unit) }
    }
    bytes.append(0x22)
  }

  private mutating func escaped(_ unit: UInt16) {
    switch unit {
    case 0x22: bytes += "\\\"".utf8
    case 0x5C: bytes += "\\\\".utf8
    case 0x0A: bytes += "\\n".utf8
    case 0x0D: bytes += "\\r".utf8
    case 0x09: bytes += "\\t".utf8
    case 0x08: bytes += "\\b".utf8
    case 0x0C: bytes += "\\f".utf8
    case 0x20...0x7E: bytes.append(UInt8(unit))
    default:
      let digits = String(unit, radix: 16)
      bytes += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8
    }
  }
}

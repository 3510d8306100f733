extension JSON {
  /// The text that Python's `json.dump` writes with `indent`, or on one line without.
  ///
  /// No line break at the end; everything outside ASCII is escaped.
  package func text(indent: Int? = 4) -> String {
    var writer = JSONWriter(indent: indent)
    writer.write(self, depth: 0)
    return writer.text
  }
}

/// Lays out JSON as Python does: an item a line, nothing inside empty brackets.
private struct JSONWriter {
  let indent: Int?
  var text = ""
  /// What begins a line, by depth.
  private var breaks: [String] = []

  init(indent: Int?) { self.indent = indent }

  mutating func write(_ value: JSON, depth: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .number(let number): text += number.text
    case .string(let string): write(string)
    case .array(let items):
      enclose("[", "]", count: items.count, depth: depth) { writer, index in
        writer.write(items[index], depth: depth + 1)
      }
    case .object(let members):
      enclose("{", "}", count: members.count, depth: depth) { writer, index in
        writer.write(members[index].key)
        writer.text += ": "
        writer.write(members[index].value, depth: depth + 1)
      }
    }
  }

  private mutating func enclose(
    _ open: String, _ close: String, count: Int, depth: Int,
    item: (inout JSONWriter, Int) -> Void
  ) {
    text += open
    for index in 0..<count {
      if index > 0 { text += indent == nil ? ", " : "," }
      breakLine(depth: depth + 1)
      item(&self, index)
    }
    if count > 0 { breakLine(depth: depth) }
    text += close
  }

  private mutating func breakLine(depth: Int) {
    guard let indent else { return }
    while breaks.count <= depth {
      breaks.append("\n" + String(repeating: " ", count: indent * breaks.count))
    }
    text += breaks[depth]
  }

  private mutating func write(_ string: String) {
    text += "\""
    for unit in string.utf16 {
      switch unit {
      case 0x22: text += "\\\""
      case 0x5C: text += "\\\\"
      case 0x0A: text += "\\n"
      case 0x0D: text += "\\r"
      case 0x09: text += "\\t"
      case 0x08: text += "\\b"
      case 0x0C: text += "\\f"
      case 0x20...0x7E: text.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default:
        let digits = String(unit, radix: 16)
        text += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)"
      }
    }
    text += "\""
  }
}

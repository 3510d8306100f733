internal import Support

/// Text of a page in which nothing that a model names can be anything but text.
struct HTML: ExpressibleByStringInterpolation {
  private(set) var text: String

  /// Literals are ours and stand as they are.
  init(stringLiteral text: String) { self.text = text }

  init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

  init(joining parts: [HTML]) { text = parts.map(\.text).joined() }

  static func + (left: HTML, right: HTML) -> HTML { HTML(joining: [left, right]) }

  struct Interpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { text += literal }

    mutating func appendInterpolation(_ part: HTML) { text += part.text }

    mutating func appendInterpolation(_ number: Int) { text += "\(number)" }

    /// A name or a message: escaped, control characters and changes of direction shown as such.
    mutating func appendInterpolation(_ name: String) {
      for character in printable(HTML.shortened(name)) {
        switch character {
        case "&": text += "&amp;"
        case "<": text += "&lt;"
        case ">": text += "&gt;"
        case "\"": text += "&quot;"
        case "'": text += "&#39;"
        default: text.append(character)
        }
      }
    }
  }

  /// The most characters of a name that are shown.
  private static let nameLimit = 300

  private static func shortened(_ name: String) -> String {
    let start = name.unicodeScalars.prefix(nameLimit + 1)
    guard start.count > nameLimit else { return name }
    return String(String.UnicodeScalarView(start.prefix(nameLimit))) + "…"
  }
}

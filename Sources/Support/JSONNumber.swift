/// A number of a JSON text, kept as it is spelled.
///
/// Beside JSON's own grammar it may be `NaN`, `Infinity` or `-Infinity`, which Python writes and reads.
package struct JSONNumber: Equatable, Hashable, Sendable {
  package let text: String

  /// A spelling that the parser found to be a number.
  init(spelling: String) { text = spelling }

  package init(_ value: Int) { text = String(value) }

  /// The shortest spelling that reads back as `value`, laid out as Python's `repr` does.
  package init(_ value: Double) { text = pythonSpelling(of: value) }

  /// The shortest spelling that reads back as `value` of float32, laid out in the same way.
  package init(_ value: Float) {
    // Between these Swift's own description has Python's layout; its digits mean the same number.
    let isPlain = value.magnitude >= 1e-4 && value.magnitude < 0x1p24
    let digits = value.description
    text = isPlain ? digits : pythonSpelling(of: Double(digits) ?? Double(value))
  }

  /// The nearest Double; an infinity beyond its range.
  package var double: Double {
    switch text {
    case "NaN": .nan
    case "Infinity": .infinity
    case "-Infinity": -.infinity
    default: Double(text) ?? .nan
    }
  }

  /// The value as an integer where it is spelled as one and fits.
  package var integer: Int? { Int(text) }
}

/// A Double as Python's `repr` and `json` spell it: `1e-05`, `0.0001`, `1e+16`, `3.0`.
///
/// The digits are the shortest that read back as the same number, and nearest to it among those.
func pythonSpelling(of value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
  // Between these Swift's own description has Python's layout.
  if value.magnitude >= 1e-4, value.magnitude < 0x1p53 { return value.description }
  let sign = value.sign == .minus ? "-" : ""
  if value == 0 { return "\(sign)0.0" }
  var (digits, point) = shortestDigits(of: value.magnitude)
  // `point` is where the decimal point stands, counted from the first digit.
  if point > 16 || point < -3 {
    let exponent = point - 1
    let fraction = digits.count > 1 ? ".\(digits.dropFirst())" : ""
    let size = String(exponent.magnitude)
    let padded = size.count < 2 ? "0\(size)" : size
    return "\(sign)\(digits.prefix(1))\(fraction)e\(exponent < 0 ? "-" : "+")\(padded)"
  }
  if point <= 0 {
    return "\(sign)0.\(String(repeating: "0", count: -point))\(digits)"
  }
  if digits.count <= point {
    digits += String(repeating: "0", count: point - digits.count)
    return "\(sign)\(digits).0"
  }
  return "\(sign)\(digits.prefix(point)).\(digits.dropFirst(point))"
}

/// The significant digits of a positive number, and where its decimal point stands among them.
///
/// They are read off Swift's own description, which has them and differs from Python in layout only.
private func shortestDigits(of value: Double) -> (digits: String, point: Int) {
  let parts = value.description.split(separator: "e", maxSplits: 1)
  let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
  let halves = parts[0].split(separator: ".", maxSplits: 1)
  let whole = halves[0] == "0" ? "" : String(halves[0])
  let fraction = halves.count > 1 ? String(halves[1]) : ""
  let all = whole + fraction
  let leading = all.prefix { $0 == "0" }.count
  var digits = String(all.dropFirst(leading))
  while digits.hasSuffix("0") { digits.removeLast() }
  return (digits, whole.count + exponent - leading)
}

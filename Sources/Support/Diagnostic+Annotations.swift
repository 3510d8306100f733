/// Diagnostics in the forms that other tools show beside files.
extension Diagnostic {
  /// A workflow command of GitHub Actions: `::error file=model.onnx,title=id::message`.
  package var gitHub: String {
    let command =
      switch severity {
      case .error: "error"
      case .warning: "warning"
      case .remark, .note: "notice"
      }
    var properties: [String] = []
    if let file = location.file { properties.append("file=\(escaped(file, isProperty: true))") }
    properties.append("title=\(escaped(id, isProperty: true))")
    let place = location.node.map { "node '\($0)': " } ?? ""
    let lines = ["\(place)\(message)"] + notes.map { "note: \($0)" }
    let text = lines.map { printable($0) }.joined(separator: "\n")
    return "::\(command) \(properties.joined(separator: ","))::\(escaped(text, isProperty: false))"
  }

  /// What the commands' syntax would take for its own.
  private func escaped(_ text: String, isProperty: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "%": result += "%25"
      case "\r": result += "%0D"
      case "\n": result += "%0A"
      case ":" where isProperty: result += "%3A"
      case ",": result += isProperty ? "%2C" : ","
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A `result` of SARIF 2.1.0 (OASIS, section 3.27).
  package var sarif: JSON {
    let level =
      switch severity {
      case .error: "error"
      case .warning: "warning"
      case .remark, .note: "note"
      }
    let text = ([message] + notes.map { "note: \($0)" }).joined(separator: "\n")
    var members = [
      JSON.Member("ruleId", .string(id)), JSON.Member("level", .string(level)),
      JSON.Member("message", .object(["text": .string(text)])),
    ]
    var place: [JSON.Member] = []
    if let file = location.file {
      place.append(
        JSON.Member(
          "physicalLocation",
          .object(["artifactLocation": .object(["uri": .string(uri(of: file))])])))
    }
    if let node = location.node {
      place.append(
        JSON.Member(
          "logicalLocations",
          .array([.object(["name": .string(node), "kind": .string("element")])])))
    }
    if !place.isEmpty { members.append(JSON.Member("locations", .array([.object(place)]))) }
    return .object(members)
  }

  /// A path as a URI reference (RFC 3986): what is not unreserved or a slash is written in hexadecimal.
  private func uri(of path: String) -> String {
    var result = ""
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%\(digits.count < 2 ? "0" : "")\(digits)"
      }
    }
    return result
  }
}

package import Support

/// What each version of the standard operators changed for models written before it.
///
/// Decoded from `schemas/opsets.json`. A version that is not listed was not reviewed, so a model is
/// never taken across it.
package struct OpsetTable: Equatable, Sendable {
  /// The versions of the standard operators that a model may import.
  package let accepted: ClosedRange<Int64>
  private let changes: [String: [Int64: Change]]
  /// The version of the file format that each opset needs, by the least opset that needs it.
  private let irVersions: [Requirement]

  /// What a version did to an operator.
  package enum Change: String, CaseIterable, Sendable {
    /// It allows more than before.
    case same
    /// It has another form or meaning, with the same effect in reach.
    case adapted
    /// It has another meaning without an equal.
    case refused
  }

  private struct Requirement: Equatable, Sendable {
    let opset: Int64
    let irVersion: Int64
  }

  /// What the version that brought a new form of an operator changed; `nil` where it is unknown.
  package func change(of op: String, at version: Int64) -> Change? { changes[op]?[version] }

  /// The least version of the file format for an opset (fp8-and-gaudi2.md section 4.1).
  package func irVersion(for opset: Int64) -> Int64 {
    irVersions.last { $0.opset <= opset }?.irVersion ?? 3
  }

  /// The table that the compiler was built with.
  package static func embedded() throws(Diagnostic) -> OpsetTable { try decoded.get() }

  /// Decoded once: commands ask for it in several places.
  private static let decoded = Result<OpsetTable, Diagnostic> { () throws(Diagnostic) in
    try OpsetTable(try EmbeddedFile.reader("opsets.json"))
  }

  init(_ table: JSONReader) throws(Diagnostic) {
    try table.onlyKeys(["comment", "accepted", "irVersions", "operators"])
    let ends = try table.member("accepted").pair()
    accepted = ends.0...max(ends.0, ends.1)
    var irVersions: [Requirement] = []
    for item in try table.member("irVersions").items() {
      let pair = try item.pair()
      irVersions.append(Requirement(opset: pair.0, irVersion: pair.1))
    }
    self.irVersions = irVersions
    var changes: [String: [Int64: Change]] = [:]
    for row in try table.member("operators").items() {
      try row.onlyKeys(["op"] + Change.allCases.map(\.rawValue))
      let op = try row.member("op").string()
      for change in Change.allCases {
        for version in try row.optional(change.rawValue)?.items() ?? [] {
          changes[op, default: [:]][Int64(try version.integer())] = change
        }
      }
    }
    self.changes = changes
  }
}

extension JSONReader {
  /// An array of two integers.
  fileprivate func pair() throws(Diagnostic) -> (Int64, Int64) {
    let items = try items()
    guard items.count == 2 else { throw wrongType("an array of two integers") }
    return (Int64(try items[0].integer()), Int64(try items[1].integer()))
  }
}

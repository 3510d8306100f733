internal import Support

/// The operator of a target that runs a kind of module.
package struct Kernel: Equatable, Sendable {
  /// The kind of module.
  package let module: String
  /// `nil` where the operator of the model stays, between casts to FP8 and back.
  package let op: String?
  /// Whether the operator takes one scale per output channel of the weight.
  package let perChannelWeights: Bool
  /// Which padding a convolution takes.
  package let padding: Padding

  package enum Padding: String, CaseIterable, Sendable {
    case any
    /// As much before as behind: the rest is a `Pad` of its own (fp8-and-gaudi2.md section 3).
    case symmetric
  }

  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["module", "op", "perChannelWeights", "padding"])
    module = try row.member("module").text()
    op = try row.optional("op")?.text()
    perChannelWeights = try row.member("perChannelWeights").bool()
    padding = try row.optional("padding")?.choice(of: Padding.self) ?? .any
  }
}

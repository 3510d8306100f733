package import FP8
package import IR
package import Support

/// What an accelerator can do: formats with their limits, and an operator for each kind of module.
///
/// Read from `schemas/targets/NAME.json` or from a file of the same form. Code asks the target for
/// what it needs and never for its name.
package struct Target: Equatable, Sendable {
  package let name: String
  /// The domain of the target's operators.
  package let domain: String
  /// The types that its casts to and from FP8 take.
  package let highPrecision: [HighPrecision]
  package let formats: [FormatLimits]
  /// The operator that casts to FP8.
  package let quantizer: String
  /// The operator that casts from FP8.
  package let dequantizer: String
  package let kernels: [Kernel]
  /// The operators that add up a tensor over all ranks.
  package let collectives: [OperatorName]

  /// The limits of a format; an error where the target lacks it.
  package func limits(of format: FP8Format) throws(Diagnostic) -> FormatLimits {
    guard let limits = formats.first(where: { $0.encoding == format }) else {
      throw .noFormat(
        format.rawValue, target: name, known: formats.map(\.encoding.rawValue))
    }
    return limits
  }

  /// The operator for a kind of module; `nil` where such modules stay in high precision.
  package func kernel(for kind: String) -> Kernel? { kernels.first { $0.module == kind } }

  // MARK: Reading

  /// The names of the embedded targets, sorted.
  package static var names: [String] {
    EmbeddedFile.all.map(\.path).filter { $0.hasPrefix("targets/") }
      .map { String($0.dropFirst("targets/".count).dropLast(".json".count)) }
  }

  /// The embedded target of a name, or the one that a file ending in `.json` describes.
  package static func load(_ nameOrPath: String) throws(Diagnostic) -> Target {
    try read(nameOrPath).target
  }

  /// The description that `load` reads, as it is written; wrong ones are refused alike.
  package static func text(_ nameOrPath: String) throws(Diagnostic) -> String {
    String(decoding: try read(nameOrPath).bytes, as: UTF8.self)
  }

  private static func read(
    _ nameOrPath: String
  ) throws(Diagnostic) -> (target: Target, bytes: [UInt8]) {
    let bytes: [UInt8]
    let file: String
    if nameOrPath.hasSuffix(".json") {
      file = nameOrPath
      bytes = try InputFile.contents(of: nameOrPath, limit: sizeLimit)
    } else {
      guard names.contains(nameOrPath) else { throw .unknownTarget(nameOrPath, known: names) }
      let path = "targets/\(nameOrPath).json"
      file = "schemas/\(path)"
      bytes = try EmbeddedFile.at(path).bytes
    }
    return (try Target(JSONReader(try JSON.parse(bytes, file: file), file: file)), bytes)
  }

  /// The most bytes that a target description may have: a thousand times what the longest one has.
  private static let sizeLimit: Int64 = 1 << 21

  package init(_ description: JSONReader) throws(Diagnostic) {
    try description.onlyKeys([
      "name", "domain", "highPrecision", "formats", "casts", "kernels", "collectives",
    ])
    name = try description.member("name").text()
    domain = try description.member("domain").text()
    var precisions: [HighPrecision] = []
    for item in try description.member("highPrecision").items() {
      precisions.append(try item.choice(of: HighPrecision.self))
    }
    highPrecision = precisions
    var formats: [FormatLimits] = []
    let table = try description.member("formats")
    for (key, limits) in try table.members() {
      guard let encoding = FP8Format(rawValue: key) else {
        throw .unknownFormat(key, at: limits.path, file: description.file)
      }
      try limits.onlyKeys(["fullscale", "alignedScales"])
      do throws(Diagnostic) {
        formats.append(
          try FormatLimits(
            encoding: encoding, fullscale: try limits.member("fullscale").double(),
            alignedScales: try limits.member("alignedScales").doubles()))
      } catch {
        throw error.inFile(description.file ?? name)
      }
    }
    guard !formats.isEmpty else { throw table.wrongType("an object with a format") }
    self.formats = formats
    let casts = try description.member("casts")
    try casts.onlyKeys(["quantize", "dequantize"])
    quantizer = try casts.member("quantize").text()
    dequantizer = try casts.member("dequantize").text()
    var kernels: [Kernel] = []
    let kinds = try ModuleTable.embedded().kinds.map(\.name)
    for row in try description.member("kernels").items() {
      let kernel = try Kernel(row)
      guard kinds.contains(kernel.module) else { throw try row.member("module").notOneOf(kinds) }
      kernels.append(kernel)
    }
    self.kernels = kernels
    var collectives: [OperatorName] = []
    for row in try description.optional("collectives")?.items() ?? [] {
      try row.onlyKeys(["op", "domain"])
      collectives.append(
        OperatorName(try row.member("op").text(), domain: try row.member("domain").text()))
    }
    self.collectives = collectives
  }
}

extension JSONReader {
  /// A string that is not empty.
  func text() throws(Diagnostic) -> String {
    let text = try string()
    guard !text.isEmpty else { throw wrongType("a string that is not empty") }
    return text
  }
}

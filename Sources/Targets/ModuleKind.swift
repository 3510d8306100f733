package import IR
internal import Support

/// A kind of module that runs in FP8, such as `linear`: its ports, and what INC records of them.
///
/// A row of `schemas/modules.json`; inc-fp8.md section 3.1 is the source.
package struct ModuleKind: Equatable, Sendable {
  package let name: String
  /// INC's class for a module of which nothing but the kind is known.
  package let defaultType: String
  /// Whether the output is measured even where outputs are excluded.
  package let alwaysMeasuresOutput: Bool
  /// The kind whose spellings find this one too, where its own are none.
  package let spelledAs: String?
  package let ports: [Port]

  /// One operand or result.
  package struct Port: Equatable, Sendable {
    package let name: String
    package let role: IR.Port.Role
    /// The list of a measurement record that has its range, in the order of the ports.
    package let measured: Record?
    /// The list of a scale record that has its scale.
    package let scaled: Record?
    /// What an output's scale is.
    package let scale: OutputScale?
    /// The port whose measured range this one uses; itself where there is none.
    package let range: String?
    /// The range where nothing measured it.
    package let otherwise: Float?
  }

  /// The lists of one module in INC's files.
  package enum Record: String, CaseIterable, Sendable {
    case inputs
    case outputs
    case params
  }

  /// Where the scale of an output comes from.
  package enum OutputScale: String, CaseIterable, Sendable {
    /// The product of the operands' scales, recorded and never applied.
    case product
    /// The range of the output itself.
    case own
    /// The scale of the input.
    case input
  }

  package func port(_ name: String) -> Port? { ports.first { $0.name == name } }

  /// The ports that a list of a measurement record names, in its order.
  package func ports(measuredIn record: Record) -> [Port] {
    ports.filter { $0.measured == record }
  }

  /// The ports that a list of a scale record names, in its order.
  package func ports(scaledIn record: Record) -> [Port] { ports.filter { $0.scaled == record } }

  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["kind", "type", "alwaysMeasuresOutput", "spelledAs", "ports"])
    name = try row.member("kind").string()
    defaultType = try row.member("type").string()
    alwaysMeasuresOutput = try row.member("alwaysMeasuresOutput").bool()
    spelledAs = try row.optional("spelledAs")?.string()
    var ports: [Port] = []
    for port in try row.member("ports").items() { ports.append(try Port(port)) }
    self.ports = ports
  }
}

extension ModuleKind.Port {
  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["port", "role", "measured", "scaled", "scale", "range", "otherwise"])
    name = try row.member("port").string()
    role = try row.member("role").choice(of: Port.Role.self)
    measured = try row.optional("measured")?.choice(of: ModuleKind.Record.self)
    scaled = try row.optional("scaled")?.choice(of: ModuleKind.Record.self)
    scale = try row.optional("scale")?.choice(of: ModuleKind.OutputScale.self)
    range = try row.optional("range")?.string()
    otherwise = try row.optional("otherwise").map { (number) throws(Diagnostic) in
      Float(try number.double())
    }
  }
}

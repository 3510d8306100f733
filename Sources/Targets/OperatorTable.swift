package import IR
package import Support

/// What every version of every known operator takes and gives.
///
/// Decoded from `schemas/operators.json`, which `Sources/Integration/extract_operators.py` writes,
/// and from `schemas/results.json`.
package struct OperatorTable: Equatable, Sendable {
  /// The newest version of the standard operators that the table has.
  package let newestOpset: Int64
  private let domains: [String: [String: [Entry]]]

  /// One version of an operator.
  private struct Entry: Equatable, Sendable {
    let since: Int64
    let signature: OperatorSignature
    /// Whether models may no longer use it.
    let isDeprecated: Bool
  }

  /// True where the table lists the operators of a domain.
  package func knows(domain: String) -> Bool { domains[domain] != nil }

  /// The form of an operator at a version of its domain, deprecated or not; `nil` where there is
  /// none.
  package func find(domain: String, op: String, opset: Int64) -> OperatorSignature? {
    entry(domain, op, opset)?.signature
  }

  /// The form of an operator at a version of its domain; the error says which of them is wrong.
  package func signature(
    domain: String, op: String, opset: Int64
  ) throws(Diagnostic) -> OperatorSignature {
    guard let operators = domains[domain] else {
      throw .unknownDomain(domain, known: domains.keys.sorted())
    }
    guard let entries = operators[op] else {
      throw .unknownOperator(op, domain: domain, known: operators.keys.sorted())
    }
    guard let entry = entries.last(where: { $0.since <= opset }) else {
      throw .operatorNotYet(op, domain: domain, since: entries[0].since, opset: opset)
    }
    guard !entry.isDeprecated else {
      throw .deprecatedOperator(op, domain: domain, opset: opset)
    }
    return entry.signature
  }

  /// The operators of a domain, sorted.
  package func names(domain: String) -> [String] { (domains[domain] ?? [:]).keys.sorted() }

  /// The versions that changed an operator, ascending; empty where it is unknown.
  package func versions(domain: String, op: String) -> [Int64] {
    (domains[domain]?[op] ?? []).map(\.since)
  }

  /// The types of a node's outputs as far as its operands, attributes and bodies decide them.
  ///
  /// Shapes are left unknown. Bodies have to be typed already.
  package func resultTypes(of node: Node, in graph: Graph, opset: Int64) -> [ValueType?] {
    guard let signature = find(domain: node.domain, op: node.op, opset: opset) else {
      return node.outputs.map { _ in nil }
    }
    let operands = node.inputs.map { $0.flatMap { graph[$0].type } }
    return node.outputs.indices.map {
      signature.resultType(of: node, output: $0, operands: operands)
    }
  }

  /// Refuses a node of which two operands or results have different element types where its operator declares
  /// them to be of one, of which a result has another than the operator gives it, or that has a sequence or an
  /// optional where it takes none.
  ///
  /// What has no known type, and operators that the table has not, are not judged.
  package func checkTypes(
    of node: Node, in graph: Graph, _ opsets: [OpsetImport], at location: Location
  ) throws(Diagnostic) {
    guard let version = opsets.version(of: node.domain),
      let signature = find(domain: node.domain, op: node.op, opset: version)
    else { return }
    var known: [String: (what: String, element: ElementType)] = [:]
    let operands = node.inputs.enumerated().map {
      (signature.input($0), $1, "operand \($0)")
    }
    let results = node.outputs.enumerated().map {
      (signature.output($0), $1, "result \($0)")
    }
    for (formal, id, what) in operands + results {
      guard let formal, formal.arity != .heterogeneous,
        case .variable(let variable) = formal.type,
        let type = id.flatMap({ graph[$0].type })
      else { continue }
      switch type {
      case .sequence, .optional:
        // The table has no maps, and so no sequences of them.
        guard !node.domain.isEmpty || signature.variables[variable]?.allows(type) != false else {
          throw .noSequence(what, of: node.op, at: location)
        }
      case .tensor, .untyped, .sparse, .map, .opaque: break
      }
      guard case .tensor(let type) = type else { continue }
      let first = known[variable] ?? (what, type.element)
      known[variable] = first
      guard first.element == type.element else {
        throw .typesDiffer(first, (what, type.element), of: node.op, at: location)
      }
    }
    let types = operands.map { $0.1.flatMap { graph[$0].type } }
    for (position, output) in node.outputs.enumerated() {
      guard case .tensor(let type)? = output.flatMap({ graph[$0].type }),
        case .tensor(let given)? = signature.resultType(
          of: node, output: position, operands: types),
        type.element != given.element
      else { continue }
      throw .otherResult(position, of: node.op, type.element, gives: given.element, at: location)
    }
  }

  private func entry(_ domain: String, _ op: String, _ opset: Int64) -> Entry? {
    domains[domain]?[op]?.last { $0.since <= opset }
  }

  /// The table that the compiler was built with.
  package static func embedded() throws(Diagnostic) -> OperatorTable { try decoded.get() }

  /// Decoded once: commands ask for it in several places.
  private static let decoded = Result<OperatorTable, Diagnostic> { () throws(Diagnostic) in
    try OperatorTable(
      try EmbeddedFile.reader("operators.json"), results: try EmbeddedFile.reader("results.json"))
  }

  init(_ table: JSONReader, results: JSONReader) throws(Diagnostic) {
    var sets: [TypeSet] = []
    for row in try table.member("types").items() { sets.append(try TypeSet(row)) }
    let sources = try OperatorTable.sources(results)
    var domains: [String: [String: [Entry]]] = [:]
    for (domain, rows) in try table.member("domains").members() {
      var operators: [String: [Entry]] = [:]
      for row in try rows.items() {
        let op = try row.member("op").string()
        for since in try row.member("since").items() {
          let since = Int64(try since.integer())
          let signature = try OperatorTable.signature(
            row, op: op, domain: domain, since: since, sets, sources["\(domain)::\(op)"] ?? [])
          operators[op, default: []].append(
            Entry(
              since: since, signature: signature,
              isDeprecated: try row.optional("deprecated")?.bool() ?? false))
        }
      }
      domains[domain] = operators.mapValues { $0.sorted { $0.since < $1.since } }
    }
    self.domains = domains
    newestOpset =
      domains[""]?.values.compactMap { $0.last?.since }.max() ?? 0
  }

  private static func sources(
    _ results: JSONReader
  ) throws(Diagnostic) -> [String: [[ResultSource]]] {
    var sources: [String: [[ResultSource]]] = [:]
    for (domain, rows) in try results.members() where domain != "comment" {
      for row in try rows.items() {
        var lists: [[ResultSource]] = []
        for items in try row.member("results").items() {
          var list: [ResultSource] = []
          for item in try items.items() { list.append(try ResultSource(item)) }
          lists.append(list)
        }
        sources["\(domain)::\(try row.member("op").string())"] = lists
      }
    }
    return sources
  }

  private static func signature(
    _ row: JSONReader, op: String, domain: String, since: Int64, _ sets: [TypeSet],
    _ sources: [[ResultSource]]
  ) throws(Diagnostic) -> OperatorSignature {
    var variables: [String: TypeSet] = [:]
    for (name, number) in try row.optional("of")?.members() ?? [] {
      let index = try number.integer()
      guard sets.indices.contains(index) else {
        throw number.wrongType("an index below \(sets.count)")
      }
      variables[name] = sets[index]
    }
    let inputs = try formals(try row.member("in"), variables)
    let outputs = try formals(try row.member("out"), variables)
    let least = try row.optional("least")?.items().map { (item) throws(Diagnostic) in
      try item.integer()
    }
    return OperatorSignature(
      op: op, domain: domain, since: since, inputs: inputs, outputs: outputs,
      attributes: try attributes(row),
      leastInputs: least?.first ?? OperatorSignature.least(of: inputs),
      leastOutputs: least?.last ?? OperatorSignature.least(of: outputs), variables: variables,
      sources: sources)
  }

  private static func attributes(
    _ row: JSONReader
  ) throws(Diagnostic) -> [OperatorSignature.DeclaredAttribute]? {
    guard let field = try row.optional("attributes") else { return nil }
    var attributes: [OperatorSignature.DeclaredAttribute] = []
    for spelling in try field.string().split(separator: " ") {
      guard let attribute = OperatorSignature.DeclaredAttribute(spelling) else {
        throw field.wrongType("names and types of attributes")
      }
      attributes.append(attribute)
    }
    return attributes
  }

  private static func formals(
    _ field: JSONReader, _ variables: [String: TypeSet]
  ) throws(Diagnostic) -> [OperatorSignature.Formal] {
    var formals: [OperatorSignature.Formal] = []
    for spelling in try field.string().split(separator: " ") {
      guard let formal = OperatorSignature.Formal(spelling, variables: variables) else {
        throw field.wrongType("type variables and element types")
      }
      formals.append(formal)
    }
    return formals
  }
}

extension OperatorSignature {
  /// The type of one output of a node of this operator, without its shape.
  package func resultType(
    of node: Node, output index: Int, operands: [ValueType?]
  ) -> ValueType? {
    guard let formal = output(index) else { return nil }
    if let list = index < sources.count ? sources[index] : sources.last {
      for source in list {
        if let type = source.type(of: node, output: index, operands: operands) { return type }
      }
    }
    switch formal.type {
    case .element(let element): return .tensor(TensorType(element, nil))
    case .variable(let name):
      if let only = variables[name]?.only { return .tensor(TensorType(only, nil)) }
      for position in inputs(sharingTypeWithOutput: index, of: operands.count) {
        if let type = operands[position] { return type.withoutShape }
      }
      return nil
    }
  }
}

package import Support

extension Measurement {
  /// Reads INC's JSON, older files with `input` and `output` included.
  ///
  /// A value may stand alone, in a list, or in a list of rows; NaN and infinities are kept.
  package init(json bytes: [UInt8], file: String) throws(Diagnostic) {
    try self.init(JSONReader(try JSON.parse(bytes, file: file), file: file))
  }

  init(_ root: JSONReader) throws(Diagnostic) {
    try root.onlyKeys(["NumSamples", "GlobalRank", "LocalRank", "Mode", "Nodes"])
    let mode = try root.member("Mode")
    if mode.value == .string("Scale") { throw .scalesNotRanges(file: root.file) }
    self.init(
      sampleCount: try Measurement.integer("NumSamples", of: root),
      globalRank: try Measurement.integer("GlobalRank", of: root),
      localRank: try Measurement.integer("LocalRank", of: root),
      mode: try mode.choice(of: Mode.self))
    for (name, node) in try root.member("Nodes").members() {
      nodes.append(try MeasuredNode(name: name, json: node))
    }
  }

  private static func integer(_ key: String, of root: JSONReader) throws(Diagnostic) -> Int? {
    guard let value = try root.optional(key), !value.isNull else { return nil }
    return try value.integer()
  }

  /// The text of INC's file, byte for byte as INC writes it.
  package var text: String {
    var members: [JSON.Member] = []
    if let sampleCount { members.append(JSON.Member("NumSamples", .number(sampleCount))) }
    members += [
      JSON.Member("GlobalRank", globalRank.map { .number($0) } ?? .null),
      JSON.Member("LocalRank", localRank.map { .number($0) } ?? .null),
      JSON.Member("Mode", .string(mode.rawValue)),
      JSON.Member("Nodes", .object(nodes.map { JSON.Member($0.name, $0.json) })),
    ]
    return JSON.object(members).text()
  }

  /// The text of the module list that belongs to the file.
  package var moduleListText: String {
    JSON.array(nodes.map { .string($0.name) }).text()
  }
}

extension MeasuredNode {
  fileprivate init(name: String, json: JSONReader) throws(Diagnostic) {
    try json.onlyKeys(["inputs", "outputs", "params", "input", "output"])
    self.init(
      name: name, inputs: try MeasuredNode.tables("inputs", or: "input", of: json),
      outputs: try MeasuredNode.tables("outputs", or: "output", of: json))
    guard let parameters = try json.optional("params") else { return }
    for (name, value) in try parameters.members() {
      self.parameters.append(Parameter(name: name, table: try RangeTable(json: value)))
    }
  }

  private static func tables(
    _ key: String, or legacyKey: String, of json: JSONReader
  ) throws(Diagnostic) -> [RangeTable] {
    var tables: [RangeTable] = []
    for name in [key, legacyKey] {
      guard let value = try json.optional(name) else { continue }
      for item in try value.items() { tables.append(try RangeTable(json: item)) }
    }
    return tables
  }

  fileprivate var json: JSON {
    var members = [JSON.Member("inputs", .array(inputs.map(\.json)))]
    if !outputs.isEmpty { members.append(JSON.Member("outputs", .array(outputs.map(\.json)))) }
    if !parameters.isEmpty {
      members.append(
        JSON.Member("params", .object(parameters.map { JSON.Member($0.name, $0.table.json) })))
    }
    return .object(members)
  }
}

extension RangeTable {
  fileprivate init(json: JSONReader) throws(Diagnostic) {
    guard case .array = json.value else {
      self.init(rows: [[try RangeTable.value(json)]])
      return
    }
    self.init(rows: [])
    var flat: [Float] = []
    for item in try json.items() {
      if case .array = item.value {
        var row: [Float] = []
        for value in try item.items() { row.append(try RangeTable.value(value)) }
        rows.append(row)
      } else {
        flat.append(try RangeTable.value(item))
      }
    }
    guard flat.isEmpty || rows.isEmpty else { throw json.wrongType("an array of equal rows") }
    if !flat.isEmpty { rows = [flat] }
    guard rows.allSatisfy({ $0.count == rows[0].count }) else {
      throw json.wrongType("an array of equal rows")
    }
    guard rows.first?.isEmpty == false else { throw json.wrongType("an array with a number") }
  }

  private static func value(_ json: JSONReader) throws(Diagnostic) -> Float {
    let value = try json.double()
    guard !(value < 0) else { throw json.wrongType("a number that is not negative") }
    return Float(value)
  }

  fileprivate var json: JSON {
    .array(rows.map { row in .array(row.map { .number(Double($0)) }) })
  }
}

internal import Support

/// The scales of a run: INC's scale file (inc-fp8.md section 5.3).
package struct ScaleFile: Equatable, Sendable {
  package var globalRank: Int?
  package var localRank: Int?
  package var records: [ScaleRecord]

  package init(globalRank: Int? = nil, localRank: Int? = nil, records: [ScaleRecord] = []) {
    self.globalRank = globalRank
    self.localRank = localRank
    self.records = records
  }

  /// The text of INC's file, byte for byte as INC writes it.
  package var text: String {
    let nodes = records.map { record in
      JSON.Member(
        record.name,
        .object([
          "inputs": .array(record.inputs.map { .number(Double($0)) }),
          "outputs": .array(record.outputs.map(\.json)),
          "params": .object(record.weight.map { [JSON.Member("weight", $0.json)] } ?? []),
        ]))
    }
    return JSON.object([
      "GlobalRank": globalRank.map { .number($0) } ?? .null,
      "LocalRank": localRank.map { .number($0) } ?? .null,
      "Mode": .string("Scale"),
      "Nodes": .object(nodes),
    ]).text()
  }
}

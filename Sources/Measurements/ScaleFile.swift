package import Support

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

  /// The text of INC's file, byte for byte as INC writes it, record by record.
  package func write<Sink: ByteSink & ~Copyable>(to sink: inout Sink) throws(Diagnostic) {
    var writer = JSONWriter(indent: 4)
    writer.beginObject()
    for (key, value) in [
      ("GlobalRank", globalRank.map { .number($0) } ?? JSON.null),
      ("LocalRank", localRank.map { .number($0) } ?? .null),
      ("Mode", .string("Scale")),
    ] {
      writer.key(key)
      writer.value(value)
    }
    writer.key("Nodes")
    writer.beginObject()
    for record in records {
      writer.key(record.name)
      writer.value(
        .object([
          "inputs": .array(record.inputs.map { .number(Double($0)) }),
          "outputs": .array(record.outputs.map(\.json)),
          "params": .object(record.weight.map { [JSON.Member("weight", $0.json)] } ?? []),
        ]))
      try writer.drain(into: &sink)
    }
    writer.endObject()
    writer.endObject()
    try writer.finish(into: &sink)
  }
}

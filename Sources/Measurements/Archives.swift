internal import NPZ

extension Measurement {
  /// The archive that INC reads, which holds what `text` says as Python objects.
  package var archive: [UInt8] {
    INCArchive.bytes(mode: mode.rawValue, self.globalRank, self.localRank, sampleCount) { writer in
      for node in nodes {
        writer.string(node.name)
        writer.dictionary { writer in
          writer.string("inputs")
          writer.list { writer in node.inputs.forEach { writer.table($0) } }
          if !node.outputs.isEmpty {
            writer.string("outputs")
            writer.list { writer in node.outputs.forEach { writer.table($0) } }
          }
          if !node.parameters.isEmpty {
            writer.string("params")
            writer.dictionary { writer in
              for parameter in node.parameters {
                writer.string(parameter.name)
                writer.table(parameter.table)
              }
            }
          }
        }
      }
    }
  }
}

extension ScaleFile {
  /// The archive that INC reads, which holds what `text` says as Python objects.
  package var archive: [UInt8] {
    INCArchive.bytes(mode: "Scale", globalRank, localRank, nil) { writer in
      for record in records {
        writer.string(record.name)
        writer.dictionary { writer in
          writer.string("inputs")
          writer.list { writer in record.inputs.forEach { writer.array([$0], shape: []) } }
          writer.string("outputs")
          writer.tuple { writer in record.outputs.forEach { writer.scale($0) } }
          writer.string("params")
          writer.dictionary { writer in
            if let weight = record.weight {
              writer.string("weight")
              writer.scale(weight)
            }
          }
        }
      }
    }
  }
}

/// What both of INC's archives have around their nodes.
private enum INCArchive {
  static func bytes(
    mode: String, _ globalRank: Int?, _ localRank: Int?, _ sampleCount: Int?,
    nodes: (inout PickleWriter) -> Void
  ) -> [UInt8] {
    var writer = PickleWriter()
    writer.dictionary { writer in
      if let sampleCount {
        writer.string("NumSamples")
        writer.integer(Int32(clamping: sampleCount))
      }
      for (key, rank) in [("GlobalRank", globalRank), ("LocalRank", localRank)] {
        writer.string(key)
        if let rank { writer.integer(Int32(clamping: rank)) } else { writer.none() }
      }
      writer.string("Mode")
      writer.string(mode)
      writer.string("Nodes")
      writer.dictionary(nodes)
    }
    var archive = NPZWriter()
    archive.add("arr_0", file: writer.file())
    return archive.archive()
  }
}

extension PickleWriter {
  fileprivate mutating func table(_ table: RangeTable) {
    array(table.rows.flatMap { $0 }, shape: [table.rows.count, table.rows.first?.count ?? 0])
  }

  fileprivate mutating func scale(_ scale: RecordedScale) {
    switch scale {
    case .scalar(let scale): array([scale], shape: [])
    case .list(let scales): array(scales, shape: [scales.count])
    case .channels(let scales, let inputs):
      dictionary { writer in
        writer.integer(0)
        writer.array(scales, shape: [scales.count])
        writer.integer(1)
        writer.array(Array(repeating: 1, count: inputs), shape: [inputs])
      }
    }
  }
}

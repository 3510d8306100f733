/// Protobuf's wire format written by hand, without any of the code under test.
package struct Wire {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package static func varint(_ value: UInt64) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
  }

  package func raw(_ more: [UInt8]) -> Wire {
    var copy = self
    copy.bytes += more
    return copy
  }

  package func number(_ field: UInt64, _ value: UInt64) -> Wire {
    raw(Wire.varint(field << 3) + Wire.varint(value))
  }

  package func data(_ field: UInt64, _ content: [UInt8]) -> Wire {
    raw(Wire.varint(field << 3 | 2) + Wire.varint(UInt64(content.count)) + content)
  }

  package func text(_ field: UInt64, _ text: String) -> Wire { data(field, Array(text.utf8)) }

  package func message(_ field: UInt64, _ wire: Wire) -> Wire { data(field, wire.bytes) }
}

/// ONNX's messages by the field numbers of `onnx.proto`.
extension Wire {
  /// A `ModelProto`: IR version (1), the graph (7), and the standard operators' version (8).
  package static func model(_ graph: Wire, ir: UInt64 = 8, opset: UInt64 = 18) -> Wire {
    Wire().number(1, ir).message(7, graph).message(8, Wire().text(1, "").number(2, opset))
  }

  /// A `NodeProto`: inputs (1), outputs (2), name (3), operator (4).
  package static func node(
    _ op: String, _ inputs: [String], _ outputs: [String], name: String = "n"
  ) -> Wire {
    let read = inputs.reduce(Wire()) { $0.text(1, $1) }
    return outputs.reduce(read) { $0.text(2, $1) }.text(3, name).text(4, op)
  }

  /// A `TensorProto` without its elements: sizes (1), element type (2), name (8).
  package static func tensor(_ name: String, _ sizes: [UInt64], type: UInt64 = 1) -> Wire {
    sizes.reduce(Wire()) { $0.number(1, $1) }.number(2, type).text(8, name)
  }

  /// The tensor's elements in a data file: a key and a value for each entry (13), location type (14).
  package func external(_ entries: KeyValuePairs<String, String>) -> Wire {
    entries.reduce(self) { $0.message(13, Wire().text(1, $1.key).text(2, $1.value)) }.number(14, 1)
  }

  /// A `ValueInfoProto` of a tensor: name (1), element type and sizes (2).
  package static func value(_ name: String, _ sizes: [UInt64] = [], type: UInt64 = 1) -> Wire {
    let shape = sizes.reduce(Wire()) { $0.message(1, Wire().number(1, $1)) }
    let tensor = Wire().number(1, type).message(2, shape)
    return Wire().text(1, name).message(2, Wire().message(1, tensor))
  }

  /// A `GraphProto`: nodes (1), name (2), initializers (5), inputs (11), outputs (12).
  package static func graph(
    nodes: [Wire] = [], initializers: [Wire] = [], inputs: [Wire] = [], outputs: [Wire] = []
  ) -> Wire {
    let named = nodes.reduce(Wire()) { $0.message(1, $1) }.text(2, "g")
    let filled = initializers.reduce(named) { $0.message(5, $1) }
    return outputs.reduce(inputs.reduce(filled) { $0.message(11, $1) }) { $0.message(12, $1) }
  }
}

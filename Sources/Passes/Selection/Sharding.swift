internal import IR

/// How a node's tensors lie on several devices, read from `device_configurations` (IR version 11).
///
/// The annotation is carried encoded with the node's unknown fields: field 10 of `NodeProto`, in it field
/// 2 the specification of a tensor, in that 1 the tensor's name and 4 its axes, in those 1 the axis
/// and 2 the parts, of which 3 counts them (onnx.proto).
struct Sharding {
  /// How many parts the axes of a tensor are in, by the tensor's name.
  private var shards: [String: [Int64: Int64]] = [:]

  init(of node: Node) {
    for configuration in WireReader.messages(10, in: node.annotations.unknown[...]) {
      for tensor in WireReader.messages(2, in: configuration) {
        guard let name = WireReader.messages(1, in: tensor).first else { continue }
        for dimension in WireReader.messages(4, in: tensor) {
          let axis = WireReader.number(1, in: dimension) ?? 0
          let parts = WireReader.messages(2, in: dimension)
            .compactMap { WireReader.number(3, in: $0) }.max()
          if let parts, parts > 1 {
            shards[String(decoding: name, as: UTF8.self), default: [:]][axis] = parts
          }
        }
      }
    }
  }

  var isEmpty: Bool { shards.isEmpty }

  /// How many parts an axis is in, counted from the front or from the back; 1 where it is whole.
  func parts(of name: String, axis: Int, rank: Int?) -> Int64 {
    let axes = shards[name] ?? [:]
    if let parts = axes[Int64(axis)] { return parts }
    guard let rank else { return 1 }
    return axes[Int64(axis < 0 ? axis + rank : axis - rank)] ?? 1
  }
}

/// Reads single fields of an encoded message; what is malformed ends it.
private enum WireReader {
  static func messages(_ field: UInt64, in bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    walk(bytes) { number, content in
      if number == field, case .bytes(let range) = content { found.append(bytes[range]) }
    }
    return found
  }

  static func number(_ field: UInt64, in bytes: ArraySlice<UInt8>) -> Int64? {
    var found: Int64?
    walk(bytes) { number, content in
      if number == field, case .number(let value) = content { found = Int64(bitPattern: value) }
    }
    return found
  }

  private enum Content {
    case number(UInt64)
    case bytes(Range<Int>)
  }

  private static func walk(_ bytes: ArraySlice<UInt8>, _ visit: (UInt64, Content) -> Void) {
    var place = bytes.startIndex
    while place < bytes.endIndex {
      guard let key = varint(bytes, &place) else { return }
      switch key & 7 {
      case 0:
        guard let value = varint(bytes, &place) else { return }
        visit(key >> 3, .number(value))
      case 2:
        guard let length = varint(bytes, &place).flatMap({ Int(exactly: $0) }),
          length <= bytes.endIndex - place
        else { return }
        visit(key >> 3, .bytes(place..<place + length))
        place += length
      case 1, 5:
        let length = key & 7 == 1 ? 8 : 4
        guard length <= bytes.endIndex - place else { return }
        place += length
      default: return
      }
    }
  }

  private static func varint(_ bytes: ArraySlice<UInt8>, _ place: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard place < bytes.endIndex else { return nil }
      let byte = bytes[place]
      place += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}

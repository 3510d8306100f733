/// Bytes read as little-endian numbers; the caller knows that the range is inside.
struct LittleEndian {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { bytes.count }

  func uint16(_ offset: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(offset, 2)) }

  func uint32(_ offset: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(offset, 4)) }

  func uint64(_ offset: Int) -> UInt64 { number(offset, 8) }

  private func number(_ offset: Int, _ length: Int) -> UInt64 {
    (0..<length).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
  }
}

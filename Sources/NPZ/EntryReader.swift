internal import Support

/// Reads the bytes of one entry in order, and checks their sum at the end.
struct EntryReader: ~Copyable {
  private let place: NPYPlace
  private var offset: Int64
  private var inflater: Inflater?
  private var sum: UInt32 = 0

  init(_ entry: ZipEntry, place: NPYPlace) throws(Diagnostic) {
    self.place = place
    offset = entry.dataOffset
    switch entry.method {
    case .stored: inflater = nil
    case .deflated: inflater = try Inflater(entry, place: place)
    }
  }

  /// The next `count` bytes; the caller keeps to the entry's listed size.
  mutating func bytes(
    _ count: Int, from file: borrowing InputFile
  ) throws(Diagnostic) -> [UInt8] {
    let bytes: [UInt8]
    if let unpacked = try inflater?.bytes(count, from: file) {
      bytes = unpacked
    } else {
      bytes = try file.bytes(at: offset, count: count)
      offset += Int64(count)
    }
    sum = checksum(bytes, continuing: sum)
    return bytes
  }

  /// Refuses an entry that has more bytes than were read, or others than it is listed with.
  mutating func finish(
    checking entry: ZipEntry, in file: borrowing InputFile
  ) throws(Diagnostic) {
    if try inflater?.isExhausted(in: file) == false {
      throw .badEntry("unpacks to more bytes than it is listed with", place)
    }
    guard sum == entry.checksum else { throw .badEntry("is damaged: its checksum differs", place) }
  }
}

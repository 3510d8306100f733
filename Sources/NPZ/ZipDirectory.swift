internal import Support

/// Reads the list of entries at the end of a zip archive (PKWARE's APPNOTE 6.3), with zip64.
///
/// Every offset and size is checked against the file before it is used; entries do not overlap, so a
/// small file cannot name the same bytes many times.
struct ZipDirectory {
  private static let entryLimit = 1 << 17

  let entries: [ZipEntry]

  /// Where the directory starts, and how long it is.
  private struct Extent {
    var start: Int64
    var size: Int64
    var count: Int64
  }

  init(of file: borrowing InputFile) throws(Diagnostic) {
    let extent = try ZipDirectory.extent(of: file)
    guard extent.count <= ZipDirectory.entryLimit else {
      throw .badArchive("more than \(ZipDirectory.entryLimit) entries", file: file.path)
    }
    // An entry takes at least 46 bytes, so the list is no larger than the file.
    let list = LittleEndian(try file.bytes(at: extent.start, count: Int(extent.size)))
    var entries: [ZipEntry] = []
    var position = 0
    for _ in 0..<extent.count {
      entries.append(try ZipDirectory.entry(list, at: &position, file: file.path))
    }
    try ZipDirectory.locate(&entries, before: extent.start, in: file)
    self.entries = entries
  }

  /// Finds the end record, and behind it the 64-bit one where there is such.
  private static func extent(of file: borrowing InputFile) throws(Diagnostic) -> Extent {
    let tailSize = min(file.size, 22 + 0xFFFF)
    let tailStart = file.size - tailSize
    let tail = LittleEndian(try file.bytes(at: tailStart, count: Int(tailSize)))
    var found: Int?
    var candidate = Int(tailSize) - 22
    while candidate >= 0, found == nil {
      if tail.uint32(candidate) == 0x0605_4B50,
        candidate + 22 + Int(tail.uint16(candidate + 20)) == Int(tailSize)
      {
        found = candidate
      }
      candidate -= 1
    }
    guard let end = found else {
      throw .badArchive("no end of a zip archive", file: file.path)
    }
    guard tail.uint16(end + 4) == 0, tail.uint16(end + 6) == 0 else {
      throw .badArchive("it is split over several files", file: file.path)
    }
    var extent = Extent(
      start: Int64(tail.uint32(end + 16)), size: Int64(tail.uint32(end + 12)),
      count: Int64(tail.uint16(end + 10)))
    var limit = tailStart + Int64(end)
    if end >= 20, tail.uint32(end - 20) == 0x0706_4B50 {
      let record = tail.uint64(end - 12)
      limit -= 20
      guard record <= UInt64(limit), limit - Int64(record) >= 56 else {
        throw .badArchive("the 64-bit end record lies outside", file: file.path)
      }
      let bytes = LittleEndian(try file.bytes(at: Int64(record), count: 56))
      guard bytes.uint32(0) == 0x0606_4B50,
        let start = Int64(exactly: bytes.uint64(48)), let size = Int64(exactly: bytes.uint64(40)),
        let count = Int64(exactly: bytes.uint64(32))
      else { throw .badArchive("the 64-bit end record is damaged", file: file.path) }
      extent = Extent(start: start, size: size, count: count)
      limit = Int64(record)
    }
    guard extent.start <= limit, extent.size <= limit - extent.start,
      extent.count <= extent.size / 46
    else { throw .badArchive("the list of entries lies outside", file: file.path) }
    return extent
  }

  /// The record of the list at `position`, which moves to the next.
  private static func entry(
    _ list: LittleEndian, at position: inout Int, file: String
  ) throws(Diagnostic) -> ZipEntry {
    let start = position
    guard list.count - start >= 46, list.uint32(start) == 0x0201_4B50 else {
      throw .badArchive("the list of entries is damaged", file: file)
    }
    let nameEnd = start + 46 + Int(list.uint16(start + 28))
    let extraEnd = nameEnd + Int(list.uint16(start + 30))
    position = extraEnd + Int(list.uint16(start + 32))
    guard position <= list.count,
      let name = String(validating: list.bytes[(start + 46)..<nameEnd], as: UTF8.self)
    else { throw .badArchive("the list of entries is damaged", file: file) }
    guard list.uint16(start + 8) & 0x41 == 0 else {
      throw .badArchive("entry '\(name)' is encrypted", file: file)
    }
    let method: ZipEntry.Method
    switch list.uint16(start + 10) {
    case 0: method = .stored
    case 8: method = .deflated
    case let other:
      throw .badArchive(
        "entry '\(name)' is packed by method \(other), expected 0 or 8", file: file)
    }
    var wide = WideFields(LittleEndian(Array(list.bytes[nameEnd..<extraEnd])))
    guard let size = wide.value(list.uint32(start + 24)),
      let compressedSize = wide.value(list.uint32(start + 20)),
      let offset = wide.value(list.uint32(start + 42))
    else { throw .badArchive("entry '\(name)' has a damaged size", file: file) }
    return ZipEntry(
      name: name, method: method, checksum: list.uint32(start + 16),
      compressedSize: compressedSize, size: size, headerOffset: offset, dataOffset: 0)
  }

  /// The 64-bit values of an entry's extra field, taken in order by the fields that overflow.
  private struct WideFields {
    private let extra: LittleEndian
    private var position = 0
    private var end = 0

    init(_ extra: LittleEndian) {
      self.extra = extra
      var start = 0
      while start + 4 <= extra.count {
        let length = Int(extra.uint16(start + 2))
        guard start + 4 + length <= extra.count else { return }
        if extra.uint16(start) == 1 {
          position = start + 4
          end = position + length
          return
        }
        start += 4 + length
      }
    }

    mutating func value(_ narrow: UInt32) -> Int64? {
      guard narrow == UInt32.max else { return Int64(narrow) }
      guard position + 8 <= end else { return nil }
      position += 8
      return Int64(exactly: extra.uint64(position - 8))
    }
  }

  /// Finds each entry's bytes behind its local header, and refuses those that overlap.
  private static func locate(
    _ entries: inout [ZipEntry], before limit: Int64, in file: borrowing InputFile
  ) throws(Diagnostic) {
    var names: Set<[UInt8]> = []
    for index in entries.indices {
      let entry = entries[index]
      guard names.insert(Array(entry.name.utf8)).inserted else {
        throw .badArchive("entry '\(entry.name)' is listed twice", file: file.path)
      }
      guard entry.headerOffset <= limit, limit - entry.headerOffset >= 30 else {
        throw .badArchive("entry '\(entry.name)' lies outside", file: file.path)
      }
      let header = LittleEndian(try file.bytes(at: entry.headerOffset, count: 30))
      let data = entry.headerOffset + 30 + Int64(header.uint16(26)) + Int64(header.uint16(28))
      guard header.uint32(0) == 0x0403_4B50, data <= limit, entry.compressedSize <= limit - data
      else { throw .badArchive("entry '\(entry.name)' lies outside", file: file.path) }
      entries[index].dataOffset = data
    }
    var end: Int64 = 0
    for entry in entries.sorted(by: { $0.headerOffset < $1.headerOffset }) {
      guard entry.headerOffset >= end else {
        throw .badArchive("entry '\(entry.name)' overlaps another", file: file.path)
      }
      end = entry.dataOffset + entry.compressedSize
    }
  }
}

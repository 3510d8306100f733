package import Support

/// An archive of arrays, as NumPy's `savez` and `savez_compressed` write it.
///
/// One array is decoded at a time: memory is that of the array asked for.
package struct NPZFile: ~Copyable {
  private let file: InputFile
  private let entries: [ZipEntry]
  /// The names of the arrays, in the archive's order.
  package let keys: [String]

  /// Up to this size in bytes, an entry may unpack to any multiple of its packed size.
  private static let freeSize: Int64 = 1 << 26
  /// Beyond it, to at most this multiple; deflate cannot exceed 1032.
  private static let ratioLimit: Int64 = 100
  /// The most bytes that Python objects may take.
  private static let objectLimit: Int64 = 1 << 26

  package init(path: String) throws(Diagnostic) {
    let file = try InputFile(path: path)
    let entries = try ZipDirectory(of: file).entries
    var keys: [String] = []
    for entry in entries {
      guard entry.name.hasSuffix(".npy") else {
        throw .badArchive("entry '\(entry.name)' is not named as an array", file: path)
      }
      keys.append(String(entry.name.dropLast(4)))
    }
    self.file = file
    self.entries = entries
    self.keys = keys
  }

  package var path: String { file.path }

  /// What an array is, without its elements.
  package func header(of key: String) throws(Diagnostic) -> NPYHeader {
    let (entry, place) = try find(key)
    var reader = try EntryReader(entry, place: place)
    return try header(of: entry, place: place, &reader)
  }

  package func array(_ key: String) throws(Diagnostic) -> NPYArray {
    let (entry, place) = try find(key)
    var reader = try EntryReader(entry, place: place)
    let header = try header(of: entry, place: place, &reader)
    try header.check(byteCount: entry.size - Int64(header.length), at: place)
    let bytes = try reader.bytes(header.byteCount, from: file)
    try reader.finish(checking: entry, in: file)
    return NPYArray(header, bytes)
  }

  /// The value in a 0-dimensional array of Python objects, where NumPy and plain types make it up.
  ///
  /// INC's measurements are such an array. Arrays become lists of lists, integer keys text. What is
  /// read is data; a file that asks for anything to be run is refused.
  package func object(_ key: String) throws(Diagnostic) -> JSON {
    let (entry, place) = try find(key)
    guard entry.size <= NPZFile.objectLimit else { throw .arrayTooLarge(entry.size, place) }
    var reader = try EntryReader(entry, place: place)
    let head = try head(of: entry, place: place, &reader)
    guard try NPYHeader.Fields(head, at: place).isObject else {
      throw .badEntry("holds numbers, expected Python objects", place)
    }
    let bytes = try reader.bytes(Int(entry.size) - head.count, from: file)
    try reader.finish(checking: entry, in: file)
    var decoder = PickleDecoder(bytes, place: place)
    return try decoder.decode()
  }

  private func header(
    of entry: ZipEntry, place: NPYPlace, _ reader: inout EntryReader
  ) throws(Diagnostic) -> NPYHeader {
    try NPYHeader(try head(of: entry, place: place, &reader), at: place)
  }

  private func head(
    of entry: ZipEntry, place: NPYPlace, _ reader: inout EntryReader
  ) throws(Diagnostic) -> [UInt8] {
    let start = try reader.bytes(Int(min(entry.size, 12)), from: file)
    let length = try NPYHeader.length(ofHead: start, at: place)
    guard Int64(length) <= entry.size else { throw .arrayHeader("is cut off", place) }
    // The shortest head that a version allows is shorter than the 12 bytes that were read.
    guard length >= start.count else { throw .arrayHeader("is empty", place) }
    return start + (try reader.bytes(length - start.count, from: file))
  }

  private func find(_ key: String) throws(Diagnostic) -> (ZipEntry, NPYPlace) {
    guard let entry = entries.first(where: { $0.name.utf8.elementsEqual("\(key).npy".utf8) })
    else { throw .noKey(key, keys: keys, file: path) }
    let place = NPYPlace(file: path, key: key)
    if entry.method == .stored, entry.size != entry.compressedSize {
      throw .badEntry("is stored with two different sizes", place)
    }
    guard
      entry.size <= NPZFile.freeSize
        || entry.size / NPZFile.ratioLimit <= entry.compressedSize
    else {
      throw .badEntry(
        "unpacks to more than \(NPZFile.ratioLimit) times its packed size", place)
    }
    return (entry, place)
  }
}

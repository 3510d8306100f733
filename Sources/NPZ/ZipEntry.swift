/// An entry of an archive, checked against the file it lies in.
struct ZipEntry: Equatable, Sendable {
  enum Method: Equatable, Sendable {
    case stored
    case deflated
  }

  var name: String
  var method: Method
  var checksum: UInt32
  /// Bytes in the archive, and bytes they become.
  var compressedSize: Int64
  var size: Int64
  /// Where the entry's local header starts, and its bytes.
  var headerOffset: Int64
  var dataOffset: Int64
}

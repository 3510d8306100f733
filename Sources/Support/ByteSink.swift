/// Takes bytes in order: a file that is being written, or memory.
package protocol ByteSink: ~Copyable {
  /// Bytes given so far.
  var length: Int64 { get }

  mutating func write(_ bytes: Span<UInt8>) throws(Diagnostic)

  mutating func write(_ bytes: ArraySlice<UInt8>) throws(Diagnostic)

  mutating func writeZeros(_ count: Int64) throws(Diagnostic)

  /// Takes over a range of a file, with its holes.
  mutating func copy(_ range: Range<Int64>, of file: borrowing InputFile) throws(Diagnostic)
}

extension OutputFile: ByteSink {}

/// Bytes gathered in memory.
package struct MemorySink: ByteSink {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package var length: Int64 { Int64(bytes.count) }

  package mutating func write(_ more: Span<UInt8>) throws(Diagnostic) {
    bytes.reserveCapacity(bytes.count + more.count)
    for index in more.indices { bytes.append(more[index]) }
  }

  package mutating func write(_ more: ArraySlice<UInt8>) throws(Diagnostic) { bytes += more }

  package mutating func writeZeros(_ count: Int64) throws(Diagnostic) {
    bytes += repeatElement(0, count: Int(count))
  }

  package mutating func copy(
    _ range: Range<Int64>, of file: borrowing InputFile
  ) throws(Diagnostic) {
    bytes += try file.bytes(at: range.lowerBound, count: Int(range.upperBound - range.lowerBound))
  }
}

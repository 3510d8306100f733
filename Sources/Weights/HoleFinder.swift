internal import Support

/// The holes of a file's range, asked for from front to back: the system is asked once per segment.
struct HoleFinder {
  /// Where the range ends.
  let end: Int64
  private var last: InputFile.Segment?

  init(end: Int64) { self.end = end }

  /// How many bytes from `offset` on lie in a hole.
  mutating func hole(
    at offset: Int64, of file: borrowing InputFile
  ) throws(Diagnostic) -> Int64 {
    let segment: InputFile.Segment
    if let last, last.range.contains(offset) {
      segment = last
    } else {
      segment = try file.segment(at: offset, limit: end)
    }
    last = segment
    return segment.isHole ? segment.range.upperBound - offset : 0
  }
}

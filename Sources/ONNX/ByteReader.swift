internal import Support

/// Reads a file forwards through a window, which is short behind what was skipped and grows from there to 256 KiB.
@safe struct ByteReader: ~Copyable {
  private let window: UnsafeMutableRawBufferPointer
  private var start: Int64 = 0
  private var filled = 0
  private var length = shortest
  private(set) var position: Int64 = 0
  let size: Int64

  /// Enough for what is between two tensors, as a rule.
  private static let shortest = 1 << 13

  init(size: Int64) {
    self.size = size
    // The one allocation of the reader; released in `deinit`, and every access is checked against
    // `filled` below.
    unsafe window = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
  }

  deinit { unsafe window.deallocate() }

  /// Makes the byte at `position` available and gives how many follow it in the window.
  private mutating func available(
    in file: borrowing InputFile
  ) throws(Diagnostic) -> Int {
    let ahead = start + Int64(filled) - position
    if position >= start, ahead > 0 { return Int(ahead) }
    length = unsafe ahead == 0 ? min(2 * length, window.count) : ByteReader.shortest
    let count = Int(min(Int64(length), size - position))
    guard count > 0 else { throw .truncated(at: position) }
    start = position
    filled = 0
    try unsafe file.read(
      at: position, into: UnsafeMutableRawBufferPointer(rebasing: window[0..<count]))
    filled = count
    return count
  }

  mutating func byte(in file: borrowing InputFile) throws(Diagnostic) -> UInt8 {
    _ = try available(in: file)
    let value = unsafe window[Int(position - start)]
    position += 1
    return value
  }

  /// A varint of at most ten bytes.
  mutating func varint(in file: borrowing InputFile) throws(Diagnostic) -> UInt64 {
    let begin = position
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while shift < 70 {
      let byte = try byte(in: file)
      let bits = UInt64(byte & 0x7F)
      if shift == 63, bits > 1 { break }
      value |= bits << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    throw .varintTooLong(at: begin)
  }

  /// Moves past `count` bytes, which the caller has checked to lie in the file.
  mutating func skip(_ count: Int64) { position += count }

  /// Appends the next `count` bytes to `bytes`.
  mutating func copy(
    _ count: Int64, from file: borrowing InputFile, to bytes: inout [UInt8]
  ) throws(Diagnostic) {
    var left = count
    while left > 0 {
      let part = Int(min(Int64(try available(in: file)), left))
      let from = Int(position - start)
      unsafe bytes.append(contentsOf: window[from..<from + part])
      position += Int64(part)
      left -= Int64(part)
    }
  }
}

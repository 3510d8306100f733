internal import CZlib
internal import Support

/// Unpacks the deflate stream of one entry, a piece at a time: the only file here with unsafe code.
///
/// It is sound because zlib's stream lies at an address that does not change until `deinit` frees it,
/// and the buffers it is told of are lent for the length of the call that uses them.
@safe struct Inflater: ~Copyable {
  private let stream: UnsafeMutablePointer<z_stream>
  private let place: NPYPlace
  private var nextOffset: Int64
  private let endOffset: Int64
  /// Packed bytes read from the file that zlib has not seen yet.
  private var input: [UInt8] = []
  private var inputStart = 0
  private var isAtEnd = false

  private static let pieceSize: Int64 = 1 << 16

  init(_ entry: ZipEntry, place: NPYPlace) throws(Diagnostic) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    // Negative window bits: a raw stream, as zip archives hold it.
    let status = unsafe inflateInit2_(
      stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else {
      unsafe stream.deallocate()
      throw .badEntry("cannot be unpacked", place)
    }
    unsafe self.stream = stream
    self.place = place
    nextOffset = entry.dataOffset
    endOffset = entry.dataOffset + entry.compressedSize
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// The next `count` unpacked bytes; fewer is an error.
  mutating func bytes(
    _ count: Int, from file: borrowing InputFile
  ) throws(Diagnostic) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      if inputStart == input.count { try refill(from: file) }
      guard !isAtEnd else {
        throw .badEntry("unpacks to fewer bytes than it is listed with", place)
      }
      done += try step(&result, from: done)
    }
    return result
  }

  /// Whether the stream has ended where the output did.
  mutating func isExhausted(in file: borrowing InputFile) throws(Diagnostic) -> Bool {
    var scratch: [UInt8] = [0]
    while !isAtEnd {
      if inputStart == input.count {
        guard nextOffset < endOffset else { return false }
        try refill(from: file)
      }
      if try step(&scratch, from: 0) > 0 { return false }
    }
    return true
  }

  private mutating func refill(from file: borrowing InputFile) throws(Diagnostic) {
    let count = min(endOffset - nextOffset, Inflater.pieceSize)
    guard count > 0 else { throw .badEntry("has a packed stream that is cut off", place) }
    input = try file.bytes(at: nextOffset, count: Int(count))
    inputStart = 0
    nextOffset += count
  }

  /// Runs zlib once over what input there is, and says how many bytes it wrote.
  private mutating func step(_ output: inout [UInt8], from start: Int) throws(Diagnostic) -> Int {
    // zlib counts in 32 bits.
    let room = min(output.count - start, 1 << 30)
    var remaining = 0
    let status = unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe stream.pointee.next_in = input.baseAddress.map { unsafe $0 + inputStart }
        unsafe stream.pointee.avail_in = UInt32(input.count - inputStart)
        unsafe stream.pointee.next_out = output.baseAddress.map { unsafe $0 + start }
        unsafe stream.pointee.avail_out = UInt32(room)
        let status = unsafe inflate(stream, Z_NO_FLUSH)
        inputStart = input.count - Int(unsafe stream.pointee.avail_in)
        remaining = Int(unsafe stream.pointee.avail_out)
        return status
      }
    }
    switch status {
    case Z_STREAM_END: isAtEnd = true
    case Z_OK, Z_BUF_ERROR: break
    default: throw .badEntry("has a damaged packed stream", place)
    }
    return room - remaining
  }
}

/// The CRC-32 that zip archives keep of an entry's bytes, over pieces in order.
func checksum(_ bytes: [UInt8], continuing sum: UInt32) -> UInt32 {
  unsafe bytes.withUnsafeBufferPointer { bytes in
    UInt32(truncatingIfNeeded: unsafe crc32_z(UInt(sum), bytes.baseAddress, bytes.count))
  }
}

internal import CCrypto

/// A SHA-256 digest in the making (FIPS 180-4), by OpenSSL.
///
/// The unsafe calls hold because the context lives exactly as long as this value, which cannot be
/// copied, and the buffers passed are lent for the length of a call.
@safe package struct SHA256: ~Copyable {
  private let context: OpaquePointer

  package init() throws(Diagnostic) {
    guard let context = unsafe EVP_MD_CTX_new() else { throw .noDigest() }
    guard unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      unsafe EVP_MD_CTX_free(context)
      throw .noDigest()
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_MD_CTX_free(context) }

  package mutating func update(_ bytes: Span<UInt8>) throws(Diagnostic) {
    let done = unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }
    guard done == 1 else { throw .noDigest() }
  }

  /// The digest as 64 lower-case hexadecimal digits.
  package consuming func finish() throws(Diagnostic) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 0
    guard unsafe EVP_DigestFinal_ex(context, &digest, &count) == 1, count == 32 else {
      throw .noDigest()
    }
    return digest.reduce(into: "") { text, byte in
      text += byte < 16 ? "0\(String(byte, radix: 16))" : String(byte, radix: 16)
    }
  }

  /// The digest of bytes at hand.
  package static func hex(of bytes: [UInt8]) throws(Diagnostic) -> String {
    var digest = try SHA256()
    try digest.update(bytes.span)
    return try digest.finish()
  }
}

/// Takes bytes for their digest alone.
package struct DigestSink: ~Copyable, ByteSink {
  package private(set) var length: Int64 = 0
  private var digest: SHA256

  package init() throws(Diagnostic) { digest = try SHA256() }

  package mutating func write(_ bytes: Span<UInt8>) throws(Diagnostic) {
    try digest.update(bytes)
    length += Int64(bytes.count)
  }

  package mutating func write(_ bytes: ArraySlice<UInt8>) throws(Diagnostic) {
    let whole = Array(bytes)
    try write(whole.span)
  }

  package mutating func writeZeros(_ count: Int64) throws(Diagnostic) {
    var rest = count
    let zeros = [UInt8](repeating: 0, count: Int(min(count, 1 << 16)))
    while rest > 0 {
      let piece = min(rest, Int64(zeros.count))
      try write(zeros[..<Int(piece)])
      rest -= piece
    }
  }

  package mutating func copy(
    _ range: Range<Int64>, of file: borrowing InputFile
  ) throws(Diagnostic) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = Int(min(range.upperBound - offset, 1 << 20))
      let bytes = try file.bytes(at: offset, count: count)
      try write(bytes.span)
      offset += Int64(count)
    }
  }

  package consuming func finish() throws(Diagnostic) -> String { try digest.finish() }
}

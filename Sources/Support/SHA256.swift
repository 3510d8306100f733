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

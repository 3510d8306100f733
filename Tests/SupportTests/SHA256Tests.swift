import Support
import Testing

@Suite struct SHA256Tests {
  /// The examples of FIPS 180 (NIST, SHA256.pdf), and the digest of nothing.
  @Test func digestsAreThoseOfTheStandard() throws {
    let vectors: [(String, String)] = [
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ]
    for (text, digest) in vectors { #expect(try SHA256.hex(of: Array(text.utf8)) == digest) }
  }

  @Test func aMillionLettersMayArriveInPieces() throws {
    var digest = try SHA256()
    let piece = [UInt8](repeating: 0x61, count: 999)
    for _ in 0..<1001 { try digest.update(piece.span) }
    try digest.update([UInt8](repeating: 0x61, count: 1).span)
    #expect(
      try digest.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }
}

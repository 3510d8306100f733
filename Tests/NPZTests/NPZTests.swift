import Glibc
import NPZ
import Support
import TestSupport
import Testing

private func path(_ name: String) -> String {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return "\(tests)/Data/NPZ/\(name)"
}

private func array(_ key: String, of name: String) throws -> NPYArray {
  try NPZFile(path: path(name)).array(key)
}

private func failure(_ body: () throws -> Void) -> Diagnostic? {
  do {
    try body()
    return nil
  } catch {
    return error as? Diagnostic
  }
}

/// Numbers as little-endian bytes.
private func bytes(_ values: [some FixedWidthInteger]) -> [UInt8] {
  values.flatMap { value in
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}

@Suite struct NPZTests {
  @Test func everyElementTypeIsReadFromPackedAndPlainArchives() throws {
    for name in ["stored.npz", "packed.npz"] {
      let file = try NPZFile(path: path(name))
      #expect(file.keys.count == 19 && file.keys.last == "naïve/键")
      let expected: [(String, NPYType, [UInt8])] = [
        ("int8", .int8, bytes([1, 2, 3, 4, 5, 6] as [Int8])),
        ("int16", .int16, bytes([1, 2, 3, 4, 5, 6] as [Int16])),
        ("int32", .int32, bytes([1, 2, 3, 4, 5, 6] as [Int32])),
        ("int64", .int64, bytes([1, 2, 3, 4, 5, 6] as [Int64])),
        ("uint8", .uint8, bytes([1, 2, 3, 4, 5, 6] as [UInt8])),
        ("uint16", .uint16, bytes([1, 2, 3, 4, 5, 6] as [UInt16])),
        ("uint32", .uint32, bytes([1, 2, 3, 4, 5, 6] as [UInt32])),
        ("uint64", .uint64, bytes([1, 2, 3, 4, 5, 6] as [UInt64])),
        (
          "float16", .float16,
          bytes([0x3C00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600] as [UInt16])
        ),
        ("float32", .float32, bytes(([1, 2, 3, 4, 5, 6] as [Float]).map(\.bitPattern))),
        ("float64", .float64, bytes(([1, 2, 3, 4, 5, 6] as [Double]).map(\.bitPattern))),
      ]
      for (key, type, bytes) in expected {
        #expect(try file.array(key) == NPYArray(type: type, shape: [2, 3], bytes: bytes))
      }
      #expect(try file.array("bool") == NPYArray(type: .bool, shape: [3], bytes: [1, 0, 1]))
      #expect(
        try file.array("bfloat16")
          == NPYArray(type: .bfloat16, shape: [2], bytes: bytes([0x3FC0, 0xC000] as [UInt16])))
      #expect(
        try file.array("scalar")
          == NPYArray(type: .float32, shape: [], bytes: bytes([Float(7.25).bitPattern])))
      #expect(try file.array("empty") == NPYArray(type: .float32, shape: [0, 3], bytes: []))
      #expect(try file.array("naïve/键").bytes == [9, 0, 0, 0])
    }
  }

  @Test func otherOrdersOfBytesAndElementsAreTurned() throws {
    #expect(try array("big", of: "packed.npz").bytes == [1, 0, 0, 1])
    #expect(
      try array("big8", of: "stored.npz").bytes
        == bytes(([1.5, -2.25] as [Double]).map(\.bitPattern)))
    let expected = NPYArray(
      type: .int16, shape: [2, 3, 4], bytes: bytes((0..<24).map { Int16($0) }))
    #expect(try array("fortran", of: "stored.npz") == expected)
    #expect(try NPYArray(path: path("plain.npy")) == expected)
  }

  @Test func olderAndNewerFormsOfTheHeadAreRead() throws {
    #expect(try NPYArray(path: path("version2.npy")).bytes == bytes([5, 6] as [Int64]))
    #expect(try NPYArray(path: path("python2.npy")).shape == [2])
    #expect(
      try array("x", of: "zip64.npz").bytes == bytes(([1, 2, 3] as [Float]).map(\.bitPattern)))
  }

  @Test func anArrayBeyondTheLimitIsRefusedByItsHead() throws {
    let folder = try TemporaryFolder()
    var writer = NPZWriter()
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (17179869185,), }"
    let head = Array(text.utf8) + [0x0A]
    writer.add("x", file: [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(head.count), 0] + head)
    let path = try folder.write("x.npz", writer.archive())
    let error = failure { _ = try NPZFile(path: path).array("x") }
    #expect(error?.id == "array-too-large")
    #expect(error?.status == .limitReached)
  }

  @Test func aLongArrayIsUnpackedPieceByPiece() throws {
    let array = try array("x", of: "long.npz")
    #expect(array.shape == [100_000])
    #expect(array.bytes == bytes((0..<100_000).map { UInt32($0 % 7) }))
  }

  @Test func aHeadIsReadWithoutItsElements() throws {
    let header = try NPZFile(path: path("long.npz")).header(of: "x")
    #expect(header.type == .uint32 && header.shape == [100_000] && header.byteCount == 400_000)
  }

  @Test func filesAreWrittenAsNumPyWritesThem() throws {
    let target = "\(TemporaryFolder.root)/fp8c-npy-\(getpid()).npy"
    defer { _ = unsafe unlink(target) }
    for name in ["vector.npy", "bfloat16.npy"] {
      try NPYArray(path: path(name)).write(to: target)
      #expect(
        try InputFile.contents(of: target, limit: 4096)
          == InputFile.contents(of: path(name), limit: 4096))
    }
    // NumPy pads the heads of these alike; only the order of elements was another.
    try NPYArray(path: path("plain.npy")).write(to: target)
    #expect(try NPYArray(path: target) == NPYArray(path: path("plain.npy")))
  }

  @Test func brokenArchivesAreRefusedWithTheirFault() {
    let cases: [(String, String)] = [
      ("bad-bomb", "array 'x' unpacks to more than 100 times its packed size"),
      ("bad-short", "array 'x' has 13 bytes of elements, expected 12"),
      ("bad-shorter", "array 'x' has 8 bytes of elements, expected 12"),
      ("bad-checksum", "array 'x' is damaged: its checksum differs"),
      ("bad-outside", "is no archive of arrays: entry 'x.npy' lies outside"),
      ("bad-offset", "is no archive of arrays: entry 'x.npy' lies outside"),
      ("bad-encrypted", "is no archive of arrays: entry 'x.npy' is encrypted"),
      ("bad-twice", "is no archive of arrays: entry 'x.npy' is listed twice"),
      ("bad-overlap", "is no archive of arrays: entry 'y.npy' overlaps another"),
      (
        "bad-method",
        "is no archive of arrays: entry 'x.npy' is packed by method 12, expected 0 or 8"
      ),
      ("bad-name", "is no archive of arrays: entry 'x.txt' is not named as an array"),
      ("bad-utf8", "is no archive of arrays: the list of entries is damaged"),
      ("bad-trailing", "array 'x' has 16 bytes of elements, expected 12"),
      ("bad-magic", "array 'x' is not in NumPy's format"),
      ("bad-version", "array 'x' has format version 9, expected 1, 2 or 3"),
      ("bad-shape", "head of array 'x' is no dictionary of NumPy's"),
      ("bad-huge", "head of array 'x' has a 'shape' beyond 64 bits"),
      ("bad-key", "head of array 'x' has the unknown key 'shapf'"),
      ("bad-head", "head of array 'x' is cut off"),
      ("objects", "array 'x' holds Python objects, expected numbers"),
      ("structure", "array 'x' has the element type a structure, which is not supported"),
    ]
    for (name, message) in cases {
      let failure = failure { _ = try array("x", of: "\(name).npz") }
      #expect(failure?.message == message)
      #expect(failure?.status == .malformedInput)
      #expect(failure?.location.file == path("\(name).npz"))
    }
    #expect(
      failure { _ = try array("c", of: "structure.npz") }?.message
        == "array 'c' has the element type '<c8', which is not supported")
    let missing = failure { _ = try array("flaot32", of: "stored.npz") }
    #expect(missing?.message == "has no array 'flaot32'")
    #expect(missing?.notes == ["did you mean 'float32'?"])
    #expect(failure { _ = try NPZFile(path: path("none.npz")) }?.status == .noInput)
    #expect(
      failure { _ = try NPYArray(path: path("zip64.npz")) }?.message
        == "the array is not in NumPy's format")
  }

  @Test func everyTruncationAndMutationEndsInAMessageOrAnArray() throws {
    let target = "\(TemporaryFolder.root)/fp8c-npz-\(getpid()).npz"
    defer { _ = unsafe unlink(target) }
    func attempt(_ bytes: [UInt8]) throws -> Bool {
      var file = try OutputFile(path: target)
      try file.write(bytes)
      try file.commit(sync: false)
      return failure {
        let archive = try NPZFile(path: target)
        for key in archive.keys { _ = try archive.array(key) }
      } == nil
    }
    for name in ["zip64.npz", "bad-short.npz"] {
      let bytes = try InputFile.contents(of: path(name), limit: 1 << 16)
      for count in 0..<bytes.count { #expect(try !attempt(Array(bytes[..<count]))) }
      for index in bytes.indices {
        for value: UInt8 in [0, 1, 0x7F, 0xFF] {
          var copy = bytes
          copy[index] = value
          _ = try attempt(copy)
        }
      }
    }
  }
}

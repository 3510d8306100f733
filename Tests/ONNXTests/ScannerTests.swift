import Support
import TestSupport
import Testing

@testable import ONNX

/// The checks before libprotobuf-c sees a byte (engineering.md section 2), one by one.
@Suite struct ScannerTests {
  private static let plain = Wire.model(Wire().text(2, "g")).bytes

  @Test func `a model with nothing in its graph is accepted`() throws {
    #expect(try failure(of: Self.plain) == nil)
  }

  @Test(arguments: [(100, true), (101, false)])
  func `messages nest to a depth of one hundred`(depth: Int, isAccepted: Bool) throws {
    // Model, graph and value are three; a TypeProto (field 2 of the value, then field 1 of a
    // sequence) and a sequence (field 4 of TypeProto) alternate below them.
    var type = Wire()
    for level in (4...depth).reversed() {
      let isType = level % 2 == 0
      type = level == depth ? Wire() : Wire().message(isType ? 4 : 1, type)
    }
    let value = Wire().text(1, "x").message(2, type)
    let found = try failure(of: Wire.model(Wire().message(11, value)).bytes)
    #expect((found == nil) == isAccepted)
    if !isAccepted {
      #expect(found?.status == .limitReached)
      #expect(found?.message.hasSuffix("messages are nested deeper than the limit of 100") == true)
    }
  }

  @Test func `messages and bytes of structure have a limit`() throws {
    let folder = try TemporaryFolder()
    // A model, its graph, an opset import and three nodes.
    let nodes = (0..<3).reduce(Wire()) { wire, _ in wire.message(1, Wire().text(4, "Relu")) }
    let file = try InputFile(path: try folder.write("m.onnx", Wire.model(nodes).bytes))
    func scan(_ limits: Scanner.Limits) -> String? {
      var scanner = Scanner(size: file.size, limits: limits)
      do {
        try scanner.scan(file)
        return nil
      } catch {
        return error.id
      }
    }
    #expect(scan(Scanner.Limits()) == nil)
    #expect(scan(Scanner.Limits(messages: 2)) == "too-many-messages")
    #expect(scan(Scanner.Limits(skeleton: 8)) == "structure-too-large")
  }

  @Test func `graphs nest to the same depth`() throws {
    // Graph > node (1) > attribute (5) > graph (6): 33 graphs are 98 levels, 34 are 101.
    func nested(_ count: Int) -> [UInt8] {
      var graph = Wire()
      for _ in 1..<count {
        graph = Wire().message(1, Wire().text(4, "If").message(5, Wire().message(6, graph)))
      }
      return Wire.model(graph).bytes
    }
    #expect(try failure(of: nested(33)) == nil)
    #expect(try failure(of: nested(34))?.status == .limitReached)
    #expect(try failure(of: nested(2000))?.status == .limitReached)
  }

  @Test func `a singular message may stand once`() throws {
    let twice = Wire.model(Wire()).message(7, Wire()).bytes
    #expect(
      try failure(of: twice)?.message
        == "not a valid ONNX model: byte 10: ModelProto.graph stands twice, expected once")
    let type = Wire().message(1, Wire().number(1, 1))
    let value = Wire().text(1, "x").message(2, type).message(2, type)
    #expect(
      try failure(of: Wire.model(Wire().message(11, value)).bytes)?.message
        .hasSuffix("ValueInfoProto.type stands twice, expected once") == true)
    #expect(try failure(of: Wire.model(Wire()).number(1, 9).bytes) == nil)
  }

  @Test func `strings are UTF-8 without NUL`() throws {
    func named(_ bytes: [UInt8]) -> [UInt8] { Wire.model(Wire().data(2, bytes)).bytes }
    #expect(try failure(of: named(Array("naïve 键 🙂".utf8))) == nil)
    #expect(
      try failure(of: named([0x61, 0, 0x62]))?.message
        == "not a valid ONNX model: byte 4: GraphProto.name holds a NUL character")
    // A lone continuation, a cut sequence, an overlong '/', a surrogate, beyond U+10FFFF.
    let invalid: [[UInt8]] = [
      [0x80], [0xE2, 0x82], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
    ]
    for bytes in invalid {
      #expect(
        try failure(of: named(bytes))?.message
          == "not a valid ONNX model: byte 4: GraphProto.name is not valid UTF-8")
    }
    // `string_data` is bytes: anything goes.
    let tensor = Wire().number(1, 1).number(2, 8).data(6, [0, 0xFF]).text(8, "t")
    #expect(try failure(of: Wire.model(Wire().message(5, tensor)).bytes) == nil)
  }

  @Test(arguments: [3, 4, 6, 7])
  func `groups and wire types that do not exist are refused`(wire: UInt64) throws {
    let unknown = Self.plain + Wire.varint(1000 << 3 | wire)
    #expect(
      try failure(of: unknown)?.message
        == "not a valid ONNX model: byte 13: field 1000 has wire type \(wire), which ONNX does "
        + "not use")
    let known = Self.plain + Wire.varint(1 << 3 | wire)
    #expect(try failure(of: known)?.status == .malformedInput)
  }

  @Test func `a known field has its own wire type`() throws {
    let cases: [(String, [UInt8])] = [
      ("ModelProto.ir_version", Wire().data(1, [1]).bytes),
      ("ModelProto.ir_version", [1 << 3 | 5, 0, 0, 0, 0]),
      ("ModelProto.graph", Wire().number(7, 1).bytes),
      ("ModelProto.producer_name", Wire().number(2, 1).bytes),
    ]
    for (name, bytes) in cases {
      let message = try failure(of: bytes + Self.plain)?.message ?? ""
      #expect(message.contains("byte 0: \(name) has wire type"))
    }
  }

  @Test func `field numbers go from one to 536870911`() throws {
    let zero: [[UInt8]] = [[0x00, 0x01], [0x80, 0x80, 0x00, 0x01], [0x02, 0x00]]
    for bytes in zero {
      #expect(
        try failure(of: Self.plain + bytes)?.message
          == "not a valid ONNX model: byte 13: field number 0 is not a legal one")
    }
    let largest: UInt64 = 536_870_911
    #expect(try failure(of: Self.plain + Wire().number(largest, 1).bytes) == nil)
    #expect(
      try failure(of: Self.plain + Wire().number(largest + 1, 1).bytes)?.status
        == .malformedInput)
    // Field 1 in a tag of five bytes is accepted, of six it is not.
    #expect(try failure(of: Self.plain + [0x88, 0x80, 0x80, 0x80, 0x00, 1]) == nil)
    #expect(
      try failure(of: Self.plain + [0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 1])?.status
        == .malformedInput)
  }

  @Test func `varints have at most ten bytes and 64 bits`() throws {
    func version(_ bytes: [UInt8]) throws -> Diagnostic? {
      try failure(of: Self.plain + [0x08] + bytes)
    }
    let full = [UInt8](repeating: 0xFF, count: 9)
    #expect(try version([0x8A, 0x80, 0x00]) == nil)
    #expect(try version(full + [0x01]) == nil)
    #expect(
      try version(full + [0x02])?.message
        == "not a valid ONNX model: byte 14: a varint is longer than 64 bits")
    #expect(try version(full + [0x81, 0x00])?.status == .malformedInput)
    #expect(try version([UInt8](repeating: 0x80, count: 10) + [0])?.status == .malformedInput)
  }

  @Test func `a length stays inside its message`() throws {
    // The name claims one byte more than its graph has, though the file goes on.
    let graph: [UInt8] = [2 << 3 | 2, 3, 0x61, 0x62]
    let inside = Wire().number(1, 8).data(7, graph).message(8, Wire().number(2, 18)).bytes
    #expect(
      try failure(of: inside)?.message
        == "not a valid ONNX model: byte 5: a length of 3 bytes leads past the end of its "
        + "message")
    for length: UInt64 in [1, 1 << 31, 1 << 62, 1 << 63, .max] {
      let bytes = Self.plain + ([2 << 3 | 2] as [UInt8]) + Wire.varint(length)
      #expect(
        try failure(of: bytes)?.message
          == "not a valid ONNX model: byte 14: a length of \(length) bytes leads past the end of "
          + "its message")
    }
    // A fixed-width value and a varint that would take bytes of what follows their message.
    let attribute = Wire().message(1, Wire().message(5, Wire().raw([2 << 3 | 5, 0, 0])))
    #expect(try failure(of: Wire.model(attribute).bytes)?.status == .malformedInput)
    let integer = Wire().message(1, Wire().message(5, Wire().raw([3 << 3, 0x80])))
    #expect(try failure(of: Wire.model(integer).bytes)?.status == .malformedInput)
    let element = Wire().message(5, Wire().raw([4 << 3 | 5, 0, 0]))
    #expect(try failure(of: Wire.model(element).bytes)?.status == .malformedInput)
  }

  @Test func `a cut file is refused unless it ends between fields behind its graph`() throws {
    let tensor = Wire().number(1, 2).number(2, 1).text(8, "w").data(
      9, [UInt8](repeating: 7, count: 8))
    let node = Wire().text(1, "x").text(1, "w").text(2, "y").text(3, "n").text(4, "Add").message(
      5, Wire().text(1, "a").number(20, 2).number(3, 300))
    let graph = Wire().message(1, node).text(2, "g").message(5, tensor)
    let bytes = Wire.model(graph).bytes
    let whole: Set<Int> = [bytes.count - 6, bytes.count]
    for count in 0...bytes.count {
      let isAccepted = try failure(of: Array(bytes[..<count])) == nil
      #expect(isAccepted == whole.contains(count), "cut to \(count) of \(bytes.count) bytes")
    }
  }

  @Test func `every changed byte of a file ends in a message or a model`() throws {
    let bytes = try InputFile.contents(of: goldenPath("onnx/all_metadata.onnx"), limit: 1 << 16)
    for index in bytes.indices {
      for value: UInt8 in [0, 0x7F, 0x80, 0xFF] {
        var copy = bytes
        copy[index] = value
        _ = try failure(of: copy)
      }
    }
  }

  @Test func `a file without a graph is refused`() throws {
    for bytes in [[], Wire().number(1, 8).bytes] {
      #expect(
        try failure(of: bytes)?.message == "not a valid ONNX model: it has no graph")
    }
  }

  @Test func `a tensor has one data field, packed or not`() throws {
    func tensor(_ fields: Wire) throws -> (Diagnostic?, [Payload]) {
      let bytes = Wire.model(Wire().message(5, fields)).bytes
      guard let failure = try failure(of: bytes) else {
        return (nil, try withFile(bytes) { try ModelFile(path: $0).payloads })
      }
      return (failure, [])
    }
    let one: [UInt8] = [0, 0, 0x80, 0x3F]
    // Packed as proto3 writers do, and one by one as the schema says for `dims`.
    let (_, packed) = try tensor(Wire().data(1, [2]).data(4, one + one))
    #expect(packed.count == 1 && packed[0].field == 4 && packed[0].small == one + one)
    let (_, single) = try tensor(
      Wire().number(1, 2).raw([4 << 3 | 5] + one).raw([4 << 3 | 5] + one))
    #expect(single.count == 1 && single[0].length == 8 && single[0].segments.count == 2)
    // A list may be packed in parts.
    let (_, parts) = try tensor(Wire().number(1, 2).data(7, [1]).data(7, [2]).number(7, 300))
    #expect(parts.count == 1 && parts[0].segments.map(\.length) == [1, 1, 2])
    let (mixed, _) = try tensor(Wire().data(4, one).data(9, one))
    #expect(
      mixed?.message.hasSuffix("a tensor holds its elements in two data fields, expected one")
        == true)
    let (repeated, _) = try tensor(Wire().data(9, one).data(9, one))
    #expect(repeated?.message.hasSuffix("TensorProto.raw_data stands twice, expected once") == true)
  }
}

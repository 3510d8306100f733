import Glibc
import NPZ
import Support
import TestSupport
import Testing

private func measured(_ name: String) -> String {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return "\(tests)/Data/Measurements/\(name)"
}

/// The same value with every number spelled by its Double.
private func spelled(_ json: JSON) -> JSON {
  switch json {
  case .null, .bool, .string: json
  case .number(let number): .number(number.double)
  case .array(let items): .array(items.map(spelled))
  case .object(let members): .object(members.map { JSON.Member($0.key, spelled($0.value)) })
  }
}

@Suite struct PickleTests {
  /// Protocol 4 of new NumPy with float32, protocol 3 of old NumPy with float64.
  @Test func whatINCPickledIsWhatItWroteAsJSON() throws {
    for name in ["mlp", "mlp.GAUDI2.MAXABS_HW", "llama_g2.whole"] {
      let expected = try JSON.parse(
        InputFile.contents(of: measured("\(name).json"), limit: 1 << 20))
      let file = try NPZFile(path: measured("\(name).npz"))
      #expect(file.keys == ["arr_0"])
      #expect(try spelled(file.object("arr_0")) == spelled(expected), "\(name)")
    }
  }

  @Test func whatIsWrittenReadsBack() throws {
    var writer = PickleWriter()
    writer.dictionary { writer in
      writer.string("a")
      writer.none()
      writer.string("é")
      writer.list { writer in
        writer.integer(-3)
        writer.array([1.5, .infinity, 0x1p-149], shape: [3, 1])
        writer.array([2], shape: [])
      }
      writer.string("t")
      writer.tuple {
        $0.dictionary {
          $0.integer(0); $0.array([], shape: [0])
        }
      }
    }
    var archive = NPZWriter()
    archive.add("arr_0", file: writer.file())
    archive.add("x", file: [1, 2, 3])
    let target = "\(TemporaryFolder.root)/fp8c-pickle-\(getpid()).npz"
    defer { _ = unsafe unlink(target) }
    var file = try OutputFile(path: target)
    try file.write(archive.archive())
    try file.commit(sync: false)
    let expected =
      #"{"a": null, "\u00e9": [-3, [[1.5], [Infinity], [1.401298464324817e-45]], 2.0], "t": [{"0": []}]}"#
    #expect(try NPZFile(path: target).object("arr_0").text(indent: nil) == expected)
  }

  @Test func everyMutationEndsInAMessageOrAValue() throws {
    var writer = PickleWriter()
    writer.dictionary { writer in
      writer.string("a")
      writer.list { $0.array([1.5, 2], shape: [2, 1]) }
    }
    let bytes = writer.file()
    let target = "\(TemporaryFolder.root)/fp8c-mutated-\(getpid()).npz"
    defer { _ = unsafe unlink(target) }
    var refused = 0
    for index in bytes.indices.dropFirst(128) {
      for value: UInt8 in [0, 0x28, 0x62, 0x7F, 0x94, 0xFF] {
        var copy = bytes
        copy[index] = value
        var archive = NPZWriter()
        archive.add("x", file: copy)
        var file = try OutputFile(path: target)
        try file.write(archive.archive())
        try file.commit(sync: false)
        do throws(Diagnostic) { _ = try NPZFile(path: target).object("x") } catch { refused += 1 }
      }
    }
    #expect(refused > 1000)
  }

  @Test func picklesThatWouldRunSomethingAreRefused() throws {
    func failure(_ pickle: [UInt8]) throws -> String? {
      var archive = NPZWriter()
      // The head of an array of objects, taken from a written one.
      let head = Array(PickleWriter().file().prefix(128))
      archive.add("x", file: head + pickle)
      let target = "\(TemporaryFolder.root)/fp8c-evil-\(getpid()).npz"
      defer { _ = unsafe unlink(target) }
      var file = try OutputFile(path: target)
      try file.write(archive.archive())
      try file.commit(sync: false)
      do throws(Diagnostic) {
        _ = try NPZFile(path: target).object("x")
        return nil
      } catch {
        return error.message
      }
    }
    let prefix = "the Python objects in array 'x' cannot be read: the pickle "
    #expect(
      try failure(Array("cos\nsystem\n(S'true'\ntR.".utf8))
        == "\(prefix)names 'os.system', which is no part of an array")
    #expect(
      try failure(
        [0x80, 4, 0x8C, 8] + Array("builtins".utf8) + [0x8C, 4] + Array("eval".utf8) + [0x93])
        == "\(prefix)names 'builtins.eval', which is no part of an array")
    #expect(
      try failure(Array("I1\n.".utf8)) == "\(prefix)uses instruction 73, which no array needs")
    #expect(try failure([]) == "\(prefix)is damaged")
    // A list in a list in a list, each twice what it holds: 2^40 values from 200 bytes.
    var bomb: [UInt8] = [UInt8(ascii: "]"), UInt8(ascii: "q"), 0, UInt8(ascii: "0")]
    for index in 1...30 {
      bomb += [UInt8(ascii: "]"), UInt8(ascii: "q"), UInt8(index)]
      for _ in 0..<2 { bomb += [UInt8(ascii: "h"), UInt8(index - 1), UInt8(ascii: "a")] }
      bomb += [UInt8(ascii: "0")]
    }
    bomb += [UInt8(ascii: "h"), 30, UInt8(ascii: ".")]
    #expect(try failure(bomb) == "\(prefix)is nested too deep or repeats itself too often")
    // A list that holds itself.
    #expect(
      try failure(Array("]q\u{0}h\u{0}a.".utf8))
        == "\(prefix)is nested too deep or repeats itself too often")
  }
}

import Frontend
import Glibc
import Support
import TestSupport
import Testing

/// What a model may read beside itself (cli.md section 7).
@Suite struct ExternalDataTests {
  @Test func `data is found below the model's folder`() throws {
    let folder = try TemporaryFolder()
    for location in ["w.bin", "sub/w.bin", ".hidden", "./w.bin"] {
      try folder.write(location, data)
      #expect(loading(try folder.write("m.onnx", model(location))) == nil)
    }
  }

  @Test(arguments: ["../w.bin", "sub/../w.bin", "/etc/hostname", "..", "a\\..\\w.bin", ""])
  func `locations that leave the folder are refused`(location: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("w.bin", data)
    try folder.write("inner/sub/none", [])
    let error = loading(try folder.write("inner/m.onnx", model(location)))
    #expect(error?.status == .notPermitted)
    #expect(
      error?.message == "external data location '\(location)' leads outside the model's folder")
  }

  @Test func `links that stay inside are followed, others refused`() throws {
    let folder = try TemporaryFolder()
    try folder.write("inner/real.bin", data)
    try folder.write("outside.bin", data)
    try folder.write("other/w.bin", data)
    let path = folder["inner/m.onnx"]
    let links: [(name: String, target: String, location: String, status: Support.ExitStatus?)] = [
      ("near.bin", "real.bin", "near.bin", nil),
      ("far.bin", "../outside.bin", "far.bin", .notPermitted),
      ("absolute.bin", folder["outside.bin"], "absolute.bin", .notPermitted),
      ("linked", "../other", "linked/w.bin", .notPermitted),
      ("loop.bin", "loop.bin", "loop.bin", .notPermitted),
    ]
    for link in links {
      try folder.link("inner/\(link.name)", to: link.target)
      try folder.write("inner/m.onnx", model(link.location))
      #expect(loading(path)?.status == link.status, "\(link.name)")
    }
  }

  @Test func `a model and its data may both be links into one folder`() throws {
    let folder = try TemporaryFolder()
    try folder.write("cache/blobs/0a", model("m.onnx.data"))
    try folder.write("cache/blobs/0b", data)
    try folder.link("cache/snapshots/1/m.onnx", to: "../../blobs/0a")
    try folder.link("cache/snapshots/1/m.onnx.data", to: "../../blobs/0b")
    #expect(loading(folder["cache/snapshots/1/m.onnx"]) == nil)
    // The data of a model in that layout still may not lie elsewhere.
    try folder.write("secret", data)
    try folder.link("cache/snapshots/2/m.onnx", to: "../../blobs/0a")
    try folder.link("cache/snapshots/2/m.onnx.data", to: "../../../secret")
    #expect(loading(folder["cache/snapshots/2/m.onnx"])?.status == .notPermitted)
  }

  @Test func `a model may be reached through a linked folder`() throws {
    let folder = try TemporaryFolder()
    try folder.write("real/m.onnx", model("w.bin"))
    try folder.write("real/w.bin", data)
    try folder.link("linked", to: "real")
    #expect(loading(folder["linked/m.onnx"]) == nil)
  }

  @Test func `data is a regular file`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("m.onnx", model("w"))
    #expect(loading(path)?.status == .noInput)
    #expect(unsafe mkfifo(folder["w"], 0o600) == 0)
    #expect(loading(path)?.status == .notPermitted)
    #expect(unsafe unlink(folder["w"]) == 0)
    #expect(unsafe mkdir(folder["w"], 0o700) == 0)
    #expect(loading(path)?.status == .notPermitted)
  }

  @Test func `keys are known ones, stand once, and say a range of the file`() throws {
    let folder = try TemporaryFolder()
    try folder.write("w.bin", data + data)
    let cases: [(KeyValuePairs<String, String>, String?)] = [
      (["location": "w.bin", "offset": "8", "length": "8"], nil),
      (["location": "w.bin", "checksum": "00", "basepath": "x"], nil),
      (
        ["location": "w.bin", "location": "w.bin"],
        "tensor 'w': external data key 'location' is given twice"
      ),
      (
        ["location": "w.bin", "size": "8"],
        "tensor 'w': external data key 'size' is unknown, expected location, offset, length, "
          + "checksum or basepath"
      ),
      (["offset": "0"], "tensor 'w' is external data without a location"),
      (
        ["location": "w.bin", "offset": "-1"],
        "tensor 'w': external data offset is '-1', expected a number of bytes"
      ),
      (
        ["location": "w.bin", "offset": "+1"],
        "tensor 'w': external data offset is '+1', expected a number of bytes"
      ),
      (
        ["location": "w.bin", "offset": ""],
        "tensor 'w': external data offset is '', expected a number of bytes"
      ),
      (
        ["location": "w.bin", "length": "99999999999999999999"],
        "tensor 'w': external data length is '99999999999999999999', expected a number of bytes"
      ),
      (
        ["location": "w.bin", "length": "7"],
        "tensor 'w' has 7 bytes of data, expected 8 by its shape"
      ),
      (
        ["location": "w.bin", "offset": "9"],
        "tensor 'w' needs 8 bytes at 9 of 'w.bin', which has 16"
      ),
      (
        ["location": "w.bin", "offset": "9223372036854775807"],
        "tensor 'w' needs 8 bytes at 9223372036854775807 of 'w.bin', which has 16"
      ),
    ]
    for (entries, message) in cases {
      let tensor = Wire.tensor("w", [2]).external(entries)
      let bytes = Wire.model(Wire.graph(initializers: [tensor])).bytes
      #expect(loading(try folder.write("m.onnx", bytes))?.message == message)
    }
    let both = Wire.tensor("w", [2]).data(9, data).external(["location": "w.bin"])
    let bytes = Wire.model(Wire.graph(initializers: [both])).bytes
    #expect(
      loading(try folder.write("m.onnx", bytes))?.message
        == "tensor 'w' has data both inside the model and in a data file")
  }

  @Test func `tensors may not declare more bytes together than sums can hold`() throws {
    let folder = try TemporaryFolder()
    // 2^41 float32 elements of a file without blocks, 2^43 bytes; 2^13 of them are 2^56.
    #expect(unsafe truncate(try folder.write("w", []), 1 << 43) == 0)
    func status(_ count: Int) throws -> Support.ExitStatus? {
      let tensors = (0..<count).map {
        Wire.tensor("w\($0)", [1 << 41]).external(["location": "w"])
      }
      let bytes = Wire.model(Wire.graph(initializers: tensors)).bytes
      return loading(try folder.write("m.onnx", bytes))?.status
    }
    #expect(try status(1 << 13) == nil)
    #expect(try status((1 << 13) + 1) == .limitReached)
  }

  /// Two float32 elements.
  private let data = [UInt8](1...8)

  /// A model whose one weight lies at `location`.
  private func model(_ location: String) -> [UInt8] {
    let tensor = Wire.tensor("w", [2]).external(["location": location])
    return Wire.model(Wire.graph(initializers: [tensor])).bytes
  }

  private func loading(_ path: String) -> Diagnostic? {
    failure { () throws(Diagnostic) in _ = try Importer.load(path) }
  }
}

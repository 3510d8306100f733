import Glibc
import ONNX
import Support

/// Protobuf's wire format written by hand, without any of the code under test.
struct Wire {
  private(set) var bytes: [UInt8] = []

  static func varint(_ value: UInt64) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
  }

  func raw(_ more: [UInt8]) -> Wire {
    var copy = self
    copy.bytes += more
    return copy
  }

  func number(_ field: UInt64, _ value: UInt64) -> Wire {
    raw(Wire.varint(field << 3) + Wire.varint(value))
  }

  func data(_ field: UInt64, _ content: [UInt8]) -> Wire {
    raw(Wire.varint(field << 3 | 2) + Wire.varint(UInt64(content.count)) + content)
  }

  func text(_ field: UInt64, _ text: String) -> Wire { data(field, Array(text.utf8)) }

  func message(_ field: UInt64, _ wire: Wire) -> Wire { data(field, wire.bytes) }

  /// IR version 8, one graph, opset 18: field numbers 1, 7 and 8 of `ModelProto`.
  static func model(_ graph: Wire) -> Wire {
    Wire().number(1, 8).message(7, graph).message(8, Wire().text(1, "").number(2, 18))
  }
}

/// The path of a file of `golden/models`; see the README there.
func goldenPath(_ name: String) -> String {
  let root = InputFile.folder(of: InputFile.folder(of: InputFile.folder(of: #filePath)))
  return "\(root)/golden/models/\(name)"
}

/// Calls `body` with the path of a file of these bytes and removes it.
func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
  let path = "/tmp/fp8c-onnx-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
  defer { _ = unsafe unlink(path) }
  var file = try OutputFile(path: path)
  try file.write(bytes)
  try file.commit(sync: false)
  return try body(path)
}

/// Scans and decodes a file whole: `nil` where it is accepted.
func failure(of bytes: [UInt8]) throws -> Diagnostic? {
  try withFile(bytes) { path -> Diagnostic? in
    do throws(Diagnostic) {
      let file = try ModelFile(path: path)
      for section in [ModelFile.ValueSection.input, .output, .info] {
        try file.forEachValue(section) { _ in }
      }
      try file.forEachNode { _ in }
      try file.forEachInitializer { _ in }
      try file.forEachSparseInitializer { _ in }
      try file.forEachFunction { _ in }
      return nil
    } catch {
      return error
    }
  }
}

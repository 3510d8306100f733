import ONNX
import Support
import TestSupport

/// Calls `body` with the path of a file of these bytes and removes it.
func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
  let folder = try TemporaryFolder()
  return try body(try folder.write("m.onnx", bytes))
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

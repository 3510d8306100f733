internal import CSchemas
package import Support

/// A file of `schemas/` as it was when the compiler was built.
///
/// The only unsafe code of this target. It is sound because the C table is constant, lives as long
/// as the process, and states each file's size itself.
package struct EmbeddedFile: Equatable, Sendable {
  /// The path below `schemas/`.
  package let path: String
  package let bytes: [UInt8]

  /// Every embedded file, by path.
  package static var all: [EmbeddedFile] {
    (0..<fp8c_schema_count).compactMap { index in
      guard let entry = unsafe fp8c_schema_at(index)?.pointee, let path = unsafe entry.path,
        let bytes = unsafe entry.bytes
      else { return nil }
      return unsafe EmbeddedFile(
        path: String(cString: path),
        bytes: [UInt8](UnsafeBufferPointer(start: bytes, count: entry.size)))
    }
  }

  /// The JSON Schemas among them, without the endings of their names.
  package static var schemaNames: [String] {
    all.map(\.path).filter { $0.hasSuffix(schemaSuffix) }
      .map { String($0.dropLast(schemaSuffix.count)) }
  }

  /// The text of a JSON Schema; an error names the nearest.
  package static func schema(_ name: String) throws(Diagnostic) -> String {
    guard schemaNames.contains(name) else { throw .unknownSchema(name, known: schemaNames) }
    return String(decoding: try at(name + schemaSuffix).bytes, as: UTF8.self)
  }

  private static let schemaSuffix = ".schema.json"

  static func at(_ path: String) throws(Diagnostic) -> EmbeddedFile {
    guard let file = all.first(where: { $0.path == path }) else { throw .notEmbedded(path) }
    return file
  }

  static func reader(_ path: String) throws(Diagnostic) -> JSONReader {
    let file = "schemas/\(path)"
    return JSONReader(try JSON.parse(try at(path).bytes, file: file), file: file)
  }
}

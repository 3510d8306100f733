package import Support

/// A file that holds one `TensorProto`, as the test data of ONNX's models does.
package struct TensorFile: Sendable {
  package let tensor: TensorProto
  package let payloads: [Payload]

  /// Scans the file; errors name it.
  package init(path: String) throws(Diagnostic) {
    let file = try InputFile(path: path)
    do throws(Diagnostic) {
      var scanner = Scanner(size: file.size, root: MessageSchema.onnx.tensor)
      try scanner.scan(file)
      let bytes = scanner.modelHeader
      tensor = try bytes.tensor(in: bytes.indices)
      payloads = scanner.payloads
    } catch {
      throw error.inFile(path)
    }
  }
}

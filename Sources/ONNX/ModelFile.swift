package import Support

/// An ONNX file whose structure was scanned and whose payloads stay where they are.
///
/// The parts of the graph are decoded one at a time, so no message tree of a whole model exists.
package struct ModelFile: ~Copyable {
  package let file: InputFile
  package let header: ModelProto
  /// The graph without its nodes, tensors and values.
  package let graphHeader: GraphProto
  package let payloads: [Payload]
  private let skeleton: [UInt8]
  /// The model's and the graph's own fields, as they were scanned.
  private let encodedHeader: [UInt8]
  private let entries: [Scanner.Entry]

  /// Scans the file; errors name it.
  package init(path: String) throws(Diagnostic) {
    let input = try InputFile(path: path)
    let structure: Structure
    do throws(Diagnostic) {
      structure = try Structure(of: input)
    } catch {
      throw error.inFile(path)
    }
    file = input
    header = structure.header
    graphHeader = structure.graphHeader
    payloads = structure.payloads
    skeleton = structure.skeleton
    encodedHeader = structure.encodedHeader
    entries = structure.entries
  }

  /// What the scan of a file leaves.
  private struct Structure {
    let header: ModelProto
    let graphHeader: GraphProto
    let payloads: [Payload]
    let skeleton: [UInt8]
    let encodedHeader: [UInt8]
    let entries: [Scanner.Entry]

    init(of file: borrowing InputFile) throws(Diagnostic) {
      var scanner = Scanner(size: file.size)
      try scanner.scan(file)
      guard scanner.hasGraph else { throw .noGraph() }
      header = try scanner.modelHeader.modelHeader()
      graphHeader = try scanner.graphHeader.graphHeader()
      payloads = scanner.payloads
      skeleton = scanner.skeleton
      encodedHeader = scanner.modelHeader + scanner.graphHeader
      entries = scanner.entries
    }
  }

  package func forEachNode(
    _ body: (NodeProto) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try forEach(.node) { (range) throws(Diagnostic) in try body(skeleton.node(in: range)) }
  }

  package func forEachInitializer(
    _ body: (TensorProto) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try forEach(.initializer) { (range) throws(Diagnostic) in
      try body(skeleton.tensor(in: range))
    }
  }

  package func forEachSparseInitializer(
    _ body: (SparseTensorProto) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try forEach(.sparseInitializer) { (range) throws(Diagnostic) in
      try body(skeleton.sparseTensor(in: range))
    }
  }

  package enum ValueSection: Sendable {
    case input
    case output
    case info
  }

  package func forEachValue(
    _ section: ValueSection, _ body: (ValueInfoProto) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let wanted: Scanner.Section =
      switch section {
      case .input: .input
      case .output: .output
      case .info: .valueInfo
      }
    try forEach(wanted) { (range) throws(Diagnostic) in
      try body(skeleton.valueInfo(in: range))
    }
  }

  package func forEachFunction(
    _ body: (FunctionProto) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try forEach(.function) { (range) throws(Diagnostic) in
      try body(skeleton.function(in: range))
    }
  }

  private func forEach(
    _ section: Scanner.Section, _ body: (Range<Int>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    for entry in entries where entry.section == section {
      do throws(Diagnostic) {
        try body(entry.start..<entry.end)
      } catch {
        throw error.inFile(file.path)
      }
    }
  }
}

extension ModelFile {
  /// The bytes of the model's structure: everything but the elements of tensors.
  package var structureLength: Int64 { Int64(encodedHeader.count + skeleton.count) }

  /// The SHA-256 of the model's structure: everything but the elements of tensors, whose lengths
  /// count.
  package func structureDigest() throws(Diagnostic) -> String {
    var digest = try SHA256()
    try digest.update(encodedHeader.span)
    try digest.update(skeleton.span)
    var lengths: [UInt8] = []
    for payload in payloads { lengths.append(varint: UInt64(payload.length)) }
    try digest.update(lengths.span)
    return try digest.finish()
  }
}

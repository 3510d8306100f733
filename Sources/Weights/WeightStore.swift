package import IR
package import ONNX
package import Support

/// Owns the bytes of every weight: the model file, its data files, and nothing in memory.
///
/// Bytes are lent block by block in the order of elements, so memory does not grow with a tensor: a block is
/// at most `blockBytes` long, eight times that where elements change places. The exceptions, weights that
/// are transposed on both sides of a reshape or out of a list of varints, are held whole while they are read.
package final class WeightStore: Sendable {
  package let model: ModelFile
  private let dataFiles: [DataFile]

  /// The bytes read at once: large enough to make a system call cheap, small enough for a cache.
  static let blockBytes = 1 << 20

  package init(model: consuming ModelFile, dataFiles: [DataFile]) {
    self.model = model
    self.dataFiles = dataFiles
  }

  /// The paths of every file the weights come from, the model first.
  package var paths: [String] { [model.file.path] + dataFiles.map { $0.file.path } }

  /// The stamp of every file the weights come from, by its location as the model spells it: `nil` for the model.
  package func stamps() throws(Diagnostic) -> [String?: FileStamp] {
    var stamps: [String?: FileStamp] = [nil: try model.file.stamp()]
    for data in dataFiles { stamps[data.location] = try data.file.stamp() }
    return stamps
  }

  package func withFile<Result>(
    of range: StoredRange, _ body: (borrowing InputFile) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    guard let location = range.file else { return try body(model.file) }
    guard let file = dataFiles.first(where: { $0.location == location }) else {
      throw .unknownDataFile(location)
    }
    return try body(file.file)
  }

  /// Lends the stored elements as little-endian `raw_data`, block by block, in order.
  ///
  /// Blocks hold whole elements of the 8 to 128 bit types. What lies in a hole of its file goes to `zeros`
  /// as a number of bytes.
  func forEachStoredBlock(
    of weight: Weight, zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    switch weight.source {
    case .strings: break
    case .literal(let bytes, _):
      var start = 0
      while start < bytes.count {
        let end = min(start + WeightStore.blockBytes, bytes.count)
        try body(bytes.span.extracting(start..<end))
        start = end
      }
    case .range(let range):
      if range.encoding == .raw || TypedList.isFixedWidth(range.encoding.rawValue) {
        try forEachBlock(of: range, zeros: zeros, body)
      } else {
        try forEachDecodedBlock(of: range, weight.stored, body)
      }
    }
  }

  /// The same where zeros are elements like others.
  func forEachStoredBlock(
    of weight: Weight, _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    func lendZeros(_ bytes: Int64) throws(Diagnostic) {
      try WeightStore.forEachBlock(ofZeros: bytes, body)
    }
    try forEachStoredBlock(of: weight, zeros: lendZeros, body)
  }

  private static func forEachBlock(
    ofZeros bytes: Int64, _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let block = [UInt8](repeating: 0, count: Int(min(Int64(blockBytes), bytes)))
    var left = bytes
    while left > 0 {
      let count = min(Int64(block.count), left)
      try body(block.span.extracting(0..<Int(count)))
      left -= count
    }
  }

  private func forEachBlock(
    of range: StoredRange, zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let blockBytes = min(Int64(WeightStore.blockBytes), range.length)
    var buffer = [UInt8](repeating: 0, count: Int(blockBytes))
    try withFile(of: range) { (file) throws(Diagnostic) in
      var holes = HoleFinder(end: range.offset + range.length)
      var done: Int64 = 0
      while done < range.length {
        // Whole blocks only, so that elements stay whole.
        let hole = try holes.hole(at: range.offset + done, of: file)
        let skipped = done + hole == range.length ? hole : hole - hole % blockBytes
        if skipped > 0 {
          try zeros(skipped)
          done += skipped
          continue
        }
        let count = Int(min(blockBytes, range.length - done))
        var whole = buffer.mutableSpan
        var block = whole._mutatingExtracting(0..<count)
        try file.read(at: range.offset + done, into: &block)
        try body(buffer.span.extracting(0..<count))
        done += Int64(count)
      }
    }
  }

  private func forEachBlock(
    of range: StoredRange, _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    func lendZeros(_ bytes: Int64) throws(Diagnostic) {
      try WeightStore.forEachBlock(ofZeros: bytes, body)
    }
    try forEachBlock(of: range, zeros: lendZeros, body)
  }

  /// A typed list of varints, decoded on the way.
  private func forEachDecodedBlock(
    of range: StoredRange, _ type: TensorType,
    _ body: (Span<UInt8>) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let width = type.element.varintWidth
    let expected = type.element.varintEntries(of: type.elementCount ?? 0)
    var partial = TypedList.PartialVarint(at: range.offset)
    try forEachBlock(of: range) { (block) throws(Diagnostic) in
      var decoded: [UInt8] = []
      try TypedList.appendVarints(block, width: width, partial: &partial, to: &decoded)
      guard partial.count <= expected else { throw .varintCount(partial.count, expected: expected) }
      try body(decoded.span)
    }
    guard partial.count == expected, partial.isWhole else {
      throw .varintCount(partial.count, expected: expected)
    }
  }

  /// The SHA-256 of a range, in hexadecimal digits.
  package func digest(of range: StoredRange) throws(Diagnostic) -> String {
    var digest = try SHA256()
    try forEachBlock(of: range) { (block) throws(Diagnostic) in try digest.update(block) }
    return try digest.finish()
  }

  /// The SHA-256 of a weight as the graph reads it.
  package func digest(of weight: Weight) throws(Diagnostic) -> String {
    var sink = try DigestSink()
    try write(weight, to: &sink)
    return try sink.finish()
  }

  /// All stored elements of a weight that has to be held whole.
  func storedBytes(of weight: Weight) throws(Diagnostic) -> [UInt8] {
    var bytes: [UInt8] = []
    if let count = weight.stored.elementCount,
      let size = weight.stored.element.byteCount(of: count)
    {
      bytes.reserveCapacity(size)
    }
    try forEachStoredBlock(of: weight) { (block) throws(Diagnostic) in
      for index in block.indices { bytes.append(block[index]) }
    }
    return bytes
  }
}

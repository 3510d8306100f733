internal import Glibc
package import IR
package import ONNX
package import Support

/// Owns the bytes of every weight: the model file, its data files, and nothing in memory.
///
/// Bytes are lent block by block in the order of elements; a block is at most `blockBytes` long, so
/// memory does not grow with a tensor. The one exception, a weight that is transposed in more than
/// two dimensions or behind a reshape, is held whole while it is read.
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

  package func withFile<Result>(
    of range: StoredRange, _ body: (borrowing InputFile) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    guard let location = range.file else { return try body(model.file) }
    guard let file = dataFiles.first(where: { $0.location == location }) else {
      throw .unknownDataFile(location)
    }
    return try body(file.file)
  }

  /// Lends the stored elements as little-endian `raw_data`, block by block.
  ///
  /// Every block but the last holds `WeightStore.blockBytes` bytes.
  func forEachStoredBlock(
    of weight: Weight, _ body: (UnsafeRawBufferPointer) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    switch weight.source {
    case .strings: break
    case .literal(let bytes, _):
      var failure: Diagnostic?
      unsafe bytes.withUnsafeBytes { whole in
        var start = 0
        while start < whole.count {
          let end = min(start + WeightStore.blockBytes, whole.count)
          do throws(Diagnostic) {
            try unsafe body(UnsafeRawBufferPointer(rebasing: whole[start..<end]))
          } catch {
            failure = error
            return
          }
          start = end
        }
      }
      if let failure { throw failure }
    case .range(let range):
      if range.encoding == .raw || TypedList.isFixedWidth(range.encoding.rawValue) {
        try unsafe forEachBlock(of: range, body)
      } else {
        try unsafe forEachDecodedBlock(of: range, weight.stored, body)
      }
    }
  }

  private func forEachBlock(
    of range: StoredRange, _ body: (UnsafeRawBufferPointer) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let size = Int(min(Int64(WeightStore.blockBytes), range.length))
    let buffer = try unsafe CheckedBuffer(byteCount: size)
    try withFile(of: range) { (file) throws(Diagnostic) in
      var done: Int64 = 0
      while done < range.length {
        let count = Int(min(Int64(size), range.length - done))
        let block = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[0..<count])
        try unsafe file.read(at: range.offset + done, into: block)
        try unsafe body(UnsafeRawBufferPointer(block))
        done += Int64(count)
      }
    }
  }

  /// A typed list of varints, decoded on the way.
  private func forEachDecodedBlock(
    of range: StoredRange, _ type: TensorType,
    _ body: (UnsafeRawBufferPointer) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let width = type.element.varintWidth
    let expected = type.element.varintEntries(of: type.elementCount ?? 0)
    var partial = TypedList.PartialVarint()
    var decoded: [UInt8] = []
    func flush(_ count: Int) throws(Diagnostic) {
      var failure: Diagnostic?
      unsafe decoded.withUnsafeBytes { bytes in
        do throws(Diagnostic) {
          try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      decoded.removeFirst(count)
    }
    try unsafe forEachBlock(of: range) { (block) throws(Diagnostic) in
      try TypedList.appendVarints(
        [UInt8](unsafe block)[...], width: width, partial: &partial, to: &decoded)
      guard partial.count <= expected else { throw .varintCount(partial.count, expected: expected) }
      while decoded.count >= WeightStore.blockBytes { try flush(WeightStore.blockBytes) }
    }
    guard partial.count == expected, partial.isWhole else {
      throw .varintCount(partial.count, expected: expected)
    }
    if !decoded.isEmpty { try flush(decoded.count) }
  }
}

/// A block of memory that is refused with a diagnostic where it cannot be had.
@safe struct CheckedBuffer: ~Copyable {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) throws(Diagnostic) {
    guard let block = unsafe malloc(max(byteCount, 1)) else {
      throw .noMemory(byteCount)
    }
    unsafe bytes = UnsafeMutableRawBufferPointer(start: block, count: byteCount)
  }

  deinit { unsafe free(bytes.baseAddress) }
}

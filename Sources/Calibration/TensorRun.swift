internal import FP8
internal import IR
package import Support

/// Runs a model with observers that give tensors, and keeps what INC keeps of them.
package struct TensorRun {
  package enum Kind: Sendable {
    /// The largest magnitude of each channel over all batches, in float32.
    case channels
    /// The sizes of the last batch.
    case shapes
  }

  package let names: [String]
  /// In the order of `names`; `nil` before the first batch.
  package private(set) var rows: [[Float]?]
  package private(set) var batchCount = 0
  private let kind: Kind
  private let allowsNonFinite: Bool
  /// The ports that no scale comes from: a masked score may be infinite, and is recorded so.
  private let unquantized: Set<String>

  package init(
    _ kind: Kind, names: [String], allowsNonFinite: Bool, unquantized: Set<String> = []
  ) {
    self.unquantized = unquantized
    self.kind = kind
    self.names = names
    self.allowsNonFinite = allowsNonFinite
    rows = Array(repeating: nil, count: names.count)
  }

  package mutating func add(
    _ batch: [(name: String, tensor: Tensor)], _ session: Session
  ) throws(Diagnostic) {
    switch kind {
    case .shapes:
      for (index, tensor) in try session.run(batch, outputs: names).enumerated() {
        guard let sizes = tensor?.integers else { throw .notATensor(names[index]) }
        rows[index] = sizes.map { Float($0) }
      }
    case .channels:
      let results = try session.run(batch, outputs: names + names.map { "\($0)/flag" })
      for index in names.indices {
        guard let channels = results[index]?.floats,
          let flag = results[names.count + index]?.scalar
        else { throw .notATensor(names[index]) }
        try add(channels, flag: flag, at: index)
      }
    }
    batchCount += 1
  }

  private mutating func add(
    _ channels: [Float], flag: Float, at index: Int
  ) throws(Diagnostic) {
    let isFree = unquantized.contains(names[index])
    guard allowsNonFinite || isFree || (flag.isFinite && channels.allSatisfy(\.isFinite)) else {
      throw .observedNotFinite(names[index], batch: batchCount)
    }
    let known = rows[index] ?? Array(repeating: 0, count: channels.count)
    guard known.count == channels.count else {
      throw .channelsChanged(names[index], known.count, channels.count)
    }
    rows[index] = zip(known, channels).map { first, second in
      max(first, second.isFinite ? second : isFree ? .infinity : .greatestFiniteMagnitude)
    }
  }
}

extension Tensor {
  /// The elements of a tensor of 64-bit integers.
  fileprivate var integers: [Int64]? {
    guard element == .int64, bytes.count % 8 == 0 else { return nil }
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      (0..<8).reduce(0) { $0 | Int64(bytes[start + $1]) << ($1 * 8) }
    }
  }

  /// The elements of a tensor of a high precision type.
  package var floats: [Float]? {
    guard let precision = HighPrecision(element) else { return nil }
    var values = [Float](repeating: 0, count: bytes.count / precision.byteCount)
    var wide = values.mutableSpan
    precision.widen(bytes.span, into: &wide)
    return values
  }
}

package import FP8
package import Support

/// Runs a model with observers over batches and keeps the largest value each has seen.
///
/// The state is rounded to the high precision type at every batch, as INC's is (inc-fp8.md 5.2).
package struct ObserverRun {
  /// The largest magnitude of each observed port, in the order of `names`.
  package private(set) var maxima: [Float]
  /// How often each was executed.
  package private(set) var counts: [Float]
  package let names: [String]
  /// How many batches were run.
  package private(set) var batchCount = 0
  private let precision: HighPrecision
  private let allowsNonFinite: Bool
  /// The ports that no scale comes from: a masked score may be infinite, and is recorded so.
  private let unquantized: Set<String>

  /// `names` are the outputs that report a largest magnitude; each has its `/flag` and `/count`
  /// beside it.
  package init(
    names: [String], precision: HighPrecision, allowsNonFinite: Bool,
    unquantized: Set<String> = []
  ) {
    self.unquantized = unquantized
    self.names = names
    self.precision = precision
    self.allowsNonFinite = allowsNonFinite
    maxima = Array(repeating: 0, count: names.count)
    counts = maxima
  }

  package mutating func add(
    _ batch: [(name: String, tensor: Tensor)], _ session: Session
  ) throws(Diagnostic) {
    let outputs = ["", "/flag", "/count"].flatMap { suffix in names.map { $0 + suffix } }
    let results = try session.run(batch, outputs: outputs)
    for index in names.indices {
      guard let maximum = results[index]?.scalar,
        let flag = results[names.count + index]?.scalar,
        let count = results[2 * names.count + index]?.scalar
      else { throw .notAScalar(names[index]) }
      try add(maximum: maximum, flag: flag, count: count, at: index)
    }
    batchCount += 1
  }

  /// Adds what one observer gave for one batch.
  package mutating func add(
    maximum: Float, flag: Float, count: Float, at index: Int
  ) throws(Diagnostic) {
    counts[index] += count
    if unquantized.contains(names[index]) {
      maxima[index] = max(maxima[index], precision.round(maximum.isNaN ? .infinity : maximum))
      return
    }
    guard (maximum.isFinite && flag.isFinite) || allowsNonFinite else {
      throw .observedNotFinite(names[index], batch: batchCount)
    }
    let rounded = precision.round(maximum.isFinite ? maximum : precision.maxFinite)
    guard rounded.isFinite || allowsNonFinite else {
      throw .rangeTooLarge(names[index], maximum, precision.rawValue, limit: precision.maxFinite)
    }
    maxima[index] = max(maxima[index], min(rounded, precision.maxFinite))
  }
}

extension Tensor {
  /// The one element of a tensor of a high precision type.
  var scalar: Float? {
    guard let precision = HighPrecision(element), bytes.count == precision.byteCount else {
      return nil
    }
    var values: [Float] = [0]
    var wide = values.mutableSpan
    precision.widen(bytes.span, into: &wide)
    return values[0]
  }
}

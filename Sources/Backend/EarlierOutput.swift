package import IR
package import Support
package import Weights

/// Names a weight by everything that its bytes follow from: what is stored and the steps of its recipe.
package struct WeightKeys: Sendable {
  private let digests: [StoredRange: String]
  private let printer: Printer

  /// `digests` are the SHA-256 of what stands in ranges of the source's files as raw data.
  package init(digests: [StoredRange: String]) {
    self.digests = digests
    printer = Printer(digests: digests)
  }

  /// The SHA-256 of all that; `nil` where what is stored has no digest.
  package func key(of weight: Weight) throws(Diagnostic) -> String? {
    guard case .range(let range) = weight.source, digests[range] != nil else { return nil }
    return try SHA256.hex(of: Array(printer.text(of: weight).utf8))
  }
}

/// Where a weight lies in an output, and what writing it came to.
package struct PlacedWeight: Equatable, Sendable {
  package let isInDataFile: Bool
  package let range: Range<Int64>
  package let written: WrittenWeight

  package init(isInDataFile: Bool, range: Range<Int64>, written: WrittenWeight) {
    self.isInDataFile = isInDataFile
    self.range = range
    self.written = written
  }
}

/// The files of an earlier run, whose bytes a later one takes over where they follow from the same.
package final class EarlierOutput: Sendable {
  private let model: DataFile?
  private let data: DataFile?
  private let weights: [String: PlacedWeight]

  /// `weights` are those of the files by their keys; a file given is as it was written, which the caller knows.
  package init(model: DataFile?, data: DataFile?, weights: [String: PlacedWeight]) {
    self.model = model
    self.data = data
    self.weights = weights
  }

  /// Where a weight of `length` bytes lies; `nil` where the files lack it.
  func weight(_ key: String, length: Int64) -> PlacedWeight? {
    guard let weight = weights[key], Int64(weight.range.count) == length else { return nil }
    return file(of: weight) == nil ? nil : weight
  }

  private func file(of weight: PlacedWeight) -> DataFile? { weight.isInDataFile ? data : model }

  /// Copies the bytes of a weight, inside the kernel where the sink is a file.
  func copy<Sink: ByteSink & ~Copyable>(
    _ weight: PlacedWeight, to output: inout Sink
  ) throws(Diagnostic) {
    guard let source = file(of: weight) else { return }
    try output.copy(weight.range, of: source.file)
  }
}

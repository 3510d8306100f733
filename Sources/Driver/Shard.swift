package import Support

/// One of several equal parts of the calibration batches: every `count`-th batch, from `index` on.
package struct Shard: Equatable, Sendable {
  /// From 0.
  package let index: Int
  package let count: Int

  /// Reads `K/N`, where K is 1 to N.
  package init(_ text: String) throws(Diagnostic) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let number = Int(parts[0]), let count = Int(parts[1]),
      number >= 1, number <= count
    else { throw .badShard(text) }
    index = number - 1
    self.count = count
  }

  func holds(batch: Int) -> Bool { batch % count == index }

  /// As it is spelled.
  var text: String { "\(index + 1)/\(count)" }
}

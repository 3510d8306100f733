package import IR

extension ElementType {
  /// How many varints of a typed list hold `count` elements: sub-byte types share one.
  package func varintEntries(of count: Int) -> Int {
    guard let bitWidth, bitWidth < 8 else { return count }
    return byteCount(of: count) ?? count
  }

  /// The bytes that one varint of a typed list stands for in `raw_data`.
  package var varintWidth: Int { max(1, (bitWidth ?? 8) / 8) }
}

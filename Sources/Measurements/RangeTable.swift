/// One measured tensor: rows of values, 1 by 1 for a whole tensor, C by 1 per channel, 1 by R for a shape.
package struct RangeTable: Equatable, Sendable {
  package var rows: [[Float]]

  package init(rows: [[Float]]) { self.rows = rows }

  /// The largest magnitude of a whole tensor.
  package init(_ maxAbs: Float) { rows = [[maxAbs]] }

  /// The largest magnitudes of a tensor's channels.
  package init(channels: [Float]) { rows = channels.map { [$0] } }

  /// The largest entry; NaN where one is NaN, 0 where there are none.
  package var maxAbs: Float {
    var largest: Float = 0
    for row in rows {
      for value in row {
        if value.isNaN { return value }
        largest = max(largest, value)
      }
    }
    return largest
  }

  /// Element-wise maximum; `nil` where the layouts differ. NaN wins over every number.
  func merged(with other: RangeTable) -> RangeTable? {
    guard rows.map(\.count) == other.rows.map(\.count) else { return nil }
    return RangeTable(
      rows: zip(rows, other.rows).map { first, second in
        zip(first, second).map { $0.isNaN || $0 > $1 ? $0 : $1 }
      })
  }
}

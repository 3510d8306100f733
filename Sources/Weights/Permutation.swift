internal import Support

/// A transposition of a stored tensor, cut into boxes that are read one after the other.
struct Permutation: Equatable {
  /// The sizes as stored.
  let sizes: [Int]
  /// The stored axis that each axis of the result is.
  let axes: [Int]

  init(sizes: [Int], _ axes: [Int]) {
    self.sizes = sizes
    self.axes = axes
  }

  /// This one, and another of its result.
  func followed(by other: [Int]) -> Permutation {
    Permutation(sizes: sizes, other.map { axes[$0] })
  }

  /// A part of the stored tensor: a range along each of its axes.
  struct Box {
    let tensor: [Int]
    var ranges: [Range<Int>]

    var sizes: [Int] { ranges.map(\.count) }

    var count: Int { sizes.reduce(1, *) }

    /// The elements of the box in stored order, as runs that lie side by side in the tensor.
    func forEachRun(
      _ body: (_ element: Int, _ count: Int) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
      // The axes from `inner` on are whole: with a range of the one before, they are one run.
      var inner = tensor.count
      while inner > 0, ranges[inner - 1].count == tensor[inner - 1] { inner -= 1 }
      let outer = max(inner - 1, 0)
      var strides = [Int](repeating: 1, count: tensor.count)
      for axis in tensor.indices.dropLast().reversed() {
        strides[axis] = strides[axis + 1] * tensor[axis + 1]
      }
      let length = ranges[outer...].reduce(1) { $0 * $1.count }
      var place = ranges.map(\.lowerBound)
      while true {
        try body(zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }, length)
        var axis = outer - 1
        while axis >= 0 {
          place[axis] += 1
          if place[axis] < ranges[axis].upperBound { break }
          place[axis] = ranges[axis].lowerBound
          axis -= 1
        }
        if axis < 0 { return }
      }
    }
  }

  /// The tensor as boxes of at most `limit` elements, in the order of the result.
  ///
  /// A box is a range along one axis of the result, at one place along those before it, and all of those
  /// behind it. A box of one element is never cut.
  func forEachBox(
    ofAtMost limit: Int, _ body: (Box) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let whole = Box(tensor: sizes, ranges: sizes.map { 0..<$0 })
    if whole.count > 0 { try cut(whole, alongAxis: 0, limit, body) }
  }

  private func cut(
    _ box: Box, alongAxis axis: Int, _ limit: Int, _ body: (Box) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    guard axis < axes.count, box.count > limit else { return try body(box) }
    let stored = axes[axis]
    let slice = box.count / box.ranges[stored].count
    let step = max(1, limit / slice)
    for start in stride(from: 0, to: sizes[stored], by: step) {
      var part = box
      part.ranges[stored] = start..<min(start + step, sizes[stored])
      try cut(part, alongAxis: axis + 1, limit, body)
    }
  }
}

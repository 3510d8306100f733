internal import IR
internal import Support

extension WeightStore {
  /// Lends the elements in the order of the weight's final shape, still in the stored type.
  ///
  /// `first` is the index of a block's first element. Elements in holes go to `zeros`, as bytes of the
  /// stored type.
  func forEachLaidOutBlock(
    of weight: Weight, zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>, _ first: Int) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let width = max(1, (weight.stored.element.bitWidth ?? 8) / 8)
    guard weight.isTransposed else {
      var first = 0
      func skip(_ bytes: Int64) throws(Diagnostic) {
        try zeros(bytes)
        first += Int(bytes) / width
      }
      try forEachStoredBlock(of: weight, zeros: skip) { (block) throws(Diagnostic) in
        try body(block, first)
        first += block.count / width
      }
      return
    }
    guard weight.stored.element.bitWidth.map({ $0 >= 8 }) ?? false else {
      throw .subByteTranspose(weight.stored.element.spelling)
    }
    if case .range(let range) = weight.source, range.encoding == .raw,
      let sizes = weight.stored.sizes, sizes.count == 2, weight.isPlainMatrixTranspose
    {
      try forEachColumnPanel(
        of: range, rows: Int(sizes[0]), columns: Int(sizes[1]), width, zeros, body)
      return
    }
    let bytes = try transposedBytes(of: weight, width: width)
    var start = 0
    while start < bytes.count {
      let end = min(start + WeightStore.blockBytes, bytes.count)
      try body(bytes.span.extracting(start..<end), start / width)
      start = end
    }
  }

  /// A matrix column by column: as many columns at once as fit into a panel of eight blocks.
  private func forEachColumnPanel(
    of range: StoredRange, rows: Int, columns: Int, _ width: Int,
    _ zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>, _ first: Int) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    guard rows > 0, columns > 0 else { return }
    let panelColumns = min(columns, max(1, 8 * WeightStore.blockBytes / (rows * width)))
    var panel = [UInt8](repeating: 0, count: rows * panelColumns * width)
    var turned = [UInt8](repeating: 0, count: panel.count)
    try withFile(of: range) { (file) throws(Diagnostic) in
      var column = 0
      while column < columns {
        let count = min(panelColumns, columns - column)
        let length = count * width
        var holes = HoleFinder(end: range.offset + range.length)
        var isStored = false
        for row in 0..<rows {
          let start = row * length
          let offset = range.offset + Int64((row * columns + column) * width)
          if try holes.hole(at: offset, of: file) >= length {
            for byte in start..<start + length { panel[byte] = 0 }
          } else {
            isStored = true
            var whole = panel.mutableSpan
            var piece = whole._mutatingExtracting(start..<start + length)
            try file.read(at: offset, into: &piece)
          }
        }
        if isStored {
          WeightStore.transpose(
            panel.span, rows: rows, columns: count, width: width, into: &turned)
          try body(turned.span.extracting(0..<rows * length), column * rows)
        } else {
          try zeros(Int64(rows * length))
        }
        column += count
      }
    }
  }

  /// Exchanges rows and columns of elements of `width` bytes.
  private static func transpose(
    _ source: Span<UInt8>, rows: Int, columns: Int, width: Int, into target: inout [UInt8]
  ) {
    for column in 0..<columns {
      for row in 0..<rows {
        let from = (row * columns + column) * width
        let to = (column * rows + row) * width
        for byte in 0..<width { target[to + byte] = source[from + byte] }
      }
    }
  }

  /// The whole weight, one transposition after the other.
  private func transposedBytes(of weight: Weight, width: Int) throws(Diagnostic) -> [UInt8] {
    var bytes = try storedBytes(of: weight)
    for (index, step) in weight.recipe.enumerated() {
      guard case .transpose(let permutation) = step else { continue }
      let sizes = weight.type(after: index).sizes?.map { Int($0) } ?? []
      guard sizes.count == permutation.count else { throw .badPermutation(permutation) }
      bytes = WeightStore.permuted(bytes, sizes: sizes, permutation, width: width)
    }
    return bytes
  }

  private static func permuted(
    _ bytes: [UInt8], sizes: [Int], _ permutation: [Int], width: Int
  ) -> [UInt8] {
    var strides = [Int](repeating: 1, count: sizes.count)
    for axis in sizes.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * sizes[axis + 1]
    }
    let targetSizes = permutation.map { sizes[$0] }
    let targetStrides = permutation.map { strides[$0] }
    var result = [UInt8](repeating: 0, count: bytes.count)
    var place = [Int](repeating: 0, count: sizes.count)
    var source = 0
    var target = 0
    while target < bytes.count {
      for byte in 0..<width { result[target + byte] = bytes[source * width + byte] }
      target += width
      var axis = sizes.count - 1
      while axis >= 0 {
        place[axis] += 1
        source += targetStrides[axis]
        if place[axis] < targetSizes[axis] { break }
        source -= targetStrides[axis] * targetSizes[axis]
        place[axis] = 0
        axis -= 1
      }
    }
    return result
  }
}

extension Weight {
  /// True where a step moves elements.
  var isTransposed: Bool {
    recipe.contains { step in
      if case .transpose(let permutation) = step {
        return permutation != Array(permutation.indices)
      }
      return false
    }
  }

  /// True where the one step that moves elements exchanges rows and columns of the stored matrix.
  var isPlainMatrixTranspose: Bool {
    var transposes = 0
    for step in recipe {
      switch step {
      case .transpose(let permutation):
        guard permutation == [1, 0] else { return false }
        transposes += 1
      case .reshape:
        if transposes == 0 { return false }
      case .cast, .quantize: continue
      }
    }
    return transposes == 1
  }
}

package import IR
internal import ONNX
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
    if case .range(let range) = weight.source, let permutation = weight.streamedPermutation {
      try forEachPanel(of: range, permutation, width, zeros: zeros, body)
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

  /// Panels of a stored tensor in its new order, each of at most eight blocks.
  private func forEachPanel(
    of range: StoredRange, _ permutation: Permutation, _ width: Int,
    zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>, _ first: Int) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let limit = max(1, 8 * WeightStore.blockBytes / width)
    try withFile(of: range) { (file) throws(Diagnostic) in
      var first = 0
      try permutation.forEachBox(ofAtMost: limit) { (box) throws(Diagnostic) in
        var panel = [UInt8](repeating: 0, count: box.count * width)
        var holes = HoleFinder(end: range.offset + range.length)
        var isStored = false
        var start = 0
        try box.forEachRun { (element, count) throws(Diagnostic) in
          let (offset, length) = (range.offset + Int64(element * width), count * width)
          if try holes.hole(at: offset, of: file) < length {
            isStored = true
            var whole = panel.mutableSpan
            var piece = whole._mutatingExtracting(start..<start + length)
            try file.read(at: offset, into: &piece)
          }
          start += length
        }
        if isStored {
          let turned = WeightStore.permuted(
            panel, sizes: box.sizes, permutation.axes, width: width)
          try body(turned.span, first)
        } else {
          try zeros(Int64(panel.count))
        }
        first += box.count
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

  private static func permuted(
    _ bytes: [UInt8], sizes: [Int], _ permutation: [Int], width: Int
  ) -> [UInt8] {
    var strides = [Int](repeating: 1, count: sizes.count)
    for axis in sizes.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * sizes[axis + 1]
    }
    var result = [UInt8](repeating: 0, count: bytes.count)
    if permutation == [1, 0] {
      transpose(bytes.span, rows: sizes[0], columns: sizes[1], width: width, into: &result)
      return result
    }
    let targetSizes = permutation.map { sizes[$0] }
    let targetStrides = permutation.map { strides[$0] }
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

  /// The permutation from the stored elements to the final ones, where that can be streamed: no reshape
  /// lies between two transpositions, and elements have their places in the file.
  var streamedPermutation: Permutation? {
    guard case .range(let range) = source, range.encoding == .raw || hasFixedWidth(range) else {
      return nil
    }
    var permutation: Permutation?
    var isReshapedBehind = false
    for (index, step) in recipe.enumerated() {
      switch step {
      case .transpose(let axes):
        if axes == Array(axes.indices) { continue }
        let sizes = type(after: index).sizes?.map { Int($0) } ?? []
        guard !isReshapedBehind, sizes.count == axes.count else { return nil }
        permutation = permutation?.followed(by: axes) ?? Permutation(sizes: sizes, axes)
      case .reshape: isReshapedBehind = permutation != nil
      case .cast, .quantize: continue
      }
    }
    return permutation
  }

  /// How the elements are read.
  package enum Reading: Equatable, Sendable {
    /// Block by block.
    case inOrder
    /// In boxes of eight blocks.
    case boxes
    /// All at once, that many bytes.
    case whole(bytes: Int)
  }

  package var reading: Reading {
    if !isTransposed { return .inOrder }
    if streamedPermutation != nil { return .boxes }
    let count = stored.elementCount ?? 0
    return .whole(bytes: stored.element.byteCount(of: count) ?? 0)
  }

  private func hasFixedWidth(_ range: StoredRange) -> Bool {
    TypedList.isFixedWidth(range.encoding.rawValue)
  }
}

package import FP8
package import IR
package import Support

extension WeightStore {
  /// Writes the weight as `raw_data`: read, laid out, cast and quantized block by block.
  ///
  /// No FP8 code beyond the quantization's full scale leaves this function but the one for NaN.
  /// Gives what a quantized weight lost against the values that it was made from; it is gathered in
  /// the same read, so the bytes are read once. Up to `jobs` blocks are quantized at a time, and written
  /// in order: neither bytes nor losses depend on how many.
  @discardableResult
  package func write<Sink: ByteSink & ~Copyable>(
    _ weight: Weight, to output: inout Sink, jobs: Int = 1
  ) throws(Diagnostic) -> WrittenWeight {
    guard let quantization = weight.quantization else {
      let length = weight.type().element.byteCount(of:)
      func writeZeros(_ count: Int) throws(Diagnostic) {
        try output.writeZeros(Int64(length(count) ?? 0))
      }
      let clamped = try forEachCastBlock(of: weight, zeros: writeZeros) {
        (block, _, _) throws(Diagnostic) in
        try output.write(block)
      }
      return WrittenWeight(loss: nil, clamped: clamped)
    }
    var loss = QuantizationLoss()
    let plan = try quantizer(for: weight, quantization)
    let limit = plan.quantizer.encoding.encode(
      quantization.fullscale, fullscale: quantization.fullscale)
    var work = WorkQueue<CodedBlock>(jobs: jobs)
    func accept(_ block: CodedBlock, _ output: inout Sink) throws(Diagnostic) {
      guard block.largest <= limit || block.largest == FP8Format.nanCode else {
        throw .codeOutOfRange(block.largest, limit: limit)
      }
      try output.write(block.codes.span)
      loss.add(block.loss)
    }
    // Zero has code zero under every scale, and loses nothing.
    func writeZeros(_ count: Int) throws(Diagnostic) {
      while let done = work.next() { try accept(done, &output) }
      try output.writeZeros(Int64(count))
      loss.elements += count
    }
    try forEachCastBlock(of: weight, zeros: writeZeros) {
      (block, first, type) throws(Diagnostic) in
      if work.isFull, let done = work.next() { try accept(done, &output) }
      // The block is lent for this call only.
      let bytes = unsafe block.withUnsafeBufferPointer { unsafe [UInt8]($0) }
      work.add {
        CodedBlock(bytes, first: first, of: type, by: plan.quantizer, layout: plan.layout)
      }
    }
    while let done = work.next() { try accept(done, &output) }
    return WrittenWeight(loss: loss, clamped: 0)
  }

  /// The largest magnitude of the weight as the graph reads it, of each channel of `axis` if given.
  ///
  /// A search that needs no range beforehand is fed in the same read.
  package func ranges(
    of weight: Weight, axis: Int?, feeding search: inout ScaleSearch?
  ) throws(Diagnostic) -> RangeAccumulator {
    var ranges = RangeAccumulator(layout: try layout(of: weight, axis: axis))
    // Zeros change neither a range nor the error of a scale.
    try forEachCastBlock(of: weight, zeros: { _ in }) { (block, first, type) throws(Diagnostic) in
      ranges.add(block, of: type, first: first)
      search?.add(block, of: type, first: first)
    }
    return ranges
  }

  /// The largest code, without its sign, of a weight that is stored as FP8.
  package func largestCode(of weight: Weight) throws(Diagnostic) -> UInt8 {
    var largest: UInt8 = 0
    try forEachStoredBlock(of: weight, zeros: { _ in }) { (block) throws(Diagnostic) in
      // NaN, the largest code of all, must not hide one that is out of range.
      for index in block.indices {
        let code = block[index] & 0x7F
        if code != FP8Format.nanCode { largest = max(largest, code) }
      }
    }
    return largest
  }

  /// Feeds every element of the weight to a search for its scale.
  package func feed(_ weight: Weight, to search: inout ScaleSearch) throws(Diagnostic) {
    try forEachCastBlock(of: weight, zeros: { _ in }) { (block, first, type) throws(Diagnostic) in
      search.add(block, of: type, first: first)
    }
  }

  /// The channels of a weight along an axis of its final shape.
  package func layout(of weight: Weight, axis: Int?) throws(Diagnostic) -> ChannelLayout {
    guard let axis else { return .tensor }
    let sizes = weight.type().sizes ?? []
    guard let layout = ChannelLayout(shape: sizes.map { Int($0) }, axis: axis) else {
      throw .badChannelAxis(axis, sizes: sizes)
    }
    return layout
  }

  private func quantizer(
    for weight: Weight, _ quantization: Quantization
  ) throws(Diagnostic) -> (quantizer: Quantizer, layout: ChannelLayout) {
    let encoding: FP8Format = quantization.element == .float8e5m2 ? .e5m2 : .e4m3
    let quantizer = Quantizer(
      encoding: encoding, fullscale: quantization.fullscale, scales: quantization.scale.values,
      through: HighPrecision(quantization.via))
    return (quantizer, try layout(of: weight, axis: quantization.scale.axis))
  }

  /// Lends the elements in their final order, after every cast of the recipe; what lies in a hole goes to
  /// `zeros` as a number of elements.
  ///
  /// Gives how many finite elements a saturating cast took to the largest number of its type.
  @discardableResult
  private func forEachCastBlock(
    of weight: Weight, zeros: (_ elements: Int) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>, _ first: Int, HighPrecision) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Int {
    var clamped = 0
    let bits = Int64(weight.stored.element.bitWidth ?? 8)
    func skip(_ bytes: Int64) throws(Diagnostic) { try zeros(Int(bytes * 8 / bits)) }
    let casts = weight.recipe.compactMap { step -> (element: ElementType, saturates: Bool)? in
      if case .cast(let element, let saturates) = step { return (element, saturates) }
      return nil
    }
    if weight.stored.element == .float64, casts.first?.element == .float32 {
      return try forEachNarrowedBlock(of: weight, zeros: skip, body)
    }
    guard let stored = HighPrecision(weight.stored.element) else {
      guard casts.isEmpty, weight.quantization == nil else {
        throw .castOf(weight.stored.element.spelling)
      }
      try forEachLaidOutBlock(of: weight, zeros: skip) { (block, first) throws(Diagnostic) in
        try body(block, first, .fp32)
      }
      return clamped
    }
    var chain: [(type: HighPrecision, saturates: Bool)] = []
    for (element, saturates) in casts {
      guard let type = HighPrecision(element) else { throw .castOf(element.spelling) }
      if type != chain.last?.type ?? stored { chain.append((type, saturates)) }
    }
    try forEachLaidOutBlock(of: weight, zeros: skip) { (block, first) throws(Diagnostic) in
      guard let last = chain.last?.type else {
        try body(block, first, stored)
        return
      }
      let count = block.count / stored.byteCount
      var values = [Float](repeating: 0, count: count)
      var wide = values.mutableSpan
      stored.widen(block, into: &wide)
      var bytes: [UInt8] = []
      for (type, saturates) in chain {
        bytes = [UInt8](repeating: 0, count: count * type.byteCount)
        var narrowed = bytes.mutableSpan
        let beyond = type.narrow(values.span, clamp: saturates, into: &narrowed)
        if saturates { clamped += beyond }
        if type != last || chain.count > 1 {
          var back = values.mutableSpan
          type.widen(bytes.span, into: &back)
        }
      }
      try body(bytes.span, first, last)
    }
    return clamped
  }

  /// The same for numbers of 64 bits, rounded to float32 first.
  private func forEachNarrowedBlock(
    of weight: Weight, zeros: (_ bytes: Int64) throws(Diagnostic) -> Void,
    _ body: (Span<UInt8>, _ first: Int, HighPrecision) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Int {
    let last = weight.recipe.reversed().compactMap { step -> ElementType? in
      if case .cast(let element, _) = step { return element }
      return nil
    }.first
    guard let type = HighPrecision(last) else { throw .castOf(weight.stored.element.spelling) }
    try forEachLaidOutBlock(of: weight, zeros: zeros) { (block, first) throws(Diagnostic) in
      let values = stride(from: 0, to: block.count - block.count % 8, by: 8).map { start in
        var bits: UInt64 = 0
        for byte in 0..<8 { bits |= UInt64(block[start + byte]) << UInt64(8 * byte) }
        return Float(Double(bitPattern: bits))
      }
      var bytes = [UInt8](repeating: 0, count: values.count * type.byteCount)
      var narrowed = bytes.mutableSpan
      _ = type.narrow(values.span, clamp: false, into: &narrowed)
      try body(bytes.span, first, type)
    }
    return 0
  }
}

/// What writing a weight came to.
package struct WrittenWeight: Equatable, Sendable {
  /// What quantizing lost; `nil` for a weight that is not quantized.
  package let loss: QuantizationLoss?
  /// How many finite elements lay beyond the range of the type that they were cast to.
  package let clamped: Int

  package init(loss: QuantizationLoss?, clamped: Int) {
    self.loss = loss
    self.clamped = clamped
  }
}

/// One block as codes.
private struct CodedBlock: Sendable {
  let codes: [UInt8]
  let largest: UInt8
  var loss = QuantizationLoss()

  init(
    _ bytes: [UInt8], first: Int, of type: HighPrecision, by quantizer: Quantizer,
    layout: ChannelLayout
  ) {
    var codes = [UInt8](repeating: 0, count: bytes.count / type.byteCount)
    var target = codes.mutableSpan
    quantizer.quantize(bytes.span, of: type, layout: layout, first: first, into: &target)
    self.codes = codes
    largest = FP8Format.largestMagnitude(of: codes.span)
    quantizer.tally(bytes.span, of: type, layout: layout, first: first, into: &loss)
  }
}

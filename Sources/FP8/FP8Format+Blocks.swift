extension FP8Format {
  /// Writes the numbers that `codes` stand for, times their channel's scale, as float32.
  ///
  /// The product is rounded to float32; it is exact where the scale is a power of two and nothing
  /// under- or overflows.
  package func dequantize(
    _ codes: Span<UInt8>, scales: [Float], layout: ChannelLayout = .tensor, first: Int = 0,
    into values: inout MutableSpan<Float>
  ) {
    precondition(scales.count == layout.channels, "one scale per channel")
    precondition(codes.count == values.count, "one value per code")
    Kernels.dequantize(
      codes, table: decodeTable, scales: scales, layout: layout, first: first, into: &values)
  }

  /// The largest of `codes` without its sign bit: 0x77 is the limit for Gaudi2's E4M3.
  package static func largestMagnitude(of codes: Span<UInt8>) -> UInt8 {
    Kernels.largestCode(codes)
  }
}

extension HighPrecision {
  /// Widens elements of this type to float32; exact.
  package func widen(_ source: Span<UInt8>, into values: inout MutableSpan<Float>) {
    precondition(source.count == values.count * byteCount, "one value per element")
    Kernels.widen(source, of: self, into: &values)
  }

  /// Rounds float32 values to this type, to nearest even; `target` has room for exactly that.
  ///
  /// Returns how many finite values lie beyond the type's range. They become infinities, or with
  /// `clamp` the type's largest number.
  package func narrow(
    _ values: Span<Float>, clamp: Bool = false, into target: inout MutableSpan<UInt8>
  ) -> Int {
    precondition(target.count == values.count * byteCount, "room for every element")
    return Kernels.narrow(values, to: self, clamp: clamp, into: &target)
  }
}

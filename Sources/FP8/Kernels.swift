internal import CKernels

/// The C kernels over spans: the only file of this target with unsafe code.
///
/// It is sound because every call passes a span's base address together with its own count, scales and
/// sums have the entries per channel that their makers check, and no kernel keeps a pointer or touches
/// an element beyond the count. A span's `inout` access makes results exclusive.
enum Kernels {
  static func quantize(
    _ source: Span<UInt8>, of type: HighPrecision, by quantizer: Quantizer, layout: ChannelLayout,
    first: Int, into codes: inout MutableSpan<UInt8>
  ) {
    unsafe source.withUnsafeBufferPointer { source in
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        guard let base = codes.baseAddress else { return }
        unsafe fp8c_quantize(
          source.baseAddress, type.kernelType, base, codes.count, layout.kernelLayout(first),
          quantizer.encoding.kernelEncoding, quantizer.fullscale,
          quantizer.quotient.kernelQuotient, quantizer.factors)
      }
    }
  }

  static func tally(
    _ source: Span<UInt8>, of type: HighPrecision, by quantizer: Quantizer, layout: ChannelLayout,
    first: Int, into loss: inout QuantizationLoss
  ) {
    let before = loss.errors
    var total = fp8c_loss(
      clipped: loss.clipped, flushed: loss.flushed,
      errors: (
        before[0], before[1], before[2], before[3], before[4], before[5], before[6], before[7]
      ))
    let count = source.count / type.byteCount
    let divides = quantizer.quotient == .divide
    let factors = divides ? quantizer.scales : quantizer.scales.map { 1 / $0 }
    unsafe source.withUnsafeBufferPointer { source in
      unsafe fp8c_tally(
        source.baseAddress, type.kernelType, count, layout.kernelLayout(first),
        quantizer.encoding.kernelEncoding, quantizer.fullscale,
        divides ? FP8C_DIVIDE : FP8C_MULTIPLY, quantizer.scales, factors, &total)
    }
    loss.elements += count
    loss.clipped = total.clipped
    loss.flushed = total.flushed
    let sums = total.errors
    loss.errors = SIMD8(sums.0, sums.1, sums.2, sums.3, sums.4, sums.5, sums.6, sums.7)
  }

  static func dequantize(
    _ codes: Span<UInt8>, table: [Float], scales: [Float], layout: ChannelLayout, first: Int,
    into values: inout MutableSpan<Float>
  ) {
    unsafe codes.withUnsafeBufferPointer { codes in
      unsafe values.withUnsafeMutableBufferPointer { values in
        guard let source = codes.baseAddress, let target = values.baseAddress else { return }
        unsafe fp8c_dequantize(
          source, target, codes.count, layout.kernelLayout(first), table, scales)
      }
    }
  }

  static func maxAbs(
    _ source: Span<UInt8>, of type: HighPrecision, layout: ChannelLayout, first: Int,
    into largest: inout [Float]
  ) -> Int {
    let count = source.count / type.byteCount
    return unsafe source.withUnsafeBufferPointer { source in
      unsafe fp8c_max_abs(
        source.baseAddress, type.kernelType, count, layout.kernelLayout(first), &largest)
    }
  }

  static func firstNonFinite(_ source: Span<UInt8>, of type: HighPrecision) -> Int? {
    let count = source.count / type.byteCount
    let index = unsafe source.withUnsafeBufferPointer { source in
      unsafe fp8c_first_nonfinite(source.baseAddress, type.kernelType, count)
    }
    return index < count ? index : nil
  }

  static func largestCode(_ codes: Span<UInt8>) -> UInt8 {
    unsafe codes.withUnsafeBufferPointer { codes in
      guard let base = codes.baseAddress else { return 0 }
      return unsafe fp8c_largest_code(base, codes.count)
    }
  }

  static func widen(
    _ source: Span<UInt8>, of type: HighPrecision, into values: inout MutableSpan<Float>
  ) {
    unsafe source.withUnsafeBufferPointer { source in
      unsafe values.withUnsafeMutableBufferPointer { values in
        guard let base = values.baseAddress else { return }
        unsafe fp8c_widen(source.baseAddress, type.kernelType, base, values.count)
      }
    }
  }

  static func narrow(
    _ values: Span<Float>, to type: HighPrecision, clamp: Bool,
    into target: inout MutableSpan<UInt8>
  ) -> Int {
    unsafe values.withUnsafeBufferPointer { values in
      unsafe target.withUnsafeMutableBufferPointer { target in
        guard let source = values.baseAddress, let base = target.baseAddress else { return 0 }
        return unsafe fp8c_narrow(source, type.kernelType, base, values.count, clamp ? 1 : 0)
      }
    }
  }

  static let buckets = Int(FP8C_BUCKETS)

  /// `words` are the fields of `fp8c_moment`, bucket after bucket.
  static func moments(
    _ source: Span<UInt8>, of type: HighPrecision, into words: inout [UInt64]
  ) {
    precondition(
      words.count * MemoryLayout<UInt64>.size == buckets * MemoryLayout<fp8c_moment>.size,
      "one moment per bucket")
    let count = source.count / type.byteCount
    unsafe source.withUnsafeBufferPointer { source in
      unsafe words.withUnsafeMutableBytes { words in
        guard let base = words.baseAddress else { return }
        unsafe fp8c_moments(
          source.baseAddress, type.kernelType, count,
          base.assumingMemoryBound(to: fp8c_moment.self))
      }
    }
  }

  static func search(
    _ source: Span<UInt8>, of type: HighPrecision, first: Int, search: inout ScaleSearch
  ) {
    let count = source.count / type.byteCount
    let (scales, factors) = (search.scales, search.factors)
    let (least, largest) = (search.leastOrdinary, search.largestOrdinary)
    let layout = search.layout.kernelLayout(first)
    let (encoding, fullscale) = (search.encoding.kernelEncoding, search.fullscale)
    let (quotient, groups) = (search.divides ? FP8C_DIVIDE : FP8C_MULTIPLY, search.groups)
    unsafe source.withUnsafeBufferPointer { source in
      unsafe scales.withUnsafeBufferPointer { scales in
        unsafe factors.withUnsafeBufferPointer { factors in
          unsafe least.withUnsafeBufferPointer { least in
            unsafe largest.withUnsafeBufferPointer { largest in
              unsafe search.sums.withUnsafeMutableBufferPointer { sums in
                unsafe search.bases.withUnsafeMutableBufferPointer { bases in
                  var state = unsafe fp8c_candidates(
                    quotient: quotient, groups: groups, scales: scales.baseAddress,
                    factors: factors.baseAddress, least: least.baseAddress,
                    largest: largest.baseAddress, sums: sums.baseAddress,
                    bases: bases.baseAddress)
                  unsafe fp8c_search(
                    source.baseAddress, type.kernelType, count, layout, encoding, fullscale,
                    &state)
                }
              }
            }
          }
        }
      }
    }
  }
}

extension HighPrecision {
  fileprivate var kernelType: fp8c_type {
    switch self {
    case .bf16: FP8C_BFLOAT16
    case .fp16: FP8C_FLOAT16
    case .fp32: FP8C_FLOAT32
    }
  }
}

extension FP8Format {
  fileprivate var kernelEncoding: fp8c_encoding {
    switch self {
    case .e4m3: FP8C_E4M3
    case .e5m2: FP8C_E5M2
    }
  }
}

extension Quantizer.Quotient {
  fileprivate var kernelQuotient: fp8c_quotient {
    switch self {
    case .multiply, .through(.fp32): FP8C_MULTIPLY
    case .divide: FP8C_DIVIDE
    case .through(.bf16): FP8C_THROUGH_BFLOAT16
    case .through(.fp16): FP8C_THROUGH_FLOAT16
    }
  }
}

extension ChannelLayout {
  fileprivate func kernelLayout(_ first: Int) -> fp8c_layout {
    precondition(first >= 0, "blocks start inside their tensor")
    return fp8c_layout(channels: channels, inner: inner, first: first)
  }
}

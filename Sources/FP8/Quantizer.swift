/// Casts the blocks of a tensor to FP8, with one scale or one per channel.
///
/// Rounds to nearest even and saturates at `fullscale`; NaN becomes 0x7F, an infinity saturates, the
/// sign of zero is kept. Each element is rounded to FP8 once, from the float32 quotient x/scale. That
/// quotient is exact, and computed as a product, where every scale is a power of two with a float32
/// inverse; otherwise it is a float32 division, as in ONNX's QuantizeLinear.
///
/// With `through`, elements take INC's way instead: rounded to that type, multiplied by the inverse
/// scale in it, and the product rounded to it again (inc-fp8.md section 7.2).
package struct Quantizer: Sendable {
  package let encoding: FP8Format
  package let fullscale: Float
  package let scales: [Float]
  let quotient: Quotient
  let factors: [Float]

  /// What the kernel does with an element and its channel's factor.
  enum Quotient: Equatable {
    case multiply
    case divide
    case through(HighPrecision)
  }

  /// `scales` has one entry, or one per channel; all are positive and finite.
  package init(
    encoding: FP8Format, fullscale: Float, scales: [Float], through precision: HighPrecision? = nil
  ) {
    precondition(encoding.represents(fullscale), "fullscale is a number of the encoding")
    self.encoding = encoding
    self.fullscale = fullscale
    self.scales = scales
    switch precision {
    case .none:
      if scales.allSatisfy({ Quantizer.hasExactInverse($0) }) {
        quotient = .multiply
        factors = scales.map { 1 / $0 }
      } else {
        quotient = .divide
        factors = scales
      }
    case .fp32:
      quotient = .multiply
      factors = scales.map { 1 / $0 }
    case .bf16, .fp16:
      let precision = precision ?? .fp32
      quotient = .through(precision)
      factors = scales.map { precision.round(1 / Double($0)) }
    }
  }

  /// Whether multiplying by the inverse gives what dividing gives, for every element.
  static func hasExactInverse(_ scale: Float) -> Bool {
    scale.isFinite && scale > 0 && scale.significand == 1 && (1 / scale).isFinite
  }

  /// Casts a block whose first element is number `first` of the tensor.
  ///
  /// `source` holds as many elements of `type` as `codes` has room for.
  package func quantize(
    _ source: Span<UInt8>, of type: HighPrecision, layout: ChannelLayout = .tensor, first: Int = 0,
    into codes: inout MutableSpan<UInt8>
  ) {
    precondition(scales.count == layout.channels, "one scale per channel")
    precondition(source.count == codes.count * type.byteCount, "one code per element")
    Kernels.quantize(source, of: type, by: self, layout: layout, first: first, into: &codes)
  }

  /// Adds what casting a block loses to `loss`; `through` is not taken into account.
  package func tally(
    _ source: Span<UInt8>, of type: HighPrecision, layout: ChannelLayout = .tensor, first: Int = 0,
    into loss: inout QuantizationLoss
  ) {
    precondition(scales.count == layout.channels, "one scale per channel")
    Kernels.tally(source, of: type, by: self, layout: layout, first: first, into: &loss)
  }
}

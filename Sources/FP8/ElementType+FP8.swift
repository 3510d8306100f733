package import IR

extension HighPrecision {
  /// The high precision type of an element type; `nil` for every other.
  package init?(_ element: ElementType?) {
    switch element {
    case .float32: self = .fp32
    case .float16: self = .fp16
    case .bfloat16: self = .bf16
    default: return nil
    }
  }

  /// The element type of ONNX.
  package var element: ElementType {
    switch self {
    case .bf16: .bfloat16
    case .fp16: .float16
    case .fp32: .float32
    }
  }
}

extension FP8Format {
  /// The element type of ONNX that holds the codes.
  package var element: ElementType {
    switch self {
    case .e4m3: .float8e4m3fn
    case .e5m2: .float8e5m2
    }
  }
}

/// The element types of ONNX tensors, numbered as `TensorProto.DataType` and spelled as in IR text.
package enum ElementType: Int32, CaseIterable, Hashable, Sendable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case complex64 = 14
  case complex128 = 15
  case bfloat16 = 16
  case float8e4m3fn = 17
  case float8e4m3fnuz = 18
  case float8e5m2 = 19
  case float8e5m2fnuz = 20
  case uint4 = 21
  case int4 = 22
  case float4e2m1 = 23
  case float8e8m0 = 24
  case uint2 = 25
  case int2 = 26

  /// The spelling in IR text: `f32`, `bf16`, `f8e4m3fn`.
  package var spelling: String {
    switch self {
    case .float32: "f32"
    case .uint8: "u8"
    case .int8: "i8"
    case .uint16: "u16"
    case .int16: "i16"
    case .int32: "i32"
    case .int64: "i64"
    case .string: "str"
    case .bool: "bool"
    case .float16: "f16"
    case .float64: "f64"
    case .uint32: "u32"
    case .uint64: "u64"
    case .complex64: "c64"
    case .complex128: "c128"
    case .bfloat16: "bf16"
    case .float8e4m3fn: "f8e4m3fn"
    case .float8e4m3fnuz: "f8e4m3fnuz"
    case .float8e5m2: "f8e5m2"
    case .float8e5m2fnuz: "f8e5m2fnuz"
    case .uint4: "u4"
    case .int4: "i4"
    case .float4e2m1: "f4e2m1"
    case .float8e8m0: "f8e8m0"
    case .uint2: "u2"
    case .int2: "i2"
    }
  }

  package init?(spelling: String) {
    guard let type = ElementType.allCases.first(where: { $0.spelling == spelling }) else {
      return nil
    }
    self = type
  }

  /// The spelling in ONNX operator schemas: `float`, `bfloat16`, `float8e4m3fn`.
  package var onnxName: String {
    switch self {
    case .float32: "float"
    case .float64: "double"
    case .string: "string"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .bool: "bool"
    case .uint8, .uint16, .uint32, .uint64, .uint4, .uint2:
      "uint\(spelling.dropFirst())"
    case .int8, .int16, .int32, .int64, .int4, .int2: "int\(spelling.dropFirst())"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .float4e2m1: "float4e2m1"
    case .float8e8m0: "float8e8m0"
    }
  }

  /// Bits of one element in `raw_data`; sub-byte types are packed, strings have none.
  package var bitWidth: Int? {
    switch self {
    case .string: nil
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
      .float8e8m0:
      8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float32, .int32, .uint32: 32
    case .float64, .int64, .uint64, .complex64: 64
    case .complex128: 128
    }
  }

  /// Bytes that `count` elements take in `raw_data`; `nil` for strings and on overflow.
  package func byteCount(of count: Int) -> Int? {
    guard let bitWidth else { return nil }
    let (bits, overflow) = count.multipliedReportingOverflow(by: bitWidth)
    guard !overflow, bits <= Int.max - 7 else { return nil }
    return (bits + 7) / 8
  }

  /// The three types that carry values of a network: what a high precision type may be.
  package var isHighPrecision: Bool {
    switch self {
    case .float32, .float16, .bfloat16: true
    case .uint8, .int8, .uint16, .int16, .int32, .int64, .string, .bool, .float64, .uint32,
      .uint64, .complex64, .complex128, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
      .float8e5m2fnuz, .uint4, .int4, .float4e2m1, .float8e8m0, .uint2, .int2:
      false
    }
  }
}

extension ElementType {
  /// The four 8-bit floating-point types that carry values; the scale type `f8e8m0` is not one.
  package var isFloat8: Bool {
    switch self {
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz: true
    case .float32, .uint8, .int8, .uint16, .int16, .int32, .int64, .string, .bool, .float16,
      .float64, .uint32, .uint64, .complex64, .complex128, .bfloat16, .uint4, .int4, .float4e2m1,
      .float8e8m0, .uint2, .int2:
      false
    }
  }
}

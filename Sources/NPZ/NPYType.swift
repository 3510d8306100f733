/// The element types of arrays that are read and written, named as their ONNX counterparts.
package enum NPYType: CaseIterable, Hashable, Sendable {
  case bool
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case float16, float32, float64
  /// NumPy has no such type: the package `ml_dtypes` stores it as two bytes without meaning, `V2`.
  case bfloat16

  /// Bytes of one element.
  package var byteCount: Int {
    switch self {
    case .bool, .int8, .uint8: 1
    case .int16, .uint16, .float16, .bfloat16: 2
    case .int32, .uint32, .float32: 4
    case .int64, .uint64, .float64: 8
    }
  }

  /// NumPy's code without the byte order: `f4`.
  private var code: String {
    switch self {
    case .bool: "b1"
    case .int8: "i1"
    case .int16: "i2"
    case .int32: "i4"
    case .int64: "i8"
    case .uint8: "u1"
    case .uint16: "u2"
    case .uint32: "u4"
    case .uint64: "u8"
    case .float16: "f2"
    case .float32: "f4"
    case .float64: "f8"
    case .bfloat16: "V2"
    }
  }

  /// NumPy's descriptor of the type in little-endian order.
  var descriptor: String { "\(byteCount == 1 ? "|" : "<")\(code)" }

  /// The type of a descriptor, and whether its elements are big-endian; `nil` for other types.
  static func parse(_ descriptor: String) -> (type: NPYType, isBigEndian: Bool)? {
    guard let order = descriptor.first, "<>|=".contains(order),
      let type = allCases.first(where: { $0.code == descriptor.dropFirst() })
    else { return nil }
    return (type, order == ">")
  }
}

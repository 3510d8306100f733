package import Support

extension NPYArray {
  /// The elements as numbers, in lists of lists by the array's shape; `nil` for booleans.
  package var json: JSON? {
    guard let numbers else { return nil }
    var values: [JSON] = numbers.map { .number($0) }
    for dimension in shape.dropFirst().reversed() {
      guard dimension > 0 else { return .array([]) }
      values = stride(from: 0, to: values.count, by: dimension).map {
        .array(Array(values[$0..<$0 + dimension]))
      }
    }
    return shape.isEmpty ? values.first : .array(values)
  }

  /// The elements as Doubles, which hold every type's values but large integers; `nil` for booleans.
  package var numbers: [Double]? {
    let source = LittleEndian(bytes)
    let offsets = stride(from: 0, to: bytes.count, by: type.byteCount)
    switch type {
    case .bool: return nil
    case .int8: return offsets.map { Double(Int8(bitPattern: bytes[$0])) }
    case .uint8: return offsets.map { Double(bytes[$0]) }
    case .int16: return offsets.map { Double(Int16(bitPattern: source.uint16($0))) }
    case .uint16: return offsets.map { Double(source.uint16($0)) }
    case .int32: return offsets.map { Double(Int32(bitPattern: source.uint32($0))) }
    case .uint32: return offsets.map { Double(source.uint32($0)) }
    case .int64: return offsets.map { Double(Int64(bitPattern: source.uint64($0))) }
    case .uint64: return offsets.map { Double(source.uint64($0)) }
    case .float32: return offsets.map { Double(Float(bitPattern: source.uint32($0))) }
    case .float64: return offsets.map { Double(bitPattern: source.uint64($0)) }
    case .bfloat16:
      return offsets.map { Double(Float(bitPattern: UInt32(source.uint16($0)) << 16)) }
    case .float16: return offsets.map { NPYArray.double(half: source.uint16($0)) }
    }
  }

  /// The number of a float16 pattern (IEEE 754).
  private static func double(half: UInt16) -> Double {
    let exponent = Int(half >> 10 & 31)
    let fraction = Double(half & 0x3FF)
    let magnitude: Double
    switch exponent {
    case 31: magnitude = fraction == 0 ? .infinity : .nan
    case 0: magnitude = fraction * 0x1p-24
    default:
      magnitude = Double(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
    }
    return half & 0x8000 == 0 ? magnitude : -magnitude
  }
}

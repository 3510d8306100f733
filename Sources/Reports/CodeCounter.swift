package import FP8
package import IR
package import Support

/// Takes the codes of one weight as they are written and counts them.
package struct CodeCounter: ByteSink {
  package private(set) var length: Int64 = 0
  /// How often each code stands in the weight.
  package private(set) var counts = [Int](repeating: 0, count: 256)
  /// The sum of squares of what the codes stand for, scales included.
  package private(set) var signal = 0.0

  /// The square of what a code stands for, scale aside.
  private let squares: [Double]
  private let squaredScales: [Double]
  /// The elements from one channel to the next.
  private let stride: Int64

  /// `type` is the weight's, a tensor of codes of `format`.
  package init(_ format: FP8Format, _ scale: Scale, _ type: TensorType) {
    squares = (0..<256).map { code in
      let value = Double(format.decode(UInt8(code)))
      return value.isFinite ? value * value : 0
    }
    squaredScales = scale.values.map { Double($0) * Double($0) }
    let inner = scale.axis.flatMap { axis in
      type.sizes?.dropFirst(axis + 1).reduce(Int64(1)) {
        $0.multipliedReportingOverflow(by: $1).partialValue
      }
    }
    stride = max(inner ?? 1, 1)
  }

  package mutating func write(_ bytes: Span<UInt8>) throws(Diagnostic) {
    for index in bytes.indices { add(bytes[index]) }
  }

  package mutating func write(_ bytes: ArraySlice<UInt8>) throws(Diagnostic) {
    for byte in bytes { add(byte) }
  }

  package mutating func writeZeros(_ count: Int64) throws(Diagnostic) {
    counts[0] += Int(count)
    length += count
  }

  package mutating func copy(
    _ range: Range<Int64>, of file: borrowing InputFile
  ) throws(Diagnostic) {
    try write(
      try file.bytes(at: range.lowerBound, count: Int(range.upperBound - range.lowerBound))[...])
  }

  private mutating func add(_ code: UInt8) {
    counts[Int(code)] += 1
    let channel = length / stride % Int64(max(squaredScales.count, 1))
    signal += squares[Int(code)] * (squaredScales.isEmpty ? 1 : squaredScales[Int(channel)])
    length += 1
  }
}

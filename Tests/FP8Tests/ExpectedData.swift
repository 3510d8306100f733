import FP8
import Support
import Testing

/// The lines of a file of `Tests/Data/FP8`, split at blanks; see the README there.
func expectedLines(_ name: String) throws -> [[Substring]] {
  let bytes = try expectedBytes(name)
  return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
    $0.split(separator: " ")
  }
}

func expectedBytes(_ name: String) throws -> [UInt8] {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return try InputFile.contents(of: "\(tests)/Data/FP8/\(name)", limit: 1 << 20)
}

func float(hex: Substring) throws -> Float {
  Float(bitPattern: try #require(UInt32(hex, radix: 16)))
}

/// The bytes of float32 values stored in a type, as little-endian.
func stored(_ values: [Float], as type: HighPrecision) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: values.count * type.byteCount)
  var target = bytes.mutableSpan
  _ = type.narrow(values.span, into: &target)
  return bytes
}

func codes(
  _ source: [UInt8], of type: HighPrecision, by quantizer: Quantizer,
  layout: ChannelLayout = .tensor, first: Int = 0
) -> [UInt8] {
  var codes = [UInt8](repeating: 0xAA, count: source.count / type.byteCount)
  var target = codes.mutableSpan
  quantizer.quantize(source.span, of: type, layout: layout, first: first, into: &target)
  return codes
}

func power(_ exponent: Int) -> Float { Float(sign: .plus, exponent: exponent, significand: 1) }

/// What the tests know of a target: full scale and aligned scales as in inc-fp8.md section 4.2 and 4.3.
func limits(device: Substring, format: FP8Format) throws -> FormatLimits {
  let e4m3: Double = device == "GAUDI2" ? 240 : 448
  let exponents = device == "GAUDI2" ? [-8, -4, 0, 4] : Array(-55...7)
  return try FormatLimits(
    encoding: format, fullscale: format == .e4m3 ? e4m3 : 57344,
    alignedScales: exponents.map { Double(power($0)) })
}

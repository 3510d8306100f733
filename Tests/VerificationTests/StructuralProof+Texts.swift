import IR
import Targets
import Testing
import Verification

extension PlainForm {
  /// Quantizers clamp at the full scales of Gaudi2.
  static let fullscales = [240.0, 57344]

  /// The elements of a constant that is written out.
  static func numbers(of weight: Weight) -> [Double]? {
    let element = weight.stored.element
    guard case .literal(let bytes, _) = weight.source, let width = element.byteCount(of: 1),
      bytes.count.isMultiple(of: width)
    else { return nil }
    let words = stride(from: 0, to: bytes.count, by: width).map { start in
      bytes[start..<start + width].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    return switch element {
    case .float32: words.map { Double(Float(bitPattern: $0)) }
    case .bfloat16: words.map { Double(Float(bitPattern: $0 << 16)) }
    case .float16: words.map { Double(Float16(bitPattern: UInt16($0))) }
    default: nil
    }
  }

  /// The form of a text.
  static func ofWritten(_ text: String, limit: Int = nodeLimit) throws -> Graph? {
    PlainForm.ofWritten(
      try Model.parse(text), try OperatorTable.embedded(), fullscales: fullscales,
      numbers: numbers, limit: limit)
  }
}

extension StructuralProof {
  /// Of texts, whose constants are written out.
  init(_ written: String, of source: String) throws {
    let (source, opset) = (try Model.parse(source), try Model.parse(written).opset)
    let erased = try #require(try PlainForm.ofWritten(written))
    self.init(
      source: try #require(
        PlainForm.ofSource(source, of: erased, opset: opset, try OperatorTable.embedded())),
      written: erased, fullscales: PlainForm.fullscales
    ) { _, weight in PlainForm.numbers(of: weight) }
  }
}

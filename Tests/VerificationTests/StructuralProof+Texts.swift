import IR
import Targets
import Testing
import Verification

extension PlainForm {
  /// Quantizers clamp at the full scales of Gaudi2.
  static let fullscales = [240.0, 57344]

  /// The elements of a constant that is written out.
  static func numbers(of weight: Weight) -> [Double]? {
    guard case .literal(let bytes, _) = weight.source, weight.type().element.isHighPrecision,
      bytes.count % 4 == 0
    else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
      return Double(Float(bitPattern: bits))
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

import IR
import Targets
import Testing
import Verification

extension StructuralProof {
  /// Of texts, whose constants are written out; quantizers clamp at the full scales of Gaudi2.
  init(_ written: String, of source: String) throws {
    let operators = try OperatorTable.embedded()
    let (source, written) = (try Model.parse(source), try Model.parse(written))
    let erased = try #require(PlainForm.ofWritten(written, operators))
    self.init(
      source: try #require(
        PlainForm.ofSource(source, of: erased, opset: written.opset, operators)),
      written: erased, fullscales: [240, 57344]
    ) { _, weight in
      guard case .literal(let bytes, _) = weight.source, bytes.count % 4 == 0 else { return nil }
      return stride(from: 0, to: bytes.count, by: 4).map { start in
        let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
        return Double(Float(bitPattern: bits))
      }
    }
  }
}

import Driver
import FP8
import IR
import Support
import Targets
import TestSupport
import Testing

@Suite struct OutputCheckTests {
  private static let faulty = "weight 'w' is quantized at run time"

  @Test(arguments: [
    ("%q = QuantizeLinear(@w, @s) origin \"fc\"", faulty),
    ("%q = \"ai.fp8c.gaudi2\"::CastToFp8(@w, @s) origin \"fc\"", faulty),
    (
      """
      %a = Max(@w, @s) origin "fc"
      %b = Min(%a, @s) origin "fc"
      %q = QuantizeLinear(%b, @s) origin "fc"
      """, faulty
    ),
    // The source's own quantizer, and one of what the source computes from a weight.
    ("%q = QuantizeLinear(@w, @s) name \"q\"", nil),
    (
      """
      %a = Add(@w, %x) name "a"
      %q = QuantizeLinear(%a, @s) origin "fc"
      """, nil
    ),
    ("%q = QuantizeLinear(%x, @s) origin \"fc\"", nil),
  ])
  func `no quantizer of ours reads a weight`(nodes: String, message: String?) throws {
    let error = try check("weight @w: f32[64] stored raw 100+256", nodes)
    #expect(error?.message == message)
    #expect(error.map { $0.status == .internalError } ?? true)
  }

  @Test(arguments: [
    ("scale 0.0625 fullscale 240.0", nil),
    ("scale 0.0 fullscale 240.0", "weight 'w' has scale 0.0, expected one above 0"),
    ("scale inf fullscale 240.0", "weight 'w' has scale inf, expected one above 0"),
    ("scale 1.0 fullscale 448.0", "weight 'w' saturates at 448.0, beyond the target's 240.0"),
  ])
  func `scales are positive and finite and full scale is the target's`(
    quantization: String, message: String?
  ) throws {
    let weight =
      "weight @w: f8e4m3fn[64] stored f32[64] raw 100+256 | quantize f8e4m3fn \(quantization)"
    #expect(try check(weight, "%q = DequantizeLinear(@w, @s)")?.message == message)
  }

  private func check(_ weight: String, _ nodes: String) throws -> Diagnostic? {
    let model = try Model.parse(
      """
      graph @g(%x: f32[64]) -> (%q) {
        weight @s: f32[] = [1.0]
        \(weight)
        \(nodes)
      }
      """)
    let target = try Target.load("gaudi2")
    let check = OutputCheck(target, try target.limits(of: .e4m3))
    return failure { () throws(Diagnostic) in try check.check(model) }
  }
}

import IR
import Testing
import Verification

/// Attention as one operator against its parts, and what could become of it; the faults are planted by hand.
@Suite struct AttentionProofTests {
  /// The scores are multiplied by 0.25 in all, bent to stay below 4 and masked.
  private static let source = """
    graph @m(%q: f32[1, 2, 3, 4], %k: f32[1, 2, 5, 4], %v: f32[1, 2, 5, 4], %m: f32[3, 5]) -> (%y) {
      weight @half: f32[] = [0.5]
      weight @cap: f32[] = [4.0]
      weight @zero: f32[] = [0.0]
      %a = Mul(%q, @half) : f32[1, 2, 3, 4]
      %t = Transpose(%k) {perm = [0, 1, 3, 2]} : f32[1, 2, 4, 5]
      %b = Mul(%t, @half) : f32[1, 2, 4, 5]
      %s = MatMul(%a, %b) : f32[1, 2, 3, 5]
      %d = Div(%s, @cap) : f32[1, 2, 3, 5]
      %h = Tanh(%d) : f32[1, 2, 3, 5]
      %c = Mul(%h, @cap) : f32[1, 2, 3, 5]
      %e = Add(%c, %m) : f32[1, 2, 3, 5]
      %p = Softmax(%e) {axis = -1} : f32[1, 2, 3, 5]
      %n = IsNaN(%p) : bool[1, 2, 3, 5]
      %w = Where(%n, @zero, %p) : f32[1, 2, 3, 5]
      %y = MatMul(%w, %v) : f32[1, 2, 3, 4] name "values"
    }
    """

  private static let written = """
    graph @m(%q: f32[1, 2, 3, 4], %k: f32[1, 2, 5, 4], %v: f32[1, 2, 5, 4], %m: f32[3, 5]) -> (%y) {
      weight @one: f32[] = [1.0]
      weight @two: f32[] = [2.0]
      weight @half: f32[] = [0.5]
      %q.q = QuantizeLinear(%q, @half) : f8e4m3fn[1, 2, 3, 4]
      %k.q = QuantizeLinear(%k, @half) : f8e4m3fn[1, 2, 5, 4]
      %v.q = QuantizeLinear(%v, @half) : f8e4m3fn[1, 2, 5, 4]
      %o = "ai.t"::Fp8Attention(%q.q, %k.q, %v.q, %m, @half, @half, @half, @two, @half, @two) {is_causal = 0, scale = 0.25, softcap = 4.0} : f8e4m3fn[1, 2, 3, 4] name "values"
      %y = DequantizeLinear(%o, @half) : f32[1, 2, 3, 4]
    }
    """

  private func proof(_ written: String, of source: String = source) throws -> StructuralProof {
    try StructuralProof(written, of: source)
  }

  @Test func `one operator is its parts`() throws {
    let proof = try proof(Self.written)
    #expect(proof.differences == [])
    #expect(proof.notCompared == nil)
    // Both products, the exchange, the hyperbolic tangent, the sum, the softmax, and what keeps rows at zero.
    #expect(proof.nodeCount == 8)
  }

  @Test(arguments: [
    ("scale = 0.25", "scale = 0.5", "reads a value times"),
    ("softcap = 4.0", "softcap = 3.0", "attribute 'softcap' is 3.0, expected 4.0"),
    ("is_causal = 0", "is_causal = 1", "is causal, expected the mask of the source"),
    ("Fp8Attention(%q.q, %k.q", "Fp8Attention(%k.q, %q.q", "reads 'k', expected 'q'"),
    ("%k.q, %v.q, %m", "%v.q, %k.q, %m", "reads 'v', expected 'k'"),
    ("@half, @half, @half, @two", "@half, @half, @two, @two", "output 'y': reads a value times"),
    ("@half, @half, @half, @two", "@two, @half, @half, @two", "reads a value times"),
    ("@half, @two, @half, @two)", "@half, @two, @two, @two)", "reads a value times"),
    ("@two, @half, @two)", "@two, @half, @one)", "output 'y': reads a value times"),
    ("%v.q, %m,", "%v.q, @one,", "reads weight 'one', expected input 'm'"),
  ])
  func `a fault is found and named`(old: String, new: String, message: String) throws {
    let changed = Self.written.replacing(old, with: new)
    #expect(changed != Self.written)
    let found = try proof(changed).differences.map { "\($0.place): \($0.message)" }
    #expect(found.contains { $0.contains(message) }, "\(found)")
    if !message.hasPrefix("output") {
      #expect(found.allSatisfy { $0.hasPrefix("node 'values'") }, "\(found)")
    }
  }

  @Test(arguments: [
    // The mask chooses scores: where it is true, or where it is false.
    (
      "%e = Add(%c, %m) : f32[1, 2, 3, 5]",
      "%i = Cast(%m) {to = 9} : bool[3, 5]\\n%e = Where(%i, %c, @low) : f32[1, 2, 3, 5]",
      "Where(%i, @zero, @low)", "Where(%i, @low, @zero)"
    ),
    (
      "%e = Add(%c, %m) : f32[1, 2, 3, 5]",
      "%i = Cast(%m) {to = 9} : bool[3, 5]\\n%e = Where(%i, @low, %c) : f32[1, 2, 3, 5]",
      "Where(%i, @low, @zero)", "Where(%i, @low, @low)"
    ),
  ])
  func `a mask that chooses is added`(old: String, new: String, mask: String, fault: String) throws
  {
    let low = "  weight @cap"
    let source = Self.source.replacing(old, with: new.replacing("\\n", with: "\n  ")).replacing(
      low, with: "  weight @low: f32[] = [-10000.0]\n\(low)")
    func written(_ mask: String) -> String {
      Self.written.replacing("%v.q, %m,", with: "%v.q, %a,").replacing(
        "  %q.q =",
        with: """
            weight @zero: f32[] = [0.0]
            weight @low: f32[] = [-10000.0]
            %i = Cast(%m) {to = 9} : bool[3, 5]
            %a = \(mask) : f32[3, 5]
            %q.q =
          """)
    }
    #expect(try proof(written(mask), of: source).differences == [])
    let found = try proof(written(fault), of: source).differences.map(\.message)
    #expect(found == ["chooses other scores"])
  }

  @Test(arguments: [
    ("-3.4028234663852886e+38", "-3.3895313892515355e+38", 16, []),
    ("-3.4028234663852886e+38", "-3.4028234663852886e+38", 10, []),
    ("-3.4028234663852886e+38", "-65504.0", 10, []),
    ("-inf", "-inf", 16, []),
    ("-inf", "-inf", 10, []),
    ("-inf", "-3.3895313892515355e+38", 16, ["chooses other scores"]),
    ("-inf", "-65504.0", 10, ["chooses other scores"]),
    ("-3.4028234663852886e+38", "-3.0e+38", 16, ["chooses other scores"]),
    ("-10.0", "-11.0", 10, ["chooses other scores"]),
  ])
  func `hidden scores are rounded as the model's numbers are`(
    low: String, rounded: String, type: Int, messages: [String]
  ) throws {
    let source = Self.source.replacing(
      "%e = Add(%c, %m) : f32[1, 2, 3, 5]",
      with: "%i = Cast(%m) {to = 9} : bool[3, 5]\n  %e = Where(%i, %c, @low) : f32[1, 2, 3, 5]"
    ).replacing("  weight @cap", with: "  weight @low: f32[] = [\(low)]\n  weight @cap")
    let short = type == 16 ? "bf16" : "f16"
    let element = rounded == low ? "f32" : short
    let written = Self.written.replacing("%v.q, %m,", with: "%v.q, %a,").replacing(
      "  %q.q =",
      with: """
          weight @zero: \(element)[] = [0.0]
          weight @low: \(element)[] = [\(rounded)]
          %i = Cast(%m) {to = 9} : bool[3, 5]
          %a = Where(%i, @zero, @low) : \(element)[3, 5]
          %short = Cast(%m) {to = \(type)} : \(short)[3, 5]
          %q.q =
        """)
    #expect(try proof(written, of: source).differences.map(\.message) == messages)
  }

  @Test func `keys whose heads stand behind the rows are moved once`() throws {
    let source = Self.source.replacing("%k: f32[1, 2, 5, 4]", with: "%k: f32[1, 5, 2, 4]")
      .replacing(
        "perm = [0, 1, 3, 2]", with: "perm = [0, 2, 3, 1]")
    func written(_ axes: String) -> String {
      Self.written.replacing("%k: f32[1, 2, 5, 4]", with: "%k: f32[1, 5, 2, 4]").replacing(
        "%k.q = QuantizeLinear(%k, @half) : f8e4m3fn[1, 2, 5, 4]",
        with: """
          %k.r = QuantizeLinear(%k, @half) : f8e4m3fn[1, 5, 2, 4]
            %k.q = Transpose(%k.r) {perm = \(axes)} : f8e4m3fn[1, 2, 5, 4]
          """)
    }
    #expect(try proof(written("[0, 2, 1, 3]"), of: source).differences == [])
    #expect(try proof(written("[0, 2, 3, 1]"), of: source).notCompared != nil)
    // Where the source has heads in front, the same exchange is a fault.
    let found = try proof(written("[0, 2, 1, 3]")).differences.map(\.message)
    #expect(found == ["reads the result of Transpose 'k.q', expected input 'k'"])
  }

  /// As PyTorch's exporter writes it: shapes are read off the keys when the model runs.
  @Test func `heads that are merged into the batch for the exchange are split again`() throws {
    let exchange = """
      %z = Shape(%k) : i64[4]
        %d = Slice(%z, @last, @end) : i64[1]
        %r = Slice(%z, @last2, @last) : i64[1]
        %l = Slice(%z, @first, @last2) : i64[2]
        %i = Concat(@last, %r, %d) {axis = 0} : i64[3]
        %j = Concat(%l, %d, %r) {axis = 0} : i64[4]
        %f = Reshape(%k, %i) : f32[?, ?, ?]
        %g = Transpose(%f) {perm = [0, 2, 1]} : f32[?, ?, ?]
        %t = Reshape(%g, %j) : f32[?, ?, ?, ?]
      """
    let source = Self.source.replacing("%d = Div(%s, @cap)", with: "%u = Div(%s, @cap)").replacing(
      "Tanh(%d)", with: "Tanh(%u)"
    ).replacing("%t = Transpose(%k) {perm = [0, 1, 3, 2]} : f32[1, 2, 4, 5]", with: exchange)
      .replacing(
        "  weight @cap",
        with: """
            weight @first: i64[1] = [0]
            weight @last: i64[1] = [-1]
            weight @last2: i64[1] = [-2]
            weight @end: i64[1] = [9223372036854775807]
            weight @cap
          """)
    let symbolic = { (text: String) in
      text.replacing("%k: f32[1, 2, 5, 4]", with: "%k: f32[\"batch\", 2, \"keys\", 4]")
    }
    for source in [source, symbolic(source)] {
      let proof = try proof(Self.written, of: source)
      #expect(proof.differences == [] && proof.notCompared == nil)
    }
    let swapped = source.replacing("Concat(%l, %d, %r)", with: "Concat(%l, %r, %d)")
    #expect(try proof(Self.written, of: swapped).notCompared?.place == "node 'values' (MatMul)")
  }

  /// Heads of two that lie side by side, [batch, rows, heads * depth], are taken apart and laid so again.
  @Test func `the operator of ONNX over merged heads is the one behind what takes them apart`()
    throws
  {
    let source = """
      graph @m(%q: f32[1, 3, 8], %k: f32[1, 5, 8], %v: f32[1, 5, 8]) -> (%y) {
        %y = Attention(%q, %k, %v) {q_num_heads = 2, kv_num_heads = 2} : f32[1, 3, 8] name "a"
      }
      """
    let written = """
      graph @m(%q: f32[1, 3, 8], %k: f32[1, 5, 8], %v: f32[1, 5, 8]) -> (%y) {
        weight @apart: i64[4] = [0, 0, 2, -1]
        weight @whole: i64[3] = [0, 0, -1]
        weight @zero: f32[] = [0.0]
        weight @one: f32[] = [1.0]
        %qs = Reshape(%q, @apart) : f32[1, 3, 2, 4]
        %qh = Transpose(%qs) {perm = [0, 2, 1, 3]} : f32[1, 2, 3, 4]
        %ks = Reshape(%k, @apart) : f32[1, 5, 2, 4]
        %kh = Transpose(%ks) {perm = [0, 2, 1, 3]} : f32[1, 2, 5, 4]
        %vs = Reshape(%v, @apart) : f32[1, 5, 2, 4]
        %vh = Transpose(%vs) {perm = [0, 2, 1, 3]} : f32[1, 2, 5, 4]
        %o = "ai.fp8c.gaudi2"::Fp8Attention(%qh, %kh, %vh, @zero, @one, @one, @one, @one, @one, @one) {is_causal = 0, saturate_at = 240.0, scale = 0.5, softcap = 0.0, to = 1} : f32[1, 2, 3, 4] name "a"
        %r = Transpose(%o) {perm = [0, 2, 1, 3]} : f32[1, 3, 2, 4]
        %y = Reshape(%r, @whole) : f32[1, 3, 8]
      }
      """
    #expect(try proof(written, of: source).differences == [])
    for (old, new, message) in [
      ("q_num_heads = 2", "q_num_heads = 4", "takes the heads of operand 0 apart otherwise"),
      ("kv_num_heads = 2", "kv_num_heads = 4", "takes the heads of operand 1 apart otherwise"),
      (
        "q_num_heads = 2", "left_window_size = 3, q_num_heads = 2",
        "has no attribute 'left_window_size'"
      ),
    ] {
      let found = try proof(written, of: source.replacing(old, with: new)).differences
      #expect(found.contains { $0.message == message }, "\(found)")
    }
    let turned = written.replacing(
      "Transpose(%ks) {perm = [0, 2, 1, 3]}", with: "Transpose(%ks) {perm = [1, 2, 0, 3]}")
    #expect(
      try proof(turned, of: source).differences.map(\.message)
        == ["takes the heads of operand 1 apart otherwise"])
    let exchanged = written.replacing("Reshape(%k, @apart)", with: "Reshape(%v, @apart)")
    #expect(
      try proof(exchanged, of: source).differences.map(\.message)
        == ["reads 'v', expected 'k'"])
  }

  @Test func `the numbers of the operator of ONNX are those of the one it becomes`() throws {
    let source = """
      graph @m(%q: f32[1, 2, 3, 4], %k: f32[1, 2, 5, 4], %v: f32[1, 2, 5, 4], %m: f32[3, 5]) -> (%y) {
        %y = Attention(%q, %k, %v, %m) {softcap = 4.0} : f32[1, 2, 3, 4] name "values"
      }
      """
    // One over the root of the depth, 4, where it is not given.
    let written = Self.written.replacing("scale = 0.25", with: "scale = 0.5")
    #expect(try proof(written, of: source).differences == [])
    let unknown = try proof(
      written, of: source.replacing("%q: f32[1, 2, 3, 4]", with: "%q: f32[1, 2, 3, \"depth\"]"))
    #expect(unknown.notCompared?.reason.contains("a depth that is not known") == true)
    for (old, new, message) in [
      ("scale = 0.5", "scale = 0.25", "attribute 'scale' is 0.25, expected 0.5"),
      ("is_causal = 0", "is_causal = 1", "attribute 'is_causal' is another"),
      ("softcap = 4.0", "softcap = 0.0", "attribute 'softcap' is 0.0, expected 4.0"),
    ] {
      let found = try proof(written.replacing(old, with: new), of: source).differences
      #expect(found.contains { $0.message == message }, "\(found)")
    }
  }

  /// Attention is linear in its values, and the result is multiplied by what they are.
  @Test func `what multiplies the values multiplies the result`() throws {
    let operation = """
      graph @m(%q: f32[1, 2, 3, 4], %k: f32[1, 2, 5, 4], %v: f32[1, 2, 5, 4], %m: f32[3, 5]) -> (%y) {
        weight @cap: f32[] = [4.0]
        %y = Attention(%q, %k, %v, %m) {scale = 0.25, softcap = 4.0} : f32[1, 2, 3, 4] name "values"
      }
      """
    func multiplied(_ text: String, _ reader: String) -> String {
      text.replacing(reader, with: "%v.4 = Mul(%v, @cap) : f32[1, 2, 5, 4]\n  \(reader)").replacing(
        "(%w, %v)", with: "(%w, %v.4)"
      ).replacing("%k, %v, %m", with: "%k, %v.4, %m").replacing(
        "(%v, @half)", with: "(%v.4, @half)")
    }
    let written = multiplied(
      Self.written.replacing("  weight @one", with: "  weight @cap: f32[] = [4.0]\n  weight @one"),
      "%v.q =")
    for source in [multiplied(Self.source, "%y ="), multiplied(operation, "%y =")] {
      let proof = try proof(written, of: source)
      #expect(proof.differences == [] && proof.notCompared == nil)
      #expect(
        try self.proof(Self.written, of: source).differences.map { "\($0.place): \($0.message)" }
          == ["output 'y': reads a value times 1.0, expected times 4.0"])
    }
    for source in [Self.source, operation] {
      #expect(
        try proof(written, of: source).differences.map { "\($0.place): \($0.message)" }
          == ["output 'y': reads a value times 4.0, expected times 1.0"])
    }
  }
}

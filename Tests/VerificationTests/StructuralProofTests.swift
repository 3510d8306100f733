import IR
import Testing
import Verification

/// A network of two layers and what could become of it; the faults are planted by hand.
@Suite struct StructuralProofTests {
  private static let source = """
    graph @m(%x: f32[2, 4]) -> (%y) {
      weight @w: f32[4, 4] stored raw 0+64
      weight @v: f32[4, 3] stored raw 64+48
      weight @b: f32[3] stored raw 112+12
      %h = MatMul(%x, @w) : f32[2, 4] name "first"
      %r = Relu(%h) : f32[2, 4] name "relu"
      %z = MatMul(%r, @v) : f32[2, 3] name "second"
      %y = Add(%z, @b) : f32[2, 3] name "bias"
    }
    """

  private static let written = """
    graph @m(%x: f32[2, 4]) -> (%y) {
      weight @low: f32[] = [-120.0]
      weight @high: f32[] = [120.0]
      weight @half: f32[] = [0.5]
      weight @quarter: f32[] = [0.25]
      weight @w: f8e4m3fn[4, 4] stored raw 0+16
      weight @v: f8e4m3fn[4, 3] stored raw 16+12
      weight @b: f32[3] stored raw 28+12
      %x.floored = Max(%x, @low) : f32[2, 4]
      %x.clamped = Min(%x.floored, @high) : f32[2, 4]
      %x.q = QuantizeLinear(%x.clamped, @half) : f8e4m3fn[2, 4]
      %x.d = DequantizeLinear(%x.q, @half) : f32[2, 4]
      %w.d = DequantizeLinear(@w, @quarter) : f32[4, 4]
      %h = MatMul(%x.d, %w.d) : f32[2, 4] name "first"
      %r = Relu(%h) : f32[2, 4] name "relu"
      %r.q = QuantizeLinear(%r, @half) : f8e4m3fn[2, 4]
      %r.d = DequantizeLinear(%r.q, @half) : f32[2, 4]
      %v.d = DequantizeLinear(@v, @quarter) : f32[4, 3]
      %z = MatMul(%r.d, %v.d) : f32[2, 3] name "second"
      %y = Add(%z, @b) : f32[2, 3] name "bias"
    }
    """

  private func proof(_ written: String, of source: String = source) throws -> StructuralProof {
    try StructuralProof(written, of: source)
  }

  @Test func `what is only quantized is the same`() throws {
    let proof = try proof(Self.written)
    #expect(proof.differences == [])
    #expect(proof.nodeCount == 4)
    #expect(proof.claims.map(\.sourceName) == ["b", "v", "w"])
    // Either layer is multiplied by its weight's scale, 1/4, and by nothing else.
    #expect(proof.balances.map(\.place) == ["node 'relu' (Relu)", "node 'bias' (Add)"])
    for balance in proof.balances {
      #expect(balance.constants.contains([0.25]))
      #expect(balance.holds(scales: [[0.25]]))
      #expect(!balance.holds(scales: [[0.5]]))
      #expect(balance.remainder(scales: []).first == [0.25])
    }
  }

  @Test(arguments: [
    ("%r = Relu(%h)", "%r = Identity(%h)", "node 'second' (MatMul)", "that of Relu 'relu'"),
    (
      "MatMul(%r.d, %v.d)", "MatMul(%v.d, %r.d)", "node 'second' (MatMul)",
      "reads the result of Relu 'relu'"
    ),
    // Half of what E4M3 holds at that scale: values would be cut off.
    ("[120.0]", "[60.0]", "node 'first' (MatMul)", "reads the result of Min"),
    ("Add(%z, @b)", "Sub(%z, @b)", "output 'y'", "expected that of Add 'bias'"),
    ("-> (%y)", "-> (%y, %z)", "graph 'm'", "has 2 outputs, expected 1"),
    (
      "weight @b: f32[3] stored raw 28+12", "weight @b: f8e4m3fn[3] stored raw 28+3",
      "node 'bias' (Add)", "weight 'b' is quantized"
    ),
    (
      "%v.d = DequantizeLinear(@v, @quarter)",
      "weight @scales: f32[3] = [1.0, 2.0, 4.0] %v.d = DequantizeLinear(@v, @scales) {axis = 0}",
      "node 'second' (MatMul)", "weight 'v' has scales along axis 0, expected 1"
    ),
  ])
  func `a fault is found and named`(
    old: String, new: String, place: String, message: String
  ) throws {
    #expect(Self.written.contains(old))
    let first = try #require(try proof(Self.written.replacing(old, with: new)).differences.first)
    #expect(first.place == place)
    #expect(first.message.contains(message), "\(first.message)")
  }

  /// Half of the least bfloat16 is 2^-134, about 4.6e-41; what is above that does not become zero.
  @Test(arguments: [("1e-45", true), ("4e-41", true), ("1e-40", false), ("0.5", false)])
  func `what the type cannot hold becomes zero`(number: String, isSame: Bool) throws {
    let source = """
      graph @m(%x: f32[4]) -> (%y) {
        weight @c: f32[] = [\(number)]
        %a = Mul(%x, @c) : f32[4]
        %y = Relu(%a) : f32[4]
      }
      """
    let written = """
      graph @m(%x: f32[4]) -> (%y) {
        weight @c: f32[] = [0.0]
        %b = Cast(%x) {to = 16} : bf16[4]
        %a = Mul(%b, @c) : bf16[4]
        %r = Relu(%a) : bf16[4]
        %y = Cast(%r) {to = 1} : f32[4]
      }
      """
    #expect(try proof(written, of: source).differences.isEmpty == isSame)
  }

  @Test func `a scale that is not taken off is out of balance`() throws {
    let fault = Self.written.replacing(
      "%r.d = DequantizeLinear(%r.q, @half)", with: "%r.d = DequantizeLinear(%r.q, @quarter)")
    let balance = try #require(try proof(fault).balances.last)
    #expect(!balance.holds(scales: [[0.25]]))
    #expect(balance.text(scales: [[0.25]]) == "0.5, expected 1.0")
  }

  @Test func `a bound of the model's own is no clamp of a quantizer`() throws {
    let source = Self.source.replacing(
      "%r = Relu(%h)", with: "weight @six: f32[] = [6.0] %r = Min(%h, @six)")
    let written = Self.written.replacing(
      "%r = Relu(%h)", with: "weight @six: f32[] = [6.0] %r = Min(%h, @six)")
    #expect(try proof(written, of: source).differences == [])
    let dropped = Self.written.replacing("%r = Relu(%h)", with: "%r = Identity(%h)")
    #expect(
      try proof(dropped, of: source).differences.first?.message.contains("expected that of Min")
        == true)
  }

  /// A vector that multiplies behind a bias belongs to the model, whether the bias is an operand of the
  /// product or of a sum behind it.
  @Test func `a vector behind a bias is an operand like others`() throws {
    let source = """
      graph @m(%x: f32[1, 2, 3, 3]) -> (%y) {
        weight @w: f32[2, 2, 1, 1] stored raw 0+16
        weight @b: f32[2] stored raw 16+8
        weight @v: f32[3] = [2.0, 3.0, 4.0]
        %c = Conv(%x, @w, @b) : f32[1, 2, 3, 3] name "conv"
        %y = Mul(%c, @v) : f32[1, 2, 3, 3] name "vector"
      }
      """
    let written = """
      graph @m(%x: f32[1, 2, 3, 3]) -> (%y) {
        weight @w: f8e4m3fn[2, 2, 1, 1] stored raw 0+4
        weight @b: f32[2] stored raw 4+8
        weight @v: f32[3] = [2.0, 3.0, 4.0]
        weight @s: f32[2] = [0.5, 0.25]
        weight @column: i64[4] = [1, -1, 1, 1]
        %w.d = DequantizeLinear(@w, @s) {axis = 0} : f32[2, 2, 1, 1]
        %c = Conv(%x, %w.d) : f32[1, 2, 3, 3]
        %b.c = Reshape(@b, @column) : f32[1, 2, 1, 1]
        %a = Add(%c, %b.c) : f32[1, 2, 3, 3] name "conv"
        %y = Mul(%a, @v) : f32[1, 2, 3, 3] name "vector"
      }
      """
    #expect(try proof(written, of: source).differences == [])
    // Along the last axis it is another bias, with two columns as well.
    for column in ["i64[4] = [1, 1, 1, -1]", "i64[3] = [1, 1, -1]", "i64[3] = [1, -1, 1]"] {
      let turned = written.replacing("i64[4] = [1, -1, 1, 1]", with: column)
      #expect(
        try proof(turned, of: source).differences.first?.message
          == "adds a bias along another axis than that of its channels")
    }
    // So is one that is computed, where the sizes say it.
    func computed(_ text: String) -> String {
      text.replacing("%x: f32[1, 2, 3, 3]", with: "%x: f32[1, 2, 3, 3], %n: f32[2]")
        .replacing("(@b", with: "(%n").replacing("@b)", with: "%n)")
    }
    #expect(try proof(computed(written), of: computed(source)).differences == [])
    let flat = computed(written).replacing("[1, -1, 1, 1]", with: "[1, 1, 1, -1]")
    #expect(
      try proof(flat, of: computed(source)).differences.first?.message
        == "adds a bias along another axis than that of its channels")
    let other = written.replacing("Mul(%a, @v)", with: "Mul(%a, %a)")
    #expect(try proof(other, of: source).differences.count > 0)
  }

  @Test func `constants that float16 does not have become zero, and others do not`() throws {
    let source = """
      graph @m(%x: f32[2, 2]) -> (%y) {
        weight @w: f32[2, 2] stored raw 0+16
        weight @v: f32[2] = [0.5, 1e-30]
        %h = MatMul(%x, @w) : f32[2, 2] name "product"
        %s = Mul(%h, @v) : f32[2, 2]
        %y = Relu(%s) : f32[2, 2] name "relu"
      }
      """
    // 1e-30 is below half of the smallest number of float16, 2^-24.
    let written = source.replacing(": f32[2, 2]", with: ": f16[2, 2]")
      .replacing("f32[2] = [0.5, 1e-30]", with: "f16[2] = [0.5, 0.0]")
    #expect(try proof(written, of: source).differences == [])
    let larger = source.replacing("1e-30", with: "0.25")
    #expect(
      try proof(written, of: larger).differences.first?.message
        == "reads a value times numbers of channels, expected times numbers of channels")
  }

  /// Its largest number is 65504, so that 1e6 and 2e6 would be one.
  @Test func `constants that stay float32 beside float16 are compared as they are`() throws {
    let source = """
      graph @m(%x: f32[2], %h: f16[2]) -> (%y, %z) {
        weight @million: f32[] = [1e6]
        %s = Mul(%x, @million) : f32[2]
        %y = Relu(%s) : f32[2] name "relu"
        %z = Relu(%h) : f16[2]
      }
      """
    #expect(try proof(source, of: source).differences == [])
    let written = source.replacing("[1e6]", with: "[2e6]")
    #expect(
      try proof(written, of: source).differences.first?.message
        == "reads a value times 2000000.0, expected times 1000000.0")
  }

  /// The product is linear in what it captures, and nothing behind it tells what that was multiplied by outside.
  @Test func `a factor of what a body captures is compared`() throws {
    let source = """
      graph @m(%x: f32[2, 2], %k: bool[]) -> (%y) {
        weight @six: f32[] = [6.0]
        %v = Mul(%x, @six) : f32[2, 2]
        %y = If(%k) {then_branch = graph @a() -> (%a) {
          %a = MatMul(%x, %v) : f32[2, 2] name "product"
        }, else_branch = graph @b() -> (%b) {
          %b = Relu(%x) : f32[2, 2]
        }} : f32[2, 2]
      }
      """
    #expect(try proof(source, of: source).differences == [])
    let written = source.replacing("[6.0]", with: "[5.0]")
    #expect(
      try proof(written, of: source).differences.map { "\($0.place): \($0.message)" }
        == ["node 'product' (MatMul): reads a value times 5.0, expected times 6.0"])
  }

  /// Both operands are square, so that no shape tells.
  @Test func `an operand whose axes a Gemm exchanges is read exchanged`() throws {
    func source(_ attributes: String) -> String {
      """
      graph @m(%x: f32[4, 4]) -> (%y) {
        weight @w: f32[4, 4] stored raw 0+64
        %r = Relu(%x) : f32[4, 4] name "relu"
        %y = Gemm(%r, @w) {\(attributes)} : f32[4, 4] name "layer"
      }
      """
    }
    let kept = """
      graph @m(%x: f32[4, 4]) -> (%y) {
        weight @w: f32[4, 4] stored raw 0+64
        %r = Relu(%x) : f32[4, 4] name "relu"
        %y = MatMul(%r, @w) : f32[4, 4] name "layer"
      }
      """
    let exchanged = kept.replacing(
      "%y = MatMul(%r", with: "%t = Transpose(%r) {perm = [1, 0]} : f32[4, 4]\n%y = MatMul(%t")
    #expect(try proof(kept, of: source("transA = 0")).differences == [])
    #expect(try proof(exchanged, of: source("transA = 0")).differences.count == 1)
    // Every number but 0 exchanges them.
    for number in [1, -1] {
      #expect(try proof(exchanged, of: source("transA = \(number)")).differences == [])
      #expect(
        try proof(kept, of: source("transA = \(number)")).differences.map(\.message)
          == ["reads an operand with its axes as they are, expected them exchanged"])
      let claims = try proof(kept, of: source("transB = \(number)")).claims
      #expect(claims.map(\.permutation) == [[1, 0]])
    }
  }

  @Test func `what is multiplied by infinity is not compared`() throws {
    let source = """
      graph @m(%x: f32[2]) -> (%y) {
        weight @i: f32[] = [inf]
        %s = Mul(%x, @i) : f32[2]
        %y = Relu(%s) : f32[2] name "relu"
      }
      """
    let proof = try proof(source, of: source)
    #expect(proof.differences == [])
    #expect(proof.notCompared?.place == "node 'relu' (Relu)")
  }

  @Test func `a padding that stands in front of its convolution is the same one`() throws {
    let source = """
      graph @m(%x: f32[1, 2, 8, 8]) -> (%y) {
        weight @w: f32[4, 2, 3, 3] stored raw 0+288
        %r = Relu(%x) : f32[1, 2, 8, 8] name "r"
        %y = Conv(%r, @w) {pads = [0, 0, 1, 1]} : f32[1, 4, 7, 7] name "c"
      }
      """
    let written = """
      graph @m(%x: f32[1, 2, 8, 8]) -> (%y) {
        weight @w: f32[4, 2, 3, 3] stored raw 0+288
        weight @amounts: i64[8] = [0, 0, 0, 0, 0, 0, 1, 1]
        %r = Relu(%x) : f32[1, 2, 8, 8] name "r"
        %p = Pad(%r, @amounts) : f32[1, 2, 9, 9]
        %y = Conv(%p, @w) {pads = [0, 0, 0, 0]} : f32[1, 4, 7, 7] name "c"
      }
      """
    #expect(try proof(written, of: source).differences == [])
    let other = written.replacing("0, 0, 1, 1]", with: "0, 0, 1, 2]")
    #expect(try proof(other, of: source).differences.first?.message == "has another padding")
    let dropped = written.replacing("Conv(%p", with: "Conv(%r")
    #expect(
      try proof(dropped, of: source).differences.first?.message == "attribute 'pads' is another")
  }

  /// By hand: 8 numbers, a kernel of 4 and one output for each make three zeros; one for every second makes two.
  @Test func `a rule of padding is the numbers that it gives`() throws {
    func source(_ attributes: String) -> String {
      """
      graph @m(%x: f32[1, 2, 8, 8]) -> (%y) {
        weight @w: f32[4, 2, 4, 4] stored raw 0+512
        %y = Conv(%x, @w) {\(attributes)} : f32[1, 4, "h", "w"] name "c"
      }
      """
    }
    let cases = [
      ("auto_pad = \"SAME_UPPER\"", "pads = [1, 1, 2, 2]"),
      ("auto_pad = \"SAME_LOWER\"", "pads = [2, 2, 1, 1]"),
      ("auto_pad = \"SAME_UPPER\", strides = [2, 2]", "pads = [1, 1, 1, 1], strides = [2, 2]"),
      ("auto_pad = \"SAME_UPPER\", dilations = [1, 2]", "dilations = [1, 2], pads = [1, 3, 2, 3]"),
      ("auto_pad = \"VALID\"", ""), ("auto_pad = \"NOTSET\"", "pads = [0, 0, 0, 0]"),
    ]
    for (rule, numbers) in cases {
      #expect(try proof(source(numbers), of: source(rule)).differences == [], "\(rule)")
    }
    for (rule, numbers) in [
      (cases[0].0, cases[1].1), (cases[0].0, ""), ("auto_pad = \"VALID\"", cases[0].1),
    ] {
      #expect(
        try proof(source(numbers), of: source(rule)).differences.map(\.message)
          == ["has another padding"])
    }
    let unknown = source(cases[0].0).replacing("8, 8]", with: "8, \"n\"]")
    #expect(
      try proof(source(cases[0].1), of: unknown).notCompared?.reason
        == "has a padding that follows from sizes which are not known")
  }

  @Test func `a mask of booleans is the same as what is added for it`() throws {
    let inputs = "%q: f32[1, 2, 3, 4], %k: f32[1, 2, 3, 4], %v: f32[1, 2, 3, 4], %m: bool[3, 3]"
    let source = """
      graph @m(\(inputs)) -> (%y) {
        %y = Attention(%q, %k, %v, %m) : f32[1, 2, 3, 4] name "a"
      }
      """
    let written = """
      graph @m(\(inputs)) -> (%y) {
        weight @seen: f32[] = [0.0]
        weight @hidden: f32[] = [-inf]
        weight @one: f32[] = [1.0]
        %n = Where(%m, @seen, @hidden) : f32[3, 3]
        %y = "d"::Fp8Attention(%q, %k, %v, %n, @one, @one, @one, @one, @one, @one) {scale = 0.5} : f32[1, 2, 3, 4]
      }
      """
    #expect(try proof(written, of: source).differences == [])
    let turned = written.replacing("@seen, @hidden)", with: "@hidden, @seen)")
    #expect(
      try proof(turned, of: source).differences.first?.message.hasPrefix(
        "reads the result of Where")
        == true)
  }

  @Test func `attributes are the same on both sides`() throws {
    let source = """
      graph @m(%x: f32[1, 2, 3, 3]) -> (%y) {
        %y = MaxPool(%x) {kernel_shape = [2, 2], pads = [0, 0, 0, 0]} : f32[1, 2, 2, 2] name "p"
      }
      """
    for (change, message) in [
      ("kernel_shape = [3, 3], pads = [0, 0, 0, 0]", "attribute 'kernel_shape' is another"),
      ("kernel_shape = [2, 2], pads = [1, 1, 1, 1]", "attribute 'pads' is another"),
      (
        "kernel_shape = [2, 2], pads = [0, 0, 0, 0], ceil_mode = 1",
        "has an attribute 'ceil_mode', expected none"
      ),
    ] {
      let written = source.replacing("kernel_shape = [2, 2], pads = [0, 0, 0, 0]", with: change)
      #expect(try proof(written, of: source).differences.first?.message == message)
      if message.hasSuffix("none") {
        #expect(
          try proof(source, of: written).differences.first?.message
            == "has no attribute 'ceil_mode'")
      }
    }
    // Zeros around need not be said, what is not zero does.
    let bare = source.replacing(", pads = [0, 0, 0, 0]", with: "")
    #expect(try proof(bare, of: source).differences == [])
    #expect(try proof(source, of: bare).differences == [])
    let padded = source.replacing("pads = [0, 0, 0, 0]", with: "pads = [0, 0, 1, 1]")
    #expect(
      try proof(bare, of: padded).differences.map(\.message) == ["attribute 'pads' is another"])
    // A softmax is over the last axis where none is said.
    let softmax = "graph @m(%x: f32[2, 4]) -> (%y) { %y = Softmax(%x) : f32[2, 4] name \"s\" }"
    func said(_ axis: Int) -> String {
      softmax.replacing("(%x) :", with: "(%x) {axis = \(axis)} :")
    }
    #expect(try proof(said(-1), of: softmax).differences == [])
    #expect(try proof(said(0), of: softmax).differences.count == 1)
    #expect(try proof(softmax, of: said(0)).differences.count == 1)
    // A model's own codes become what is computed in, said or not; what is a code stays the same one.
    let decoded = """
      graph @m(%x: i8[4], %s: f32[]) -> (%y) {
        %y = DequantizeLinear(%x, %s) : f32[4] name "d"
      }
      """
    let named = decoded.replacing("%s) :", with: "%s) {output_dtype = 16} :")
    #expect(try proof(named, of: decoded).differences == [])
    let encoded = decoded.replacing("i8[4]", with: "f32[4]")
      .replacing("DequantizeLinear(%x, %s) : f32", with: "QuantizeLinear(%x, %s) : u8")
    let wider = encoded.replacing("%s) : u8", with: "%s) {output_dtype = 4} : u16")
    #expect(try proof(wider, of: encoded).differences.count == 1)
    // A tensor has its elements compared as a weight's are, in its own type and shape.
    let filled = """
      graph @m(%s: i64[1]) -> (%y) {
        %y = ConstantOfShape(%s) {value = tensor f32[1] = [2.0]} : f32["n"] name "c"
      }
      """
    let claims = try proof(filled.replacing("[2.0]", with: "[3.0]"), of: filled).claims
    #expect(claims.map(\.sourceName) == ["y.value"])
    #expect(claims.map(\.source) != claims.map(\.written))
    #expect(
      try proof(filled.replacing("tensor f32[1] = [2.0]", with: "tensor i64[1] = [2]"), of: filled)
        .differences.map(\.message) == ["attribute 'value' is another"])
    // The precision that is computed in may be another, a type of integers not.
    let cast = "graph @m(%x: i64[4]) -> (%y) { %y = Cast(%x) {to = 1} : f32[4] name \"c\" }"
    #expect(try proof(cast.replacing("to = 1", with: "to = 16"), of: cast).differences == [])
    #expect(
      try proof(cast.replacing("to = 1", with: "to = 6"), of: cast).differences.first?.message
        == "attribute 'to' is another")
    // Only 1 asks for a causal mask (operators of ONNX, Attention); ONNX Runtime takes 3 for 0.
    let attention = """
      graph @m(%q: f32[1, 2, 3, 4], %k: f32[1, 2, 3, 4], %v: f32[1, 2, 3, 4]) -> (%y) {
        %y = Attention(%q, %k, %v) {is_causal = 3} : f32[1, 2, 3, 4] name "a"
      }
      """
    let open = attention.replacing("is_causal = 3", with: "is_causal = 0")
    #expect(try proof(open, of: attention).differences == [])
    let masked = attention.replacing("is_causal = 3", with: "is_causal = 1")
    #expect(
      try proof(masked, of: attention).differences.first?.message
        == "attribute 'is_causal' is another")
  }

  @Test func `the source's own quantizers are operators`() throws {
    let source = """
      graph @m(%x: f32[2, 4]) -> (%y) {
        weight @half: f32[] = [0.5]
        weight @quarter: f32[] = [0.25]
        weight @w: f8e4m3fn[4, 4] stored raw 0+16
        %q = QuantizeLinear(%x, @half) : f8e4m3fn[2, 4] name "q"
        %d = DequantizeLinear(%q, @half) : f32[2, 4] name "dq"
        %v = DequantizeLinear(@w, @quarter) : f32[4, 4] name "dw"
        %p = MatMul(%d, %v) : f32[2, 4] name "mm"
        %c = Cast(%p) {to = 17} : f8e4m3fn[2, 4] name "c"
        %y = DequantizeLinear(%c, @half) : f32[2, 4] name "last"
      }
      """
    // A clamp before one, and its result in another type, are what lowering puts there.
    let written = source.replacing(
      "  %q = QuantizeLinear(%x, @half)",
      with: """
          weight @high: f32[] = [120.0]
          %x.clamped = Min(%x, @high) : f32[2, 4]
          %q = QuantizeLinear(%x.clamped, @half)
        """
    ).replacing(
      "%y = DequantizeLinear(%c, @half) : f32[2, 4] name \"last\"",
      with: """
        %y.bf16 = DequantizeLinear(%c, @half) {output_dtype = 16} : bf16[2, 4] name "last"
          %y = Cast(%y.bf16) {to = 1} : f32[2, 4]
        """)
    #expect(try proof(written, of: source).differences == [])
    #expect(try proof(source, of: source).nodeCount == 6)
    // Another scale of one is another constant, which the claims are about.
    let scaled = try proof(source.replacing("[0.5]", with: "[0.75]"), of: source)
    #expect(scaled.claims.first { $0.sourceName == "half" }?.writtenName == "half")
    #expect(
      try proof(source.replacing("MatMul(%d,", with: "MatMul(%x,"), of: source).differences
        .map(\.message) == ["reads input 'x', expected the result of DequantizeLinear 'dq'"])
    #expect(
      try proof(source.replacing("DequantizeLinear(%c,", with: "DequantizeLinear(%p,"), of: source)
        .differences.map(\.message) == [
          "reads the result of MatMul 'mm', expected that of Cast 'c'"
        ])
  }

  @Test func `a weight that is stored twice was untied`() throws {
    let source = """
      graph @m(%x: f32[4]) -> (%y) {
        weight @b: f32[4] stored raw 0+16
        %a = Add(%x, @b) : f32[4]
        %y = Sub(%a, @b) : f32[4]
      }
      """
    #expect(try proof(source, of: source).differences == [])
    let untied = source.replacing("Sub(%a, @b)", with: "Sub(%a, @c)")
      .replacing("%a = ", with: "weight @c: f32[4] stored raw 16+16 %a = ")
    let first = try #require(try proof(untied, of: source).differences.first)
    #expect(first.place == "weight 'b'")
    #expect(first.message == "is stored twice, as 'c' and 'b'")
  }

  @Test func `casts are passed between floats only`() throws {
    let source = "graph @m(%x: f32[4]) -> (%y) { %y = Relu(%x) : f32[4] name \"r\" }"
    let bf16 = """
      graph @m(%x: f32[4]) -> (%y) {
        %a = Cast(%x) {to = 16} : bf16[4]
        %b = Relu(%a) : bf16[4]
        %y = Cast(%b) {to = 1} : f32[4]
      }
      """
    #expect(try proof(bf16, of: source).differences == [])
    let integers = bf16.replacing("to = 16", with: "to = 6").replacing(
      "%a = Cast", with: "%a = Cast"
    )
    .replacing(": bf16[4]\n  %b", with: ": i32[4]\n  %b")
    #expect(try proof(integers, of: source).differences.first?.place == "node 'r' (Relu)")
  }

  @Test(arguments: [
    // The new entries are codes at another scale than those that the rest of the graph takes off.
    ("QuantizeLinear(%new, @half)", "QuantizeLinear(%new, @quarter)", "node 'score' (Mul)"),
    // What leaves has not the scale of what enters.
    (
      "%present = Cast(%joined)", "%o = Mul(%joined, @half) %present = Cast(%o)", "output 'present'"
    ),
    // The old entries are multiplied, the new ones are not.
    ("Concat(%past.f,", "%d = Mul(%past.f, @half) %joined = Concat(%d,", "node 'update' (Concat)"),
  ])
  func `codes of a cache enter and leave at one scale`(
    _ right: String, _ wrong: String, _ place: String
  ) throws {
    let source = """
      graph @m(%past: f32[2, 4], %new: f32[1, 4]) -> (%present, %y) {
        %present = Concat(%past, %new) {axis = 0} : f32[3, 4] name "update"
        %y = Mul(%present, %present) : f32[3, 4] name "score"
      }
      """
    let written = """
      graph @m(%past: f8e4m3fn[2, 4], %new: f32[1, 4]) -> (%present, %y) {
        weight @half: f32[] = [0.5]
        weight @quarter: f32[] = [0.25]
        %new.q = QuantizeLinear(%new, @half) : f8e4m3fn[1, 4]
        %new.f = Cast(%new.q) {to = 1} : f32[1, 4]
        %past.f = Cast(%past) {to = 1} : f32[2, 4]
        %joined = Concat(%past.f, %new.f) {axis = 0} : f32[3, 4] name "update"
        %present = Cast(%joined) {to = 17} : f8e4m3fn[3, 4]
        %values = Mul(%joined, @half) : f32[3, 4]
        %y = Mul(%values, %values) : f32[3, 4] name "score"
      }
      """
    #expect(try proof(written, of: source).differences == [])
    let faulty =
      right.hasPrefix("Concat")
      ? written.replacing("%joined = Concat(%past.f,", with: wrong)
      : written.replacing(right, with: wrong)
    let first = try #require(try proof(faulty, of: source).differences.first)
    #expect(first.place == place, "\(first)")
  }

  /// A product of two activations with scales of their rows and columns, computed when the model runs.
  private static let measured = """
    graph @m(%x: f32[4, 4], %k: f32[4, 4]) -> (%y) {
      weight @last: i64[1] = [-1]
      weight @first: i64[1] = [-2]
      weight @high: f32[] = [240.0]
      weight @low: f32[] = [-240.0]
      %x.abs = Abs(%x) : f32[4, 4]
      %x.max = ReduceMax(%x.abs, @last) : f32[4, 1]
      %x.scale = Div(%x.max, @high) : f32[4, 1]
      %x.inverse = Reciprocal(%x.scale) : f32[4, 1]
      %x.scaled = Mul(%x, %x.inverse) : f32[4, 4]
      %x.floored = Max(%x.scaled, @low) : f32[4, 4]
      %x.clamped = Min(%x.floored, @high) : f32[4, 4]
      %x.codes = Cast(%x.clamped) {to = 17} : f8e4m3fn[4, 4]
      %k.abs = Abs(%k) : f32[4, 4]
      %k.max = ReduceMax(%k.abs, @first) : f32[1, 4]
      %k.scale = Div(%k.max, @high) : f32[1, 4]
      %k.scaled = Div(%k, %k.scale) : f32[4, 4]
      %k.codes = Cast(%k.scaled) {to = 17} : f8e4m3fn[4, 4]
      %x.float = Cast(%x.codes) {to = 1} : f32[4, 4]
      %k.float = Cast(%k.codes) {to = 1} : f32[4, 4]
      %product = MatMul(%x.float, %k.float) : f32[4, 4]
      %half = Mul(%product, %x.scale) : f32[4, 4]
      %whole = Mul(%half, %k.scale) : f32[4, 4]
      %y = Relu(%whole) : f32[4, 4] name "relu"
    }
    """

  private static let unmeasured = """
    graph @m(%x: f32[4, 4], %k: f32[4, 4]) -> (%y) {
      %product = MatMul(%x, %k) : f32[4, 4]
      %y = Relu(%product) : f32[4, 4] name "relu"
    }
    """

  @Test func `a scale that is computed when the model runs is taken off as it was put on`() throws {
    let proof = try proof(Self.measured, of: Self.unmeasured)
    #expect(proof.differences == [])
    #expect(proof.notCompared == nil)
    #expect(proof.nodeCount == 2)
  }

  @Test(arguments: [
    // The other operand's scale, one that is left on, and one that is taken off twice.
    ("Mul(%half, %k.scale)", "Mul(%half, %x.scale)", "times the scale 'k.scale'"),
    ("Relu(%whole)", "Relu(%half)", "times the scale 'k.scale'"),
    ("Mul(%product, %x.scale)", "Mul(%product, %k.scale)", "times the scale 'k.scale'"),
  ])
  func `another scale of the running model is found`(
    right: String, wrong: String, message: String
  ) throws {
    #expect(Self.measured.contains(right))
    let proof = try proof(Self.measured.replacing(right, with: wrong), of: Self.unmeasured)
    #expect(proof.differences.first?.place == "node 'relu' (Relu)")
    #expect(proof.differences.first?.message.contains(message) == true)
  }

  @Test func `scales along the axis that a product sums over are not taken off`() throws {
    // Each column of the first operand has its own: behind the product there is none to take off.
    for (right, wrong) in [
      ("ReduceMax(%x.abs, @last)", "ReduceMax(%x.abs, @first)"),
      ("ReduceMax(%k.abs, @first)", "ReduceMax(%k.abs, @last)"),
    ] {
      let written = Self.measured.replacing(right, with: wrong)
      #expect(try proof(written, of: Self.unmeasured).notCompared?.place == "node 'relu' (Relu)")
    }
    // A vector in what computes the scale gives each column its own too.
    let vector = Self.measured.replacing(
      "%x.scale = Div(%x.max, @high)",
      with: "%v = Constant() {value_floats = [1.0, 2.0, 3.0, 4.0]} : f32[4]\n"
        + "      %x.scale = Div(%x.max, %v)")
    #expect(try proof(vector, of: Self.unmeasured).notCompared?.place == "node 'relu' (Relu)")
  }

  @Test func `scales that the source computes itself are operators of it`() throws {
    #expect(try proof(Self.measured, of: Self.measured).differences == [])
    let wrong = Self.measured.replacing("Mul(%half, %k.scale)", with: "Mul(%half, %x.scale)")
    #expect(try proof(wrong, of: Self.measured).differences != [])
  }
}

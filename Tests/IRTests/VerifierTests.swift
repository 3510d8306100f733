import IR
import Support
import Testing

@Suite struct VerifierTests {
  @Test func `a model with bodies, functions and modules passes`() throws {
    try Verifier().verify(Model.parse(sound))
  }

  @Test(arguments: faults)
  func `a fault is found`(text: String, message: String) throws {
    let model = try Model.parse(text)
    let error = #expect(throws: Diagnostic.self) { try Verifier().verify(model) }
    #expect(error?.text.contains(message) == true, "\(error?.text ?? "")")
    #expect(error?.status == .internalError)
    let input = #expect(throws: Diagnostic.self) {
      try Verifier(status: .malformedInput).verify(model)
    }
    #expect(input?.status == .malformedInput)
  }

  @Test func `a module's result is of its last node`() throws {
    let text =
      "graph @m(%x) -> (%b) { %a = Relu(%x) %b = Neg(%a) module k \"p\" T by index () = %a }"
    var model = try Model.parse(text)
    let x = try #require(model.graph.value(named: "x"))
    model.graph.updateModule(at: 0) { $0.result = x }
    let error = #expect(throws: Diagnostic.self) { try Verifier().verify(model) }
    #expect(error?.message == "the result of module 'p' is not made by the last of its nodes")
  }

  @Test func `a node that is moved before its operand's maker is found`() throws {
    var graph = try Model.parse("graph @m(%x) -> (%b) { %a = Relu(%x) %b = Neg(%a) }").graph
    let first = graph.nodeIDs[0]
    let b = try #require(graph.value(named: "b"))
    graph.addNode(Node(op: "Abs", inputs: [b], outputs: []), results: [("c", nil)], before: first)
    let error = #expect(throws: Diagnostic.self) { try Verifier().verify(Model(graph: graph)) }
    #expect(error?.text == "error: node 'c': reads 'b' before it is defined [broken-invariant]")
  }

  @Test func `a name defined twice is found`() throws {
    var graph = Graph()
    graph.addInput("x", nil)
    graph.addInput("x", nil)
    let error = #expect(throws: Diagnostic.self) { try Verifier().verify(Model(graph: graph)) }
    #expect(error?.message == "graph 'main' defines 'x' twice")
  }

  @Test func `bodies nest at most one hundred deep`() throws {
    func nested(_ depth: Int) -> Graph {
      var graph = Graph()
      guard depth > 1 else { return graph }
      let body = Attribute("body", .graph(nested(depth - 1)))
      graph.addNode(Node(op: "A", inputs: [], outputs: [], attributes: [body]), results: [])
      return graph
    }
    try Verifier().verify(Model(graph: nested(100)))
    let error = #expect(throws: Diagnostic.self) {
      try Verifier(status: .malformedInput).verify(Model(graph: nested(101)))
    }
    #expect(error?.id == "graph-depth")
  }

  @Test func `a capture that nothing defines is found`() throws {
    var graph = Graph()
    let a = graph.capture("a")
    graph.setOutputs([a])
    let error = #expect(throws: Diagnostic.self) { try Verifier().verify(Model(graph: graph)) }
    #expect(error?.message == "graph 'main' reads 'a', which nothing defines")
  }

  @Test func `calls nest at most one hundred deep`() throws {
    func chain(_ count: Int) -> String {
      (0..<count).map { index in
        let call = index + 1 < count ? "\"l\"::F\(index + 1)(%x)" : "Relu(%x)"
        return """
          function "l"::F\(index)() {
            opset "" 21 opset "l" 1
            graph @f(%x) -> (%y) { %y = \(call) }
          }

          """
      }.joined() + "graph @m() -> () {}"
    }
    try Verifier().verify(Model.parse(chain(100)))
    #expect(throws: Diagnostic.self) { try Verifier().verify(Model.parse(chain(101))) }
  }
}

private let sound = """
  model { ir 10 opset "" 21 opset "l" 1 }
  function "l"::Leaky(alpha) {
    opset "" 21
    graph @f(%x) -> (%y) { %y = LeakyRelu(%x) {alpha = ref alpha kind 1} }
  }
  graph @main(%c: bool[], %x: f32[N, 2], @o) -> (%y, @o) {
    weight @o: f32[1] = [1.0] (overridable)
    weight @w: f8e4m3fn[2, 2] stored f32[4] raw 64+16 | reshape [2, 2] | transpose [1, 0] | \
  quantize f8e4m3fn scale [0.5, 0.25] axis 1 fullscale 240.0
    %h = MatMul(%x, @w) : f32[N, 2]
    %y = If(%c) {then_branch = graph @t() -> (%z) { %z = "l"::Leaky(%h) {alpha = 0.5} },
                 else_branch = graph @e() -> (@o) { }}
    module linear "fc" Linear by metadata (input: activation %x maxabs 2.0 scale 0.5,
      weight: weight @w axis 1 maxabs [1.0, 0.5]) = %h
  }
  """

private func weight(_ line: String) -> String { "graph @m() -> () { weight @w: \(line) }" }

private func module(_ lines: String) -> String {
  "graph @m(%x: f32[2, 3]) -> (%b) { %a = Relu(%x) %b = Neg(%a) \(lines) }"
}

private let faults: [(String, String)] = [
  ("model { opset \"\" 1 opset \"\" 2 } graph @m() -> () {}", "domain '' is imported twice"),
  ("model { opset \"ai.onnx\" 1 } graph @m() -> () {}", "domain 'ai.onnx' is spelled out"),
  (
    "function \"l\"::F() { graph @f() -> () {} } function \"l\"::F() { graph @f() -> () {} } "
      + "graph @m() -> () {}",
    "function 'F' of domain 'l' is defined twice"
  ),
  (
    "function \"l\"::F() { opset \"l\" 1 graph @f() -> () { run \"l\"::G() } } function \"l\"::G() "
      + "{ opset \"l\" 1 graph @f() -> () { run A() {b = graph @b() -> () { run \"l\"::F() }} } } "
      + "graph @m() -> () {}",
    "operator 'A' is of domain '', which is not imported"
  ),
  (
    "function \"l\"::F() { opset \"l\" 1 graph @f() -> () { run \"l\"::G() } } function \"l\"::G() "
      + "{ opset \"l\" 1 opset \"\" 1 graph @f() -> () "
      + "{ run A() {b = graph @b() -> () { run \"l\"::F() }} } } graph @m() -> () {}",
    "function 'F' of domain 'l' calls itself"
  ),
  (
    "function \"l\"::F(a, a = 1) { graph @f() -> () {} } graph @m() -> () {}",
    "node 'F': attribute 'a' appears twice"
  ),
  ("graph @m() -> () { run A() {a = ref b kind 1} }", "refers to attribute 'b'"),
  ("graph @m() -> () { run A() {a = 1, a = 2} }", "attribute 'a' appears twice"),
  ("graph @m() -> () { run \"z\"::A() }", "of domain 'z', which is not imported"),
  (
    "graph @m(%x, %y) -> () { weight @w: u8[0] = [] (overridable) }",
    "input 'w' of graph 'm' is not"
  ),
  ("graph @m(@w) -> () { weight @w: u8[0] = [] }", "input 'w' of graph 'm' is neither"),
  (
    "function \"l\"::F() { graph @f(@w) -> () { weight @w: u8[0] = [] (overridable) } } "
      + "graph @m() -> () {}",
    "weight 'w' of function 'f' is overridable"
  ),
  (weight("f32[N] stored raw 0+4"), "weight 'w' has a size that is unknown"),
  (weight("f32[-1] stored raw 0+4"), "weight 'w' has a size that is unknown"),
  (weight("f32[2] stored raw 0+4"), "weight 'w' holds 4 bytes or strings, expected 8"),
  (weight("i4[3] = x\"00\""), "weight 'w' holds 1 bytes or strings, expected 2"),
  (weight("f32[1] stored raw -4+4"), "lies at a negative"),
  (weight("f32[1] stored float_data 9223372036854775807+4"), "lies at a negative"),
  (weight("str[1] stored raw 0+4"), "has strings for elements of another type"),
  (weight("str[2] strings [\"a\"]"), "holds 1 bytes or strings, expected 2"),
  (weight("f32[1] strings [\"a\"]"), "has strings for elements of another type"),
  (weight("f32[1, 1] stored f32[1, 1] raw 0+4 | transpose [0, 0]"), "no permutation of its axes"),
  (weight("f32[2] stored f32[1] raw 0+4 | reshape [2]"), "reshaped to [2], expected a shape of 1"),
  (
    weight("f32[1] strings str[1] [\"a\"] | cast f32"), "cast from or to a tensor of strings"
  ),
  (
    "graph @m(@w) -> () { weight @w: f32[1] stored f32[1] raw 0+4 | reshape [1] (overridable) }",
    "is overridable and has a recipe"
  ),
  (
    weight("f32[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale 1 fullscale 2 | cast f32"),
    "quantized before the last step"
  ),
  (
    weight("f8e5m2[1] stored i8[1] raw 0+1 | quantize f8e5m2 scale 1 fullscale 2"),
    "quantized from a type other"
  ),
  (weight("i8[1] stored f32[1] raw 0+4 | quantize i8 scale 1 fullscale 2"), "quantized to i8"),
  (
    weight("f8e5m2[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale 1 fullscale 0"),
    "has fullscale 0.0"
  ),
  (
    weight("f8e5m2[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale nan fullscale 2"),
    "the scale of 'w' is nan"
  ),
  (
    weight("f8e5m2[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale [1.0, 2.0] axis 0 fullscale 2"),
    "the scale of 'w' has 2 numbers, expected 1"
  ),
  (
    weight("f8e5m2[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale [1.0] axis 1 fullscale 2"),
    "the scale of 'w' has axis 1"
  ),
  (
    "graph @m() -> () { run A() {v = tensor f32[2] = [1.0]} }",
    "node 'A': weight 'v' holds 4 bytes or strings, expected 8"
  ),
  (
    module("module k \"p\" T by index () = %a module k \"p\" T by index () = %b"),
    "'p' appears twice"
  ),
  (
    module("module k \"p\" T by index () = %a, %b module k \"q\" T by index () = %b"),
    "node 'b': belongs to module 'q'"
  ),
  (module("module k \"p\" T by index () = %b, %a"), "in another order than the graph"),
  (
    module("module k \"p\" T by index (i: activation %x, i: output %a) = %a"),
    "port 'i' of module 'p' appears twice"
  ),
  (
    module("module k \"p\" T by index (i: weight %x axis 2) = %a"),
    "port 'i' of module 'p' has channel axis 2"
  ),
  (
    module("module k \"p\" T by index (i: weight %x axis 1 maxabs [1.0, 2.0]) = %a"),
    "the range of port 'i'"
  ),
  (
    module("module k \"p\" T by index (i: activation %x maxabs -1.0) = %a"), "the range of port 'i'"
  ),
  (
    module("module k \"p\" T by index (i: weight %x scale dynamic reducing -1) = %a"),
    "port 'i' of module 'p' has a dynamic scale"
  ),
  (
    weight("f8e5m2[1] stored f32[1] raw 0+4 | quantize f8e5m2 scale dynamic fullscale 2"),
    "the scale of 'w' is dynamic"
  ),
  (
    module("module k \"p\" T by index (i: activation %x scale inf) = %a"),
    "the scale of 'p.i' is inf"
  ),
]

import IR
import Testing

@Suite struct ModelDifferenceTests {
  private static let base = """
    model { ir 10 opset "" 21 producer "p" "1" }
    graph @m(%x: f32[2, 4]) -> (%y) {
      weight @w: f32[4, 3] stored raw 0+48
      weight @s: f32[] = [0.5]
      %h = MatMul(%x, @w) : f32[2, 3] name "fc"
      %y = Softmax(%h) {axis = 1} : f32[2, 3]
      module linear "fc" Linear by scope (input: activation %x maxabs 2.0 scale 1.0, weight: weight @w axis 1) = %h
    }
    """

  private func changes(_ old: String, _ new: String) throws -> [String] {
    ModelDifference(from: try Model.parse(old), to: try Model.parse(new)).lines
  }

  @Test func `a model is as itself`() throws {
    #expect(try changes(Self.base, Self.base) == [])
  }

  @Test(arguments: [
    ("ir 10", "ir 11", ["IR version: 10 -> 11"]),
    ("opset \"\" 21", "opset \"\" 23", ["opset '': 21 -> 23"]),
    ("\"p\" \"1\"", "\"p\" \"2\"", ["producer: p 1 -> p 2"]),
    ("%x: f32[2, 4]", "%x: f32[n, 4]", ["input 'x': type: f32[2, 4] -> f32[n, 4]"]),
    ("-> (%y)", "-> (%h, %y)", ["outputs: y -> h, y"]),
    ("= [0.5]", "= [0.25]", ["weight 's': f32[] = [0.5] -> f32[] = [0.25]"]),
    ("raw 0+48", "raw 48+48", ["weight 'w': other elements (f32[4, 3])"]),
    (
      "f32[4, 3] stored raw 0+48", "bf16[4, 3] stored raw 0+24",
      ["weight 'w': f32[4, 3] -> bf16[4, 3]"]
    ),
    ("axis = 1}", "axis = 0}", ["operator 'y': attribute 'axis': 1 -> 0"]),
    ("Softmax(%h)", "LogSoftmax(%h)", ["operator 'y': Softmax -> LogSoftmax"]),
    ("MatMul(%x, @w)", "MatMul(@w, %x)", ["operator 'h': reads: (%x, @w) -> (@w, %x)"]),
    ("name \"fc\"", "name \"fd\"", ["operator 'h': name: fc -> fd"]),
    ("scale 1.0", "scale 16.0", ["module 'fc': port 'input': scale: 1.0 -> 16.0"]),
    ("maxabs 2.0", "maxabs 3.0", ["module 'fc': port 'input': range: 2.0 -> 3.0"]),
    (
      "module linear \"fc\"", "module linear \"fd\"",
      ["module 'fc' (linear): removed", "module 'fd' (linear): added"]
    ),
    (
      "%y = Softmax(%h) {axis = 1}", "%z = Relu(%h) %y = Softmax(%h) {axis = 1}",
      ["operator 'z' (Relu): added"]
    ),
  ])
  func `a change is said in words`(old: String, new: String, lines: [String]) throws {
    #expect(Self.base.contains(old))
    #expect(try changes(Self.base, Self.base.replacing(old, with: new)) == lines)
  }

  @Test func `bodies and functions are looked into`() throws {
    let text = """
      function "l"::F() { opset "" 21 graph @f(%x) -> (%y) { %y = Relu(%x) } }
      graph @m(%c) -> (%z) { %z = If(%c) {then_branch = graph @t() -> (%a) { %a = Neg(%c) }} }
      """
    let new = text.replacing("Relu", with: "Abs").replacing("Neg", with: "Sqrt")
    #expect(
      try changes(text, new) == [
        "function 'F' of 'l': operator 'y': Relu -> Abs",
        "operator 'z': then_branch: operator 'a': Neg -> Sqrt",
      ])
  }

  @Test func `another order is a change`() throws {
    let old = "graph @m(%x) -> (%a, %b) { %a = Relu(%x) %b = Neg(%x) }"
    let new = "graph @m(%x) -> (%a, %b) { %b = Neg(%x) %a = Relu(%x) }"
    #expect(try changes(old, new) == ["operators stand in another order"])
  }

  @Test func `what has no words is said as text`() throws {
    let old = "graph @m() -> () {}"
    #expect(
      try changes(old, "graph @n() -> () {}")
        == ["text: 'graph @m() -> () {' -> 'graph @n() -> () {'"])
  }
}

import IR
import Support
import Testing

@Suite struct ParserTests {
  @Test(arguments: [
    ("", "1:1: found the end of the text, expected 'model', 'function' or 'graph'"),
    ("graph @m(%x -> () {}", "1:13: found '->', expected ',' or ')'"),
    (
      "graph @m() -> (%y) {\n  %y = Relu(%é)\n}",
      "2:14: found 'é', expected a name"
    ),
    (
      "graph @m() -> (%y) {\n  %y = Relu(%\"é\")\n}",
      "2:13: found '%\"é\"', expected a value that is defined above"
    ),
    (
      "graph @m(%x) -> () { %x = Relu(%x) }",
      "1:22: found '%x', expected a name that is new to the graph"
    ),
    (
      "graph @m(%x) -> () { %a, %a = Split(%x) }",
      "1:26: found '%a', expected a name that is new to the graph"
    ),
    (
      "graph @m(%x) -> (@x) { }",
      "1:18: found '@x', expected '%', for it is no weight"
    ),
    (
      "graph @m() -> () { weight @w: f32[2] = f32[3] [1, 2, 3] | reshape [3] }",
      "1:31: found 'f32', expected the type f32[3], which the recipe makes"
    ),
    (
      "graph @m() -> () { weight @w: u8[1] = [256] }",
      "1:40: found '256', expected an element of type u8"
    ),
    (
      "graph @m() -> () { run A() {a = [1, 2.0]} }",
      "1:37: found '2.0', expected an integer"
    ),
    (
      "graph @m() -> () { run A() {a = 1e999} }",
      "1:33: found '1e999', expected a number that is a finite float32, inf, nan or the bits of a NaN"
    ),
    (
      "graph @m() -> () { run A() {a = nan(0x7f800000)} }",
      "1:33: found 'nan(0x7f800000)', expected a number that is a finite float32, inf, nan or the "
        + "bits of a NaN"
    ),
    (
      "graph @m() -> () doc \"a",
      "1:22: found a text that does not end, expected '\"' on the same line"
    ),
    (
      "graph @m() -> () doc \"\\q\"",
      "1:23: found an escape that says nothing, expected one of \\n, \\t, \\r, \\\", \\\\, \\x00 and \\u{0}"
    ),
    (
      "graph @m() -> () doc \"\\xff\" {}",
      "1:22: found the text \"\\xff\", expected a text in UTF-8"
    ),
    (
      "graph @m(%x) -> () { %a, %b = Split(%x) : f32 name \"n\" }",
      "1:47: found 'name', expected 2 types, one for each result, and not 1"
    ),
    (
      "model { ir 99999999999999999999 }",
      "1:12: found '99999999999999999999', expected the IR version between -9223372036854775808 and 9223372036854775807"
    ),
    ("graph @m() -> () {} graph", "1:21: found 'graph', expected the end of the text"),
    (
      "graph @m(%x) -> () { module linear \"o\" Linear by node-name () = %x }",
      "1:65: found '%x', expected a node's result"
    ),
  ])
  func `a fault is named with its place`(text: String, message: String) {
    let error = #expect(throws: Diagnostic.self) { try Model.parse(text) }
    #expect(error?.status == .malformedInput)
    #expect(error?.message == message)
  }

  @Test func `nesting ends at one hundred levels`() throws {
    func nest(_ depth: Int) -> String {
      String(repeating: "graph @b() -> () { run A() { body = ", count: depth) + "1"
        + String(repeating: "} }", count: depth)
    }
    let deepest = try Model.parse(nest(100))
    #expect(try Model.parse(deepest.text).text == deepest.text)
    let error = #expect(throws: Diagnostic.self) { try Model.parse(nest(101)) }
    #expect(error?.message.hasSuffix("expected at most 100 levels of nesting") == true)
    let types = "graph @m(%x: " + String(repeating: "seq<", count: 100_000)
    #expect(throws: Diagnostic.self) { try Model.parse(types) }
  }

  @Test func `a transposition out of range is refused where it meets the type`() {
    let text = "graph @m() -> () { weight @w: f32[2] stored f32[2] raw 0+8 | transpose [5] }"
    #expect((try? Model.parse(text))?.graph.nodeCount == 0)
  }

  /// Cuts and changes a text that uses the whole grammar; the parser answers or throws, no more.
  @Test func `no bytes stop the parser`() {
    let text = Array(everyField().text.utf8)
    for length in stride(from: 0, to: text.count, by: 7) {
      _ = try? Model.parse(Array(text.prefix(length)))
    }
    var state: UInt64 = 88_172_645_463_325_252
    func random(_ limit: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(limit))
    }
    let pieces = [
      "%", "@w", "[", "]", "-", "99999999999999999999", "\"", "nan(0x", "graph", "\u{0}",
    ]
    for _ in 0..<1500 {
      var changed = text
      for _ in 0...random(3) {
        let place = random(changed.count)
        switch random(3) {
        case 0: changed[place] = UInt8(random(256))
        case 1: changed.removeSubrange(place..<min(changed.count, place + random(40) + 1))
        default: changed.insert(contentsOf: pieces[random(pieces.count)].utf8, at: place)
        }
      }
      if let model = try? Model.parse(changed) { _ = model.text }
    }
  }
}

import Support
import Testing

@Suite struct DiagnosticTests {
  @Test(arguments: [
    ("noGraph()", "no-graph"), ("noIRVersion(of:)", "no-ir-version"),
    ("invalidJSON(_:line:)", "invalid-json"), ("unmeasured", "unmeasured"),
  ])
  func `an identifier is the name of what makes the message`(factory: String, id: String) {
    #expect(Diagnostic(.error, .usage, "m", factory: factory).id == id)
  }

  @Test func `broken invariants share one`() {
    #expect(Diagnostic(.error, .internalError, "m").id == "broken-invariant")
  }

  @Test func `text has the identifier, notes and remarks have none`() {
    let place = Location(file: "m.onnx", node: "a\u{1B}b")
    let warning = Diagnostic(
      .warning, .done, at: place, "is odd", notes: ["so is this"], factory: "oddNode()")
    #expect(
      warning.text == """
        warning: m.onnx: node 'a\\u{1b}b': is odd [odd-node]
        note: m.onnx: node 'a\\u{1b}b': so is this
        """)
    #expect(Diagnostic(.remark, .done, "done").text == "remark: done")
    #expect(
      Diagnostic(.error, .usage, "no", factory: "wrong()").text(inColor: true)
        == "\u{1B}[1;31merror\u{1B}[0m: no [wrong]")
  }

  @Test func `JSON has every key in one order`() {
    let error = Diagnostic(
      .error, .usage, at: Location(file: "f"), "\"x\"", notes: ["n"], factory: "wrong()")
    #expect(
      error.json.text(indent: nil) == #"{"severity": "error", "id": "wrong", "status": 64, "#
        + #""file": "f", "node": null, "message": "\"x\"", "notes": ["n"]}"#)
  }
}

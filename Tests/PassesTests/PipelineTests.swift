import IR
import Passes
import Support
import Testing

@Suite struct PipelineTests {
  @Test func `a pipeline reads back from its text`() throws {
    let pipeline = try Pipeline(
      parsing: " canonicalize ,canonicalize{}x".replacing("{}x", with: ""))
    #expect(pipeline.steps.map { $0.name } == ["canonicalize", "canonicalize"])
    #expect(pipeline.text == "canonicalize, canonicalize")
    #expect(try Pipeline(parsing: "").steps.isEmpty)
  }

  @Test(arguments: [
    (
      "canonicalise", "pass 'canonicalise' is unknown, expected one of ",
      "did you mean 'canonicalize'?"
    ),
    ("zzzzzzzzzz", "pass 'zzzzzzzzzz' is unknown", nil),
    ("canonicalize,", "pipeline: found the end, expected a pass", nil),
    ("canonicalize{a=1", "pipeline: found the end, expected '}'", nil),
    ("canonicalize{a}", "pipeline: found 'a', expected 'option=value'", nil),
    ("canonicalize{a=1}", "pass 'canonicalize' has no option 'a', expected none", nil),
    ("canonicalize{a=1} x", "pass 'canonicalize' has no option 'a', expected none", nil),
    ("{}", "pass '' is unknown", nil),
  ])
  func `a fault in the text is named`(text: String, message: String, note: String?) {
    let error = #expect(throws: Diagnostic.self) { try Pipeline(parsing: text) }
    #expect(error?.status == .usage)
    #expect(error?.message.hasPrefix(message) == true, "\(error?.text ?? "")")
    #expect(error?.notes == (note.map { [$0] } ?? []))
  }

  @Test func `a pipeline ends after one hundred passes`() throws {
    func text(_ count: Int) -> String {
      Array(repeating: "canonicalize", count: count).joined(separator: ",")
    }
    #expect(try Pipeline(parsing: text(100)).steps.count == 100)
    #expect(throws: Diagnostic.self) { try Pipeline(parsing: text(101)) }
  }

  @Test func `what a broken pass was given is kept for a reproducer`() throws {
    let text = "graph @main(%x) -> (%y) {\n  %y = Relu(%x)\n}\n"
    var model = try Model.parse(text)
    var context = PassContext(try PassSettings())
    var events: [String] = []
    let error = #expect(throws: Diagnostic.self) {
      try Pipeline([Canonicalize(), LoseImport()]).run(
        on: &model, in: &context, before: { step, _ in events.append("before \(step.name)") },
        after: { step, _ in events.append("after \(step.name)") })
    }
    #expect(error?.status == .internalError)
    #expect(context.reproducer?.text == "// RUN: lose-import\n" + text)
    #expect(
      events == [
        "before canonicalize", "after canonicalize", "before lose-import", "after lose-import",
      ])
    #expect(
      context.statistics.map { [$0.pass, $0.name, "\($0.count)"] } == [
        ["lose-import", "lost", "3"]
      ])
  }

  @Test func `options set what a pass stores`() throws {
    var pass = LoseImport()
    try pass.set("domain", to: "z")
    #expect(pass.domain == "z")
    #expect(throws: Diagnostic.self) { try pass.set("other", to: "z") }
  }
}

/// Breaks an invariant.
private struct LoseImport: Pass {
  static let name = "lose-import"
  static let options = ["domain"]
  var domain = ""

  mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    guard option == "domain" else {
      throw .optionValue(value, of: option, pass: LoseImport.name, expected: "nothing")
    }
    domain = value
  }

  func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    context.count("lost")
    context.count("lost", by: 2)
    model.opsets.removeAll { $0.domain == domain }
  }
}

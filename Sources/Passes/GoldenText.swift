package import IR
package import Support

/// A golden text: how to run, before, and what must come out.
///
///     // RUN: select-modules
///     // What it shows.
///     graph @main(%x) -> (%y) { … }
///     // ----
///     the whole output
package struct GoldenText: Sendable {
  private static let separator = "// ----\n"

  package let input: String
  package let expected: String

  package init(_ text: String) {
    guard let range = text.firstRange(of: GoldenText.separator) else {
      (input, expected) = (text, "")
      return
    }
    input = String(text[..<range.lowerBound])
    expected = String(text[range.upperBound...])
  }

  /// True for a text whose first line says how to run.
  package static func isGolden(_ text: String) -> Bool { text.hasPrefix(mark) }

  private static let mark = "// RUN: "

  /// The text with another second half.
  package func text(expecting output: String) -> String {
    input + GoldenText.separator + output
  }

  /// The pipeline behind `// RUN:` on the first line.
  package func pipeline() throws(Diagnostic) -> Pipeline {
    let line = input.prefix { $0 != "\n" }
    return try Pipeline(parsing: String(line.dropFirst(GoldenText.mark.count)))
  }

  /// What comes out; only the error where a pass throws, and then no model.
  package func run() -> (output: String, model: Model?) {
    do throws(Diagnostic) {
      var model = try Model.parse(input)
      var context = PassContext(try GoldenFacts(input).settings(), read: model)
      try pipeline().run(on: &model, in: &context)
      return (GoldenText.said(context) + model.text, model)
    } catch {
      return (GoldenText.comments([error]), nil)
    }
  }

  /// Diagnostics as comments, then what was left and why.
  package static func said(_ context: PassContext) -> String {
    comments(context.diagnostics)
      + context.left.map { node in
        "// left: \(node.path): \(node.node) as \(node.kind) \(node.type): \(node.reason)\n"
      }.joined()
  }

  package static func comments(_ diagnostics: [Diagnostic]) -> String {
    diagnostics.flatMap { $0.text.split(separator: "\n") }.map { "// \($0)\n" }.joined()
  }
}

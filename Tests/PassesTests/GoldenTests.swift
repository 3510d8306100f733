import FoundationEssentials
import IR
import Passes
import Support
import Testing

/// Files of `golden/`: how to run, before, and what must come out.
///
/// `FP8C_UPDATE_GOLDEN=1` rewrites every second half that differs, and fails.
@Suite struct GoldenTests {
  @Test(arguments: GoldenFile.all) func `the output is as recorded`(file: GoldenFile) throws {
    let golden = try file.read()
    let (output, _) = golden.run()
    guard output != golden.expected else { return }
    if ProcessInfo.processInfo.environment["FP8C_UPDATE_GOLDEN"] == "1" {
      try file.write(golden.input + GoldenFile.separator + output)
      Issue.record("\(file): rewritten, review the difference")
    } else {
      Issue.record("\(file): found\n\(output)\nexpected\n\(golden.expected)")
    }
  }

  @Test(arguments: GoldenFile.all) func `texts read back to equal models`(file: GoldenFile) throws {
    let golden = try file.read()
    for model in [try Model.parse(golden.input), golden.run().model].compactMap({ $0 }) {
      let read = try Model.parse(model.text)
      #expect(read.text == model.text)
      #expect(read.graph.compacted() == model.graph.compacted())
      #expect(
        read.functions.map { $0.body.compacted() } == model.functions.map { $0.body.compacted() })
      #expect(model.graph.compacted().compacted() == model.graph.compacted())
    }
  }

  @Test(arguments: GoldenFile.all) func `the verifier passes`(file: GoldenFile) throws {
    let golden = try file.read()
    try Verifier(status: .malformedInput).verify(Model.parse(golden.input))
    if let model = golden.run().model { try Verifier().verify(model) }
  }

  @Test(arguments: GoldenFile.all) func `a second run changes nothing`(file: GoldenFile) throws {
    let golden = try file.read()
    guard let once = golden.run().model else { return }
    var twice = once
    var context = PassContext(try GoldenFacts(golden.input).settings())
    try golden.pipeline().run(on: &twice, in: &context)
    #expect(twice.text == once.text)
  }

  @Test func `every pass has a folder with files, every folder a pass`() {
    let names = Set(PassRegistry.passes.map { $0.name })
    #expect(Set(GoldenFile.all.map { $0.folder }) == names)
  }
}

struct GoldenFile: Sendable, CustomTestStringConvertible {
  static let separator = "// ----\n"

  let folder: String
  let name: String

  var testDescription: String { "\(folder)/\(name)" }

  private static let root: String = {
    let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return tests.joined(separator: "/") + "/golden"
  }()

  static let all: [GoldenFile] = {
    let files = FileManager.default
    let folders = ((try? files.contentsOfDirectory(atPath: root)) ?? []).sorted()
    return folders.flatMap { folder in
      ((try? files.contentsOfDirectory(atPath: "\(root)/\(folder)")) ?? []).sorted()
        .filter { $0.hasSuffix(".ir") }.map { GoldenFile(folder: folder, name: $0) }
    }
  }()

  func read() throws -> Golden {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard let range = text.firstRange(of: GoldenFile.separator) else {
      return Golden(input: text, expected: "")
    }
    return Golden(
      input: String(text[..<range.lowerBound]), expected: String(text[range.upperBound...]))
  }

  func write(_ text: String) throws {
    try text.write(toFile: path, atomically: true, encoding: .utf8)
  }

  private var path: String { "\(GoldenFile.root)/\(folder)/\(name)" }
}

struct Golden {
  let input: String
  let expected: String

  /// The pipeline behind `// RUN:` on the first line.
  func pipeline() throws -> Pipeline {
    let line = try #require(input.split(separator: "\n").first)
    try #require(line.hasPrefix("// RUN: "))
    return try Pipeline(parsing: String(line.dropFirst(8)))
  }

  /// Diagnostics as comments, what `select-modules` left, then the model; only the error where a pass
  /// throws.
  func run() -> (output: String, model: Model?) {
    do {
      var model = try Model.parse(input)
      var context = PassContext(try GoldenFacts(input).settings())
      try pipeline().run(on: &model, in: &context)
      let left = context.left.map { node in
        "// left: \(node.path): \(node.node) as \(node.kind) \(node.type): \(node.reason)\n"
      }
      return (comments(context.diagnostics) + left.joined() + model.text, model)
    } catch let error as Diagnostic {
      return (comments([error]), nil)
    } catch {
      return ("// \(error)\n", nil)
    }
  }

  private func comments(_ diagnostics: [Diagnostic]) -> String {
    diagnostics.flatMap { $0.text.split(separator: "\n") }.map { "// \($0)\n" }.joined()
  }
}

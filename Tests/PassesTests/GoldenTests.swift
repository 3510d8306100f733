import FoundationEssentials
import IR
import Passes
import Support
import Testing

/// What holds of every file of `golden/` beside its output, which `fp8c golden check` compares.
@Suite struct GoldenTests {
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

  func read() throws -> GoldenText {
    GoldenText(try String(contentsOfFile: path, encoding: .utf8))
  }

  private var path: String { "\(GoldenFile.root)/\(folder)/\(name)" }
}

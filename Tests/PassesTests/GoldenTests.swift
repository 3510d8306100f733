import FP8
import FoundationEssentials
import IR
import Passes
import Support
import Targets
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
    var context = try golden.context(for: twice)
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

  /// What the driver would find out for the passes.
  ///
  /// It is read from comments at the beginning:
  ///
  ///     // RANGE: fc input 6.5        a measured range: module, port, one number or more
  ///     // WEIGHT: w 0.8              the largest magnitude of a weight, or of each channel
  ///     // METHOD: maxabs_pow2        likewise HP, TARGET, ALLOW-NAME, BLOCK-NAME, ALLOW-TYPE
  func context(for model: Model) throws -> PassContext {
    var settings = try PassSettings()
    for line in input.split(separator: "\n").dropFirst() {
      guard line.hasPrefix("// "), let colon = line.firstIndex(of: ":") else { break }
      let words = line[line.index(after: colon)...].split(separator: " ").map(String.init)
      switch line[line.index(line.startIndex, offsetBy: 3)..<colon] {
      case "RANGE":
        if settings.ranges[words[0]] == nil { settings.measuredPaths.append(words[0]) }
        let range = words.dropFirst(2).compactMap { Float($0) }
        settings.ranges[words[0], default: [:]][words[1]] = range
      case "WEIGHT":
        guard let id = model.graph.value(named: words[0]) else { continue }
        settings.weightRanges[id] = words.dropFirst().compactMap { Float($0) }
      case "METHOD": settings.method = try MethodTable.embedded().method(words[0])
      case "HP":
        settings.hp = try #require(HighPrecision(rawValue: words[0]))
        settings.arithmetic = .standard(for: settings.hp)
      case "TARGET":
        settings.target = try Target.load(words[0])
        settings.limits = try settings.target.limits(of: .e4m3)
      case "ALLOW-NAME": settings.selection.allowedNames = try words.map { try PathPattern($0) }
      case "BLOCK-NAME": settings.selection.blockedNames = try words.map { try PathPattern($0) }
      case "ALLOW-TYPE": settings.selection.allowedTypes = words
      default: break
      }
    }
    return PassContext(settings)
  }

  /// Diagnostics as comments, then the model; only the error where a pass throws.
  func run() -> (output: String, model: Model?) {
    do {
      var model = try Model.parse(input)
      var context = try context(for: model)
      try pipeline().run(on: &model, in: &context)
      return (comments(context.diagnostics) + model.text, model)
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

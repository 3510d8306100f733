import Support
import TestSupport
import Testing

@testable import Driver

/// What messages look like, and what makes them count.
@Suite struct MessageTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")

  private static let forced = ["FORCE_COLOR": "1", "NO_COLOR": ""]

  @Test func `a message ends in its identifier, and explain knows it`() throws {
    let result = try Command(["inspect", "none.onnx"])
    #expect(result.status == 66)
    #expect(result.errors.contains("[cannot-open]\n"))
    let explained = try Command(["explain", "cannot-open"])
    #expect(explained.status == 0)
    #expect(explained.output.hasPrefix("cannot-open\n\n"))
    let all = try Command(["explain"])
    #expect(all.output.contains("\nidle-selector\n"))
    let unknown = try Command(["explain", "cannot-opn"])
    #expect(unknown.status == 64)
    #expect(unknown.errors.contains("did you mean 'cannot-open'?"))
  }

  @Test func `warnings become errors by flag, all or by identifier`() throws {
    let folder = try TemporaryFolder()
    func run(_ flags: [String]) throws -> Command {
      try Command(
        ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"]
          + ["--block-name", "nowhere"] + flags, in: folder.path)
    }
    let plain = try run([])
    #expect(plain.status == 0)
    #expect(plain.errors.contains("warning: "))
    for flag in ["--werror", "--werror=idle-selector"] {
      let strict = try run([flag])
      #expect(strict.status == 1)
      #expect(strict.error.hasSuffix("matches no module [idle-selector]"))
      #expect(try folder.entries().contains("out.onnx"))
    }
    #expect(try run(["--werror=zero-range"]).status == 0)
    let silent = try run(["--no-warn=idle-selector", "--werror"])
    #expect(silent.status == 0)
    #expect(!silent.errors.contains("idle-selector"))
    let wrong = try run(["--werror=idle-selectr"])
    #expect(wrong.status == 64)
    #expect(wrong.error.contains("[unknown-diagnostic]"))
  }

  @Test func `in SARIF standard error is one document`() throws {
    let folder = try TemporaryFolder()
    try folder.write("a b,c.onnx", [0xFF])
    let result = try Command(
      ["quantize", "a b,c.onnx", "-o", "out.onnx", "--diagnostics", "sarif", "-v"],
      in: folder.path)
    #expect(result.status == 65)
    let document = JSONReader(try JSON.parse(Array(result.errors.utf8)))
    #expect(try document.member("version").string() == "2.1.0")
    let run = try document.member("runs").items()[0]
    let found = try run.member("results").items()[0]
    let driver = try run.member("tool").member("driver")
    let rule = try driver.member("rules").items()[0]
    #expect(try found.member("ruleId").string() == rule.member("id").string())
    #expect(try found.member("level").string() == "error")
    let place = try found.member("locations").items()[0].member("physicalLocation")
    #expect(try place.member("artifactLocation").member("uri").string() == "a%20b%2Cc.onnx")
    // A run without messages is a document without results.
    let none = try Command(
      ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"]
        + ["--diagnostics", "sarif"], in: folder.path)
    #expect(none.status == 0)
    let empty = JSONReader(try JSON.parse(Array(none.errors.utf8)))
    #expect(try empty.member("runs").items()[0].member("results").items().isEmpty)
  }

  @Test func `annotations of GitHub name the file and escape what is theirs`() throws {
    let folder = try TemporaryFolder()
    try folder.write("a:b,c%.onnx", [0xFF])
    let result = try Command(
      ["quantize", "a:b,c%.onnx", "-o", "out.onnx", "--diagnostics", "github"], in: folder.path)
    #expect(result.status == 65)
    #expect(
      result.lines.contains { $0.hasPrefix("::error file=a%3Ab%2Cc%25.onnx,title=") },
      "\(result.errors)")
  }

  @Test func `in JSON every line of standard error is an object`() throws {
    let folder = try TemporaryFolder()
    let result = try Command(
      ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"]
        + ["--block-name", "nowhere", "--diagnostics", "json"], in: folder.path)
    #expect(result.status == 0)
    let lines = try result.lines.map { try JSON.parse(Array($0.utf8)) }
    #expect(lines.contains { $0["id"] == .string("idle-selector") })
    #expect(lines.allSatisfy { $0["severity"] != nil && $0["message"] != nil })
  }

  @Test(arguments: [
    ([:], true, true), ([:], false, false), (["TERM": "dumb"], true, false),
    (["NO_COLOR": "1"], true, false), (["NO_COLOR": ""], true, true),
    (["CLICOLOR_FORCE": "1"], false, true), (["FORCE_COLOR": "1"], false, true),
    (["CLICOLOR_FORCE": "0"], false, false), (["NO_COLOR": "1", "FORCE_COLOR": "1"], true, false),
    (["FORCE_COLOR": "1", "TERM": "dumb"], false, true),
  ])
  func `colour follows the variables`(
    variables: [String: String], isTerminal: Bool, isColored: Bool
  ) {
    #expect(
      Console.usesColor(isTerminal: isTerminal, environment: { variables[$0] }) == isColored)
  }

  @Test func `colour reaches standard error, and nothing else`() throws {
    let forced = try Command(["inspect", "none.onnx"], environment: Self.forced)
    #expect(forced.errors.hasPrefix("\u{1B}[1;31merror\u{1B}[0m: none.onnx: "))
    let table = try Command(
      ["inspect", Self.digits, "--table"], environment: Self.forced)
    #expect(!table.output.contains("\u{1B}"))
  }

  @Test func `a phase has a rate and says what is left`() {
    var phase = Phase(title: "writing a", total: 4_000_000_000, unit: .bytes, start: .now)
    #expect(phase.line == "writing a: 4 GB")
    _ = phase.advance(by: 1_000_000_000, at: .now)
    #expect(phase.line(after: .seconds(2)) == "writing a: 25 %, 500 MB/s, 6 s left")
    var open = Phase(title: "measuring", total: nil, unit: .batches, start: .now)
    #expect(open.line == "measuring")
    _ = open.advance(by: 3, at: .now)
    #expect(open.line(after: .seconds(2)) == "measuring: 3 batches, 1.5 batches/s")
  }

  @Test func `phases are lines in a log and silent where asked`() throws {
    let folder = try TemporaryFolder()
    func run(_ flags: [String]) throws -> [String] {
      try Command(
        ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"] + flags,
        in: folder.path
      ).lines
    }
    #expect(try run([]).first == "reading weights: 63.6 kB")
    #expect(try run([]).dropFirst().first?.hasPrefix("writing out.onnx: ") == true)
    #expect(try run(["--progress", "never"]).count == 1)
    #expect(try run(["-q"]) == [])
    #expect(try run(["--progress", "always"]).first?.hasPrefix("\r\u{1B}[K") == true)
  }
}

import Support
import TestSupport
import Testing

/// `diff`, `golden` and `inspect --print-deps`, as a user runs them.
@Suite struct CompareTests {
  private static let mlp = goldenPath("onnx/mlp_small.ts.onnx")
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
  private static let golden = String(goldenPath("").dropLast("/models/".count))

  @Test func `the golden files of this project hold`() throws {
    let result = try Command(["golden", "check", Self.golden])
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output == "")
  }

  @Test func `diff ends with status 1 and says which scale it was`() throws {
    let folder = try TemporaryFolder()
    for (name, method) in [("a", "unit_scale"), ("b", "maxabs_hw")] {
      let made = try Command(
        ["quantize", Self.mlp, "-o", "\(name).onnx", "--scale-method", method, "--dump-stats-path"]
          + ["mlp"], in: try copies(folder))
      #expect(made.status == 0, "\(made.errors)")
    }
    let tables = try Command(["diff", "a.scales.json", "b.scales.json"], in: folder.path)
    #expect(tables.status == 1)
    // The measured range is 3.40625; times 4, over 240, the next of the hardware's scales is 1/16.
    #expect(
      tables.output.contains(
        "module 'fc1': port 'input': maxabs: null -> 3.40625\n"
          + "module 'fc1': port 'input': scale: 1.0 -> 0.0625\n"))
    let models = try Command(["diff", "a.onnx", "b.onnx"], in: folder.path)
    #expect(models.status == 1)
    #expect(models.output.contains("weight 'fc1.weight': other elements (f8e4m3fn[32, 64])\n"))
    let same = try Command(["diff", "a.onnx", "a.onnx"], in: folder.path)
    #expect(same.status == 0 && same.output == "")
    let mixed = try Command(["diff", "a.onnx", "a.scales.json"], in: folder.path)
    #expect(mixed.status == 64)
    #expect(mixed.error.hasSuffix("[different-kinds]"))
  }

  @Test func `golden texts are written, compared and differ line by line`() throws {
    let folder = try TemporaryFolder()
    try folder.write("g/sub/m.onnx", InputFile.contents(of: Self.mlp, limit: 1 << 24))
    try folder.write("g/other.onnx", InputFile.contents(of: Self.mlp, limit: 1 << 24))
    let configuration = #"{"scale_method": "unit_scale", "hp_dtype": "fp32"}"#
    try folder.write("g/sub/m.config.json", Array(configuration.utf8))
    func run(_ word: String) throws -> Command {
      try Command(["golden", word, "g"], in: folder.path)
    }
    let first = try run("check")
    #expect(first.status == 1)
    #expect(first.output.hasPrefix("--- g/sub/m.expected.ir\n+++ found\n@@ -1,0 +1,"))
    #expect(first.errors.contains("g: 1 models have neither a configuration nor an expected text"))
    #expect(try run("update").output == "g/sub/m.expected.ir\n")
    #expect(try run("check").status == 0)
    #expect(try run("update").output == "")
    let e5m2 = configuration.replacing("{", with: #"{"fp8_config": "E5M2", "#)
    try folder.write("g/sub/m.config.json", Array(e5m2.utf8))
    let changed = try run("check")
    #expect(changed.status == 1)
    let lines = changed.output.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("-  weight @fc1.weight: f8e4m3fn[32, 64]") })
    #expect(lines.contains { $0.hasPrefix("+  weight @fc1.weight: f8e5m2[32, 64]") })
  }

  @Test func `what is no golden test is an error`() throws {
    let folder = try TemporaryFolder()
    let none = try Command(["golden", "check", "nowhere"], in: folder.path)
    #expect(none.status == 66)
    #expect(none.error.hasSuffix("[not-a-folder]"))
    try folder.write("g/plain.ir", Array("graph @m() -> () {}".utf8))
    let empty = try Command(["golden", "check", "g"], in: folder.path)
    #expect(empty.status == 66)
    #expect(empty.error.hasSuffix("[no-golden-tests]"))
    let text = "// RUN: canonicalize\n// RANGES: fc\ngraph @m() -> () {}\n// ----\n"
    try folder.write("g/plain.ir", Array(text.utf8))
    let unknown = try Command(["golden", "check", "g"], in: folder.path)
    #expect(unknown.status == 1)
    #expect(unknown.output.contains("'// RANGES: fc' says nothing known [golden-line]"))
  }

  @Test func `the files that a job reads can be asked for before`() throws {
    let folder = try TemporaryFolder()
    let plain = try Command(
      ["inspect", "--print-deps", goldenPath("onnx/external_many.onnx"), "--scale-method"]
        + ["unit_scale"])
    #expect(plain.status == 0)
    let files = plain.output.split(separator: "\n").map(String.init)
    #expect(files.first == goldenPath("onnx/external_many.onnx"))
    #expect(files.count > 2)
    try folder.write("c.json", Array("{}".utf8))
    let measured = try Command(
      ["inspect", "--print-deps", Self.digits, "--config", "c.json", "--dump-stats-path", "m"],
      in: folder.path)
    #expect(measured.output == "\(Self.digits)\nc.json\nm_hooks_maxabs.json\n")
    let batches = try Command(
      ["inspect", "--print-deps", Self.digits, "--calibration", "x.npz"], in: folder.path)
    #expect(batches.output == "\(Self.digits)\nx.npz\n")
  }

  private static let data =
    "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"

  /// The folder, with INC's measurement of the model in it: scale files are written beside it.
  private func copies(_ folder: borrowing TemporaryFolder) throws -> String {
    try folder.write(
      "mlp_hooks_maxabs.json", InputFile.contents(of: "\(Self.data)/mlp.json", limit: 1 << 20))
    return folder.path
  }
}

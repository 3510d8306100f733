import FoundationEssentials
import Support
import TestSupport
import Testing

/// `fp8c report` on models that were compiled.
@Suite struct ReportCommandTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")

  @Test func `a report without a runtime has ranges and codes`() throws {
    let folder = try TemporaryFolder()
    try compile(in: folder)
    for name in ["a.html", "b.html"] {
      let result = try Command(["report", "out.scales.json", "-o", name], in: folder.path)
      #expect(result.status == 0, "\(result.errors)")
    }
    let page = try folder.text("a.html")
    #expect(try folder.text("b.html") == page)
    #expect(page.contains("No batches were run"))
    // Five weights are drawn.
    #expect(page.matches(of: /aria-label="Histogram of codes"/).count == 5)
    try FileManager.default.removeItem(atPath: folder["out.onnx"])
    let alone = try Command(["report", "out.scales.json", "-o", "c.html"], in: folder.path)
    #expect(alone.status == 0)
    #expect(try folder.text("c.html").contains("does not lie beside its table"))
  }

  @Test(.enabled(if: runtimeIsExpected)) func `with batches it has what modules cost`() throws {
    let folder = try TemporaryFolder()
    try compile(in: folder)
    let result = try Command(
      [
        "report", "out.scales.json", "-o", "a.html", "--source", Self.digits, "--inputs",
        goldenPath("digits/calib.npz"),
      ], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let page = try folder.text("a.html")
    #expect(page.contains("What FP8 costs each module"))
    #expect(page.contains("features.7"))
  }

  @Test(.enabled(if: runtimeIsExpected)) func `node data has the rows by the names of nodes`()
    throws
  {
    let folder = try TemporaryFolder()
    try compile(in: folder)
    let result = try Command(
      [
        "report", "out.scales.json", "-o", "a.html", "--source", Self.digits, "--inputs",
        goldenPath("digits/calib.npz"), "--node-data", "nodes.json",
      ], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let verified = try Command(
      ["verify", Self.digits, "out.onnx", "--inputs", goldenPath("digits/calib.npz")],
      in: folder.path)
    let row = try #require(verified.output.split(separator: "\n").first { $0.hasPrefix("fc2 ") })
    let decibels = try #require(row.split(separator: " ").dropFirst().first)
    let data = try JSONReader(JSON.parse(Array(try folder.text("nodes.json").utf8)))
    // The source's graph is 'main_graph', its last node '/fc2/Gemm'.
    let node = try data.member("main_graph").member("results").member("/fc2/Gemm")
    #expect(try node.member("value").double() == Double(decibels))
    let half = try Command(
      ["report", "out.scales.json", "-o", "b.html", "--node-data", "n.json"], in: folder.path)
    #expect(half.status == 64 && half.errors.contains("[report-needs-both]"))
  }

  @Test func `what is no table is refused`() throws {
    let folder = try TemporaryFolder()
    try compile(in: folder)
    _ = try folder.write("no.json", Array("{}".utf8))
    let none = try Command(["report", "no.json", "-o", "a.html"], in: folder.path)
    #expect(none.status == 78 && none.errors.contains("[missing-key]"), "\(none.errors)")
    let absent = try Command(["report", "absent.json", "-o", "a.html"], in: folder.path)
    #expect(absent.status == 66)
    let half = try Command(
      ["report", "out.scales.json", "-o", "a.html", "--source", Self.digits], in: folder.path)
    #expect(half.status == 64 && half.errors.contains("[report-needs-both]"))
    #expect(try !folder.entries().contains("a.html"))
  }

  private func compile(in folder: borrowing TemporaryFolder) throws {
    let result = try Command(
      ["compile", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"],
      in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
  }
}

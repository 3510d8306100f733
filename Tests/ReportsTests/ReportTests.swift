import Backend
import FP8
import IR
import Reports
import Support
import TestSupport
import Testing

@Suite struct ReportTests {
  @Test func `names of a model are text whatever they hold`() throws {
    let name = "<script>alert(1)</script>&'\"\u{1B}[31m\u{202E}"
    let page = try page(of: table(path: name))
    #expect(!page.contains("<script"))
    #expect(
      page.contains(
        "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;&quot;\\u{1b}[31m\\u{202e}"))
    #expect(!page.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E })
  }

  @Test func `a name of a megabyte is cut`() throws {
    let page = try page(of: table(path: String(repeating: "n", count: 1 << 20)))
    #expect(page.utf8.count < 20_000)
    #expect(page.contains(String(repeating: "n", count: 300) + "…"))
  }

  @Test func `the page needs nothing beside it and runs nothing`() throws {
    let page = try page(of: table(path: "fc"))
    #expect(page.contains("Content-Security-Policy\" content=\"default-src 'none';"))
    for word in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "onload"] {
      #expect(!page.contains(word), "\(word)")
    }
    // Every element that is opened is closed, but for those of HTML that have no end.
    for element in ["main", "table", "tr", "td", "th", "svg", "figure", "dl", "div", "style"] {
      let opened = page.matches(of: try Regex("<\(element)[ >]")).count
      #expect(opened == page.matches(of: try Regex("</\(element)>")).count, "\(element)")
    }
  }

  @Test func `numbers are those of table, codes and costs`() throws {
    let page = try page(
      of: table(path: "fc"),
      costs: [
        ModuleCost(
          path: "fc", total: 26.04, weights: 29, rounding: 30.5, saturation: .infinity,
          clipped: 0.00001, flushed: 0.25)
      ])
    for text in ["26.0", "29.0", "30.5", "∞", "&lt;0.01 %", "25.0 %", "E4M3, full scale 240.0"] {
      #expect(page.contains(text), "\(text)")
    }
    // 1.4 kB of float32 became 352 bytes.
    #expect(page.contains("1.4 kB") && page.contains("352 B"))
    // Full scale 240 at scale 1/16 is 15, 3 powers of two less log2(15 / 16) above 1.875.
    #expect(page.contains("3.0 bits"))
    #expect(page.contains("the path matches &#39;head&#39; of the blocklist"))
  }

  @Test func `codes are counted and squared channel by channel`() throws {
    // E4M3: 0x38 is 1, 0xB8 is -1, 0x40 is 2.
    let codes: [UInt8] = [0x38, 0x40, 0x00, 0xB8, 0x40, 0x38]
    let type = TensorType(.float8e4m3fn, sizes: [2, 3])
    var rows = CodeCounter(.e4m3, .perChannel([0.5, 2], axis: 0), type)
    try rows.write(codes[...])
    // 0.25 · (1 + 4 + 0) + 4 · (1 + 4 + 1)
    #expect(rows.signal == 25.25)
    #expect(rows.counts[0x40] == 2 && rows.counts[0] == 1 && rows.counts.reduce(0, +) == 6)
    var columns = CodeCounter(.e4m3, .perChannel([1, 2, 4], axis: 1), type)
    for code in codes { try columns.write([code][...]) }
    // 1 · (1 + 1) + 4 · (4 + 4) + 16 · (0 + 1)
    #expect(columns.signal == 50)
    var whole = CodeCounter(.e4m3, .perTensor(0.25), type)
    try whole.write(codes.span)
    #expect(whole.signal == 11.0 / 16)
  }

  private func page(of table: ScaleTableFile, costs: [ModuleCost]? = nil) throws -> String {
    var counter = CodeCounter(.e4m3, .perTensor(0.0625), TensorType(.float8e4m3fn, sizes: [4]))
    try counter.write([0x38, 0x40, 0x00, 0xB8][...])
    let limits = try FormatLimits(encoding: .e4m3, fullscale: 240, alignedScales: [])
    let report = Report(table, limits: limits, codes: ["w": counter], costs: costs)
    var sink = MemorySink()
    try report.write(to: &sink)
    return String(decoding: sink.bytes, as: UTF8.self)
  }

  private func table(path: String) throws -> ScaleTableFile {
    let name = JSON.string(path).text(indent: nil)
    let digest = String(repeating: "a", count: 64)
    let text = """
      {
        "format_version": 1, "tool": { "name": "fp8c", "version": "9.8" },
        "model_sha256": "\(digest)", "config_sha256": "\(digest)", "measurement_sha256": null,
        "target": "gaudi2", "fp8_config": "E4M3", "form": "target", "scale_method": "maxabs_hw",
        "weight_bytes": { "source": 1408, "output": 352 },
        "modules": [{
          "path": \(name), "kind": "linear", "type": "Linear", "nodes": ["n"],
          "evidence": "node-name",
          "ports": [
            { "port": "input", "role": "activation", "value": \(name), "maxabs": 1.875,
              "scale": 0.0625, "inverse_scale": 16.0, "granularity": "per-tensor" },
            { "port": "weight", "role": "weight", "value": "w", "maxabs": 0.5, "scale": 0.0625,
              "inverse_scale": 16.0, "granularity": "per-tensor", "elements": 4,
              "clipped_fraction": 0.25, "flushed_fraction": 0.5, "mean_squared_error": 0.125 }
          ]
        }],
        "left": [{ "path": "head", "kind": "linear", "type": "Linear", "node": \(name),
          "reason": "the path matches 'head' of the blocklist" }]
      }
      """
    return try ScaleTableFile(Array(text.utf8), file: "t.json")
  }
}

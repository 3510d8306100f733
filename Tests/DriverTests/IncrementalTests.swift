import Foundation
import Support
import TestSupport
import Testing

/// `--incremental`: what a run takes over from the one before is what it would have made itself.
@Suite struct IncrementalTests {
  private func measured() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let data = "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
    _ = try folder.write(
      "m_hooks_maxabs.json", InputFile.contents(of: "\(data)/mlp.json", limit: 1 << 20))
    _ = try folder.write(
      "model.onnx", InputFile.contents(of: goldenPath("onnx/mlp_small.ts.onnx"), limit: 1 << 20))
    return folder
  }

  private func command(
    _ folder: borrowing TemporaryFolder, record: String?, _ options: [String] = []
  ) throws -> Command {
    try Command(
      [
        "quantize", folder["model.onnx"], "-o", folder["out.onnx"], "--dump-stats-path",
        folder["m"],
      ] + (record.map { ["--incremental", folder[$0]] } ?? []) + options)
  }

  /// Runs with the record, or without any, and gives the bytes of everything that is written.
  private func quantize(
    _ folder: borrowing TemporaryFolder, recording: Bool, _ options: [String] = []
  ) throws -> [[UInt8]] {
    let result = try command(folder, record: recording ? "record.json" : nil, options)
    #expect(result.status == 0, "\(result.errors)")
    let data = folder["out.onnx.data"]
    return try ["out.onnx", "out.scales.json"].map { try folder.contents($0) }
      + (options.contains("always") ? [InputFile.contents(of: data, limit: 1 << 20)] : [])
  }

  /// Changes what the record says, with the digest that fits.
  private func edit(
    _ folder: borrowing TemporaryFolder, _ change: (String) throws -> String
  ) throws {
    let text = String(decoding: try folder.contents("record.json"), as: UTF8.self)
    let parts = try #require(
      text.firstMatch(of: /(.*"sha256": ")([0-9a-f]{64})(", "record": )(.*)}\n/))
    #expect(try SHA256.hex(of: Array(parts.4.utf8)) == String(parts.2))
    let record = try change(String(parts.4))
    #expect(record != parts.4)
    let digest = try SHA256.hex(of: Array(record.utf8))
    _ = try folder.write("record.json", Array("\(parts.1)\(digest)\(parts.3)\(record)}\n".utf8))
  }

  @Test(arguments: ["never", "always"])
  func `the bytes of a weight that did not change are copied`(placement: String) throws {
    let folder = try measured()
    let options = ["--external-data", placement]
    let expected = try quantize(folder, recording: false, options)
    #expect(try quantize(folder, recording: true, options) == expected)
    #expect(try quantize(folder, recording: true, options) == expected)
    // A record that points elsewhere shows in the output where bytes come from the earlier one.
    try edit(folder) { text in
      text.replacing(/"offset": ([0-9]+)/) { "\"offset\": \(max(Int($0.1) ?? 0, 1) - 1)" }
    }
    #expect(try quantize(folder, recording: true, options) != expected)
  }

  @Test func `what is taken over is said`() throws {
    let folder = try measured()
    #expect(try !command(folder, record: "record.json").errors.contains("of the last run"))
    let again = try command(folder, record: "record.json")
    #expect(again.errors.contains("bytes of weights are those of the last run"), "\(again.errors)")
  }

  @Test func `what weights hold is not read again`() throws {
    let folder = try measured()
    let options = ["--scale-method", "maxabs_pow2"]
    let expected = try quantize(folder, recording: true, options)
    try edit(folder) { $0.replacing(/"max_abs": \[[0-9.]+\]/) { _ in "\"max_abs\": [3000.0]" } }
    #expect(try quantize(folder, recording: true, options)[1] != expected[1])
  }

  @Test(arguments: [
    ["--block-name", "layers.0"], ["--scale-method", "maxabs_pow2"],
    ["--scale-method", "act_maxabs_pow2_weights_pcs_opt_pow2"],
    ["--scale-method", "maxabs_pow2_opt_weight"], ["--target", "gaudi3"], ["--qdq"],
    ["--hp-dtype", "fp32"], ["--fp8-config", "E5M2"], ["--external-data", "always"],
  ])
  func `another run finds what it would have made`(options: [String]) throws {
    let folder = try measured()
    let expected = try quantize(folder, recording: false, options)
    let first = try quantize(folder, recording: true)
    #expect(try quantize(folder, recording: true, options) == expected)
    #expect(try quantize(folder, recording: true) == first)
  }

  @Test func `a weight that changed is made anew`() throws {
    let folder = try measured()
    _ = try quantize(folder, recording: true)
    var model = try folder.contents("model.onnx")
    // A float32 of a weight in the middle of the file becomes another.
    let place = model.count / 2
    model[place] ^= 0x40
    _ = try folder.write("model.onnx", model)
    let expected = try quantize(folder, recording: false)
    #expect(try quantize(folder, recording: true) == expected)
  }

  @Test func `an output that changed is not taken over`() throws {
    let folder = try measured()
    let expected = try quantize(folder, recording: true)
    _ = try folder.write("out.onnx", expected[0].map { $0 ^ 0xFF })
    #expect(try quantize(folder, recording: true) == expected)
    try FileManager.default.removeItem(atPath: folder["out.onnx"])
    #expect(try quantize(folder, recording: true) == expected)
  }

  @Test func `a record of another version is not used`() throws {
    let folder = try measured()
    let expected = try quantize(folder, recording: true)
    let text = String(decoding: try folder.contents("record.json"), as: UTF8.self)
    let edited = text.replacing(/"format_version": "[^"]+"/) { _ in "\"format_version\": \"0\"" }
      .replacing(/"record": .*}/) { _ in "\"record\": {}}" }
    #expect(edited != text)
    _ = try folder.write("record.json", Array(edited.utf8))
    #expect(try quantize(folder, recording: true) == expected)
  }

  @Test(arguments: [
    ("{}", "key 'format_version' is missing"), ("no record", "expected"),
    (#"{"format_version": 1}"#, "format_version"),
  ])
  func `a file that is no record is refused and stays`(text: String, message: String) throws {
    let folder = try measured()
    _ = try folder.write("record.json", Array(text.utf8))
    let result = try command(folder, record: "record.json")
    #expect(result.status == 78)
    #expect(result.errors.contains("record.json"))
    #expect(result.errors.contains(message), "\(result.errors)")
    #expect(try folder.contents("record.json") == Array(text.utf8))
    #expect(!FileManager.default.fileExists(atPath: folder["out.onnx"]))
  }

  @Test func `a damaged record is refused`() throws {
    let folder = try measured()
    _ = try quantize(folder, recording: true)
    let text = String(decoding: try folder.contents("record.json"), as: UTF8.self)
    let damaged = text.replacing(/"offset": ([0-9]+)/) { "\"offset\": 1\($0.1)" }
    _ = try folder.write("record.json", Array(damaged.utf8))
    let result = try command(folder, record: "record.json")
    #expect(result.status == 78)
    #expect(result.errors.contains("is not as '--incremental' wrote it"))
  }

  @Test func `the record is no other file of the run`() throws {
    let folder = try measured()
    let result = try command(folder, record: "out.onnx")
    #expect(result.status == 64, "\(result.errors)")
  }
}

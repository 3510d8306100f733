import FoundationEssentials
import NPZ
import Support
import TestSupport
import Testing

/// What a measurement records, by observer and key (inc-fp8.md sections 5.2 and 5.3).
@Suite(.enabled(if: runtimeIsExpected)) struct ObserverTests {
  private static let data =
    "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
  private static let mlp = goldenPath("onnx/mlp_small.ts.onnx")

  private static func expected(_ name: String) throws -> [UInt8] {
    try InputFile.contents(of: "\(data)/\(name)", limit: 1 << 20)
  }

  private func measure(
    _ folder: borrowing TemporaryFolder, model: String = mlp,
    batches: String = "\(data)/mlp.calib.npz", with options: [String]
  ) throws -> Command {
    let result = try Command(
      ["measure", model, "--calibration", batches, "--dump-stats-path", folder["m"]] + options)
    #expect(result.status == 0, "\(result.errors)")
    return result
  }

  @Test func `shapes are INC's, byte for byte`() throws {
    let folder = try TemporaryFolder()
    _ = try measure(folder, with: ["--observer", "shape"])
    #expect(try folder.contents("m_hooks_shape.json") == Self.expected("mlp.shape.json"))
  }

  /// Only OUTPUT and ALL leave outputs out.
  @Test(arguments: [
    ("NONE", "mlp.all.json"), ("INPUT", "mlp.all.json"), ("params", "mlp.all.json"),
    ("OUTPUT", "mlp.json"), ("ALL", "mlp.json"),
  ])
  func `outputs are measured unless they are excluded`(word: String, file: String) throws {
    let folder = try TemporaryFolder()
    _ = try measure(folder, with: ["--measure-exclude", word])
    let isEqual = try folder.contents("m_hooks_maxabs.json") == Self.expected(file)
    #expect(isEqual)
  }

  // MARK: Tensors

  /// Two batches of a product of activations; `other` is the right one.
  private static let product: [UInt8] = {
    let graph = Wire.graph(
      nodes: [Wire.node("MatMul", ["a", "b"], ["y"], name: "/attn/matmul/MatMul")],
      inputs: [Wire.value("a", [2, 3]), Wire.value("b", [3, 2])],
      outputs: [Wire.value("y", [2, 2])])
    return Wire.model(graph).bytes
  }()

  private static let batches: [(a: [Float], b: [Float])] = [
    ([1, -2, 3, -4, 5, 0.5], [1, 2, -3, 4, 0, 0]),
    ([-6, 1, 1, 1, 1, 1], [0, 0, 0, 5, -7, 1]),
  ]

  private func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> ($0 * 8) & 255) } }
  }

  private func inputs(_ folder: borrowing TemporaryFolder) throws -> (String, batches: String) {
    var archive = NPZWriter()
    for (name, shape, values) in [
      ("a", [2, 2, 3], Self.batches.flatMap(\.a)), ("b", [2, 3, 2], Self.batches.flatMap(\.b)),
    ] {
      let array = NPYArray(type: .float32, shape: shape, bytes: bytes(values))
      try array.write(to: folder["array.npy"])
      archive.add(name, file: try folder.contents("array.npy"))
    }
    return (
      try folder.write("p.onnx", Self.product), try folder.write("p.npz", archive.archive())
    )
  }

  @Test func `channels are what a product sums over`() throws {
    let folder = try TemporaryFolder()
    let (model, batches) = try inputs(folder)
    _ = try measure(
      folder, model: model, batches: batches, with: ["--observer", "maxabs_per_channel"])
    let root = JSONReader(
      try JSON.parse(folder.contents("m_hooks_maxabs_per_channel.json"), file: nil))
    let node = try root.member("Nodes").members()[0].value
    let rows = try node.member("inputs").items().map { table in
      try table.items().map { row in try row.items().map { try $0.double() } }
    }
    // By hand: columns of a, rows of b, over both batches.
    #expect(rows == [[[6], [5], [3]], [[2], [5], [7]]])
    // One scale for each tensor of what was measured per channel: 6 and 7 over 60 are 0.1 and 0.117.
    let quantized = try Command([
      "quantize", model, "-o", folder["o.onnx"], "--dump-stats-path", folder["m"], "--observer",
      "maxabs_per_channel",
    ])
    #expect(quantized.status == 0, "\(quantized.errors)")
    let table = JSONReader(try JSON.parse(folder.contents("o.scales.json"), file: nil))
    let ports = try table.member("modules").items()[0].member("ports").items()
    #expect(try ports.map { try $0.member("maxabs").double() } == [6, 7])
    #expect(try ports.map { try $0.member("scale").double() } == [1, 1])
  }

  @Test func `saved are the tensors of every batch`() throws {
    let folder = try TemporaryFolder()
    let (model, batches) = try inputs(folder)
    for _ in 0..<2 {
      _ = try measure(folder, model: model, batches: batches, with: ["--observer", "save"])
    }
    #expect(try folder.entries().contains("backup-1"))
    let names = try folder.entries("tensors")
    #expect(names.count == 4)
    #expect(try folder.entries("backup-1/tensors") == names)
    for (index, batch) in Self.batches.enumerated() {
      for (port, values) in [("input", batch.a), ("other", batch.b)] {
        let name = try #require(names.first { $0.hasSuffix(".\(port).\(index).npy") })
        #expect(try NPYArray(path: folder["tensors/\(name)"]).bytes == bytes(values))
      }
    }
  }

  @Test(arguments: ["shape", "save"], ["quantize", "compile"])
  func `what records no ranges makes no scales`(observer: String, command: String) throws {
    let folder = try TemporaryFolder()
    let result = try Command([
      command, Self.mlp, "-o", folder["o.onnx"], "--observer", observer, "--calibration",
      "\(Self.data)/mlp.calib.npz", "--dump-stats-path", folder["m"],
    ])
    #expect(result.status == 78)
    #expect(result.error.contains("observer '\(observer)' records no ranges"))
    #expect(try folder.entries() == [])
  }

  // MARK: Intervals

  /// With four batches and an interval of three there are two dumps; the last counts all.
  @Test func `a measurement may be written meanwhile`() throws {
    let folder = try TemporaryFolder()
    let configuration = try folder.write(
      "c.json", Array(#"{"calibration_sample_interval": 3}"#.utf8))
    _ = try measure(folder, with: ["--config", configuration])
    let text = String(decoding: try folder.contents("m_hooks_maxabs.json"), as: UTF8.self)
    #expect(text.hasPrefix("{\n    \"NumSamples\": 4,\n"))
    #expect(
      Array(text.replacing("    \"NumSamples\": 4,\n", with: "").utf8)
        == (try Self.expected("mlp.json")))
    #expect(!(try folder.entries().contains { $0.hasPrefix("backup") }))
    // A fault in the last batch leaves what there was before it, and nothing that says it is whole.
    let broken = try TemporaryFolder()
    let calibration = try NPZFile(path: "\(Self.data)/mlp.calib.npz").array("x")
    var archive = NPZWriter()
    let poisoned =
      Array(calibration.bytes.dropLast(4)) + [0, 0, 0xC0, 0x7F]
    try NPYArray(type: .float32, shape: calibration.shape, bytes: poisoned)
      .write(to: broken["x.npy"])
    archive.add("x", file: try broken.contents("x.npy"))
    let result = try Command([
      "measure", Self.mlp, "--calibration", try broken.write("x.npz", archive.archive()),
      "--dump-stats-path", broken["m"], "--config", configuration,
    ])
    #expect(result.status == 65)
    #expect(
      try broken.entries().filter { $0.hasPrefix("m_") } == [
        "m_hooks_maxabs.json", "m_hooks_maxabs.npz", "m_hooks_maxabs_mod_list.json",
      ])
    let partial = String(decoding: try broken.contents("m_hooks_maxabs.json"), as: UTF8.self)
    #expect(partial.hasPrefix("{\n    \"NumSamples\": 3,\n"))
  }

  @Test func `what float16 cannot hold is refused where it is seen`() throws {
    let folder = try TemporaryFolder()
    let (model, _) = try inputs(folder)
    var archive = NPZWriter()
    for (name, shape, count) in [("a", [2, 3], 6), ("b", [3, 2], 6)] {
      let array = NPYArray(
        type: .float32, shape: shape, bytes: bytes(Array(repeating: 70000, count: count)))
      try array.write(to: folder["array.npy"])
      archive.add(name, file: try folder.contents("array.npy"))
    }
    let result = try Command([
      "measure", model, "--calibration", try folder.write("p.npz", archive.archive()),
      "--dump-stats-path", folder["m"], "--hp-dtype", "fp16",
    ])
    #expect(result.status == 65)
    #expect(result.error.contains("saw 70000.0, beyond the largest number of fp16, 65504.0"))
  }
}

import FoundationEssentials
import Support
import TestSupport
import Testing

/// `measure --shard` and `unify`: a map and a maximum.
@Suite(.enabled(if: runtimeIsExpected)) struct ShardTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
  private static let calibration = goldenPath("digits/calib.npz")

  @Test(arguments: ["maxabs", "maxabs_per_channel", "shape"])
  func `shards in any order give what one run gives`(observer: String) throws {
    let folder = try TemporaryFolder()
    let flags = ["--calibration", Self.calibration, "--observer", observer]
    try measure(Self.digits, folder["one"], flags)
    for shard in ["3/3", "1/3", "2/3"] {
      try measure(Self.digits, folder["part"], flags + ["--shard", shard])
    }
    let shards = [1, 0, 2].map { folder["part_hooks_\(observer)_\($0)_3.json"] }
    let unified = try Command(["unify"] + shards + ["-o", folder["all.json"]])
    #expect(unified.status == 0, "\(unified.errors)")
    let one = try folder.contents("one_hooks_\(observer).json")
    #expect(try folder.contents("all.json") == one)
    #expect(try folder.contents("all.npz") == folder.contents("one_hooks_\(observer).npz"))
  }

  @Test func `a branch that one shard saw keeps its place`() throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/if_loop_scan.onnx")
    let flags = [
      "--calibration", goldenPath("onnx/if_loop_scan.inputs.npz"), "--calibration",
      goldenPath("onnx/if_loop_scan.then.npz"),
    ]
    try measure(model, folder["one"], flags)
    for shard in ["1/2", "2/2"] { try measure(model, folder["part"], flags + ["--shard", shard]) }
    let paths = [0, 1].map { folder["part_hooks_maxabs_\($0)_2.json"] }
    let sizes = try paths.map { try modules(InputFile.contents(of: $0, limit: 1 << 20)) }
    #expect(sizes[0] != sizes[1])
    let one = try folder.contents("one_hooks_maxabs.json")
    for (name, order) in [("ab.json", paths), ("ba.json", paths.reversed())] {
      let unified = try Command(["unify"] + order + ["-o", folder[name]])
      #expect(unified.status == 0, "\(unified.errors)")
      #expect(try folder.contents(name) == one)
    }
  }

  @Test func `dumped samples are counted together`() throws {
    let folder = try TemporaryFolder()
    let config = try folder.write("c.json", Array(#"{"calibration_sample_interval": 1}"#.utf8))
    let flags = ["--calibration", Self.calibration, "--config", config]
    try measure(Self.digits, folder["one"], flags)
    for shard in ["1/2", "2/2"] {
      try measure(Self.digits, folder["part"], flags + ["--shard", shard])
    }
    let shards = [0, 1].map { folder["part_hooks_maxabs_\($0)_2.json"] }
    let unified = try Command(["unify"] + shards + ["-o", folder["all.json"]])
    #expect(unified.status == 0)
    #expect(try folder.text("all.json").contains("\"NumSamples\": 4"))
    #expect(try folder.contents("all.json") == folder.contents("one_hooks_maxabs.json"))
  }

  @Test func `a shard without batches says so`() throws {
    let folder = try TemporaryFolder()
    let result = try Command([
      "measure", Self.digits, "--calibration", Self.calibration, "--dump-stats-path",
      folder["part"], "--shard", "5/5",
    ])
    #expect(result.status == 0)
    #expect(result.errors.contains("[empty-shard]"), "\(result.errors)")
    #expect(!result.errors.contains("[not-executed]"))
  }

  @Test(arguments: ["0/4", "5/4", "1/0", "1", "a/b", "-1/2", "1/2/3"])
  func `what is no shard is refused`(text: String) throws {
    let result = try Command(["measure", Self.digits, "--shard=\(text)"])
    #expect(result.status == 64)
    #expect(result.errors.contains("[bad-shard]"), "\(result.errors)")
  }

  @Test func `a rank has no shards`() throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(
      "c.json", Array(#"{"global_rank": 0, "world_size": 2}"#.utf8))
    let result = try Command([
      "measure", Self.digits, "--calibration", Self.calibration, "--config", config, "--shard",
      "1/2", "--dump-stats-path", folder["m"],
    ])
    #expect(result.status == 78)
    #expect(result.errors.contains("[shard-of-rank]"), "\(result.errors)")
    #expect(try folder.entries() == ["c.json"])
  }

  private func measure(_ model: String, _ prefix: String, _ flags: [String]) throws {
    let result = try Command(["measure", model, "--dump-stats-path", prefix] + flags)
    #expect(result.status == 0, "\(result.errors)")
  }

  private func modules(_ measurement: [UInt8]) throws -> [String] {
    try JSONReader(try JSON.parse(measurement, file: nil)).member("Nodes").members().map(\.key)
  }
}

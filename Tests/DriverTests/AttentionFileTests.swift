import Foundation
import TestSupport
import Testing

/// Files of measurements as attention and several ranks have them.
@Suite struct AttentionFileTests {
  /// The range of the new keys is 9, that of the keys that the product reads 6: with the cache's, both
  /// have one scale (inc-fp8.md 5.7).
  @Test func `products take the ranges of the caches that they read`() throws {
    let folder = try TemporaryFolder()
    let text = #"""
      {"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange", "Nodes": {
        "a.matmul_qk": {"inputs": [[[1.0]], [[6.0]]]}, "a.matmul_av": {"inputs": [[[2.0]], [[3.0]]]},
        "a.k_cache": {"inputs": [[[9.0]]]}, "a.v_cache": {"inputs": [[[3.0]]]}}}
      """#
    _ = try folder.write("m.json", Array(text.utf8))
    let result = try Command(["align-kv", "m.json", "-o", "aligned.json", "-v"], in: folder.path)
    #expect(result.status == 0)
    #expect(result.errors.contains("aligned.json: 1 products take the ranges of their caches"))
    #expect(result.errors.contains("a.matmul_qk"))
    let aligned = try String(contentsOfFile: folder["aligned.json"], encoding: .utf8)
      .filter { !$0.isWhitespace }
    #expect(aligned.contains(#""a.matmul_qk":{"inputs":[[[1.0]],[[9.0]]]}"#))
    #expect(aligned.contains(#""a.matmul_av":{"inputs":[[[2.0]],[[3.0]]]}"#))
  }

  /// `_rank_world` ends the names of a rank's files, unless all ranks share one (inc-fp8.md 5.1).
  @Test(
    .enabled(if: runtimeIsExpected),
    arguments: [("true", "m_hooks_maxabs_1_4.json"), ("false", "m_hooks_maxabs.json")])
  func `a rank's files have its suffix`(separate: String, name: String) throws {
    let folder = try TemporaryFolder()
    let text = #"{"global_rank": 1, "world_size": 4, "seperate_measure_files": \#(separate)}"#
    _ = try folder.write("c.json", Array(text.utf8))
    let model = goldenPath("onnx/mlp_small.ts.onnx")
    let inputs = goldenPath("onnx/mlp_small.ts.inputs.npz")
    let options = ["--config", "c.json", "--dump-stats-path", "m", "--hp-dtype", "fp32"]
    let measured = try Command(
      ["measure", model, "--calibration", inputs] + options, in: folder.path)
    #expect(measured.status == 0, "\(measured.errors)")
    #expect(try folder.entries().contains(name))
    let quantized = try Command(["quantize", model, "-o", "o.onnx"] + options, in: folder.path)
    #expect(quantized.status == 0, "\(quantized.errors)")
  }

  @Test func `the table has a line for each module and for each node left`() throws {
    let result = try Command(
      ["inspect", "--table", "--block-name", "fc1", goldenPath("onnx/mlp_small.ts.onnx")])
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n").map {
      $0.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
    }
    #expect(lines[0] == ["PATH", "KIND", "TYPE", "EVIDENCE", "WEIGHT", "NODES"])
    #expect(lines[1].prefix(4) == ["fc2", "linear", "Linear", "weight-name"])
    #expect(lines[2] == ["LEFT", "KIND", "TYPE", "NODE", "REASON"])
    #expect(lines[3].prefix(3) == ["fc1", "linear", "Linear"])
  }

  /// A branch that no batch takes has no range, which is not a range of zero.
  @Test(.enabled(if: runtimeIsExpected), arguments: [true, false])
  func `a branch that no batch takes is not measured`(takesBoth: Bool) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/if_loop_scan.onnx")
    let inputs = goldenPath("onnx/if_loop_scan.\(takesBoth ? "inputs" : "then").npz")
    let result = try Command(
      ["measure", model, "--calibration", inputs, "--dump-stats-path", "m"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let text = try String(contentsOfFile: folder["m_hooks_maxabs.json"], encoding: .utf8)
    for path in ["then_matmul", "loop_matmul", "scan_gemm"] {
      #expect(text.contains("\"\(path)\""))
    }
    #expect(text.contains("\"else_matmul\"") == takesBoth)
    let warning = "module 'else_matmul' was not executed by any batch, so it is not measured"
    #expect(result.errors.contains(warning) != takesBoth)
  }
}

import Calibration
import Foundation
import IR
import NPZ
import Support
import TestSupport
import Testing

/// Measurements by other runtimes and by several ranks.
@Suite struct ObservedElsewhereTests {
  private static let data =
    "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
  private static let model = goldenPath("onnx/mlp_small.ts.onnx")

  /// ONNX Runtime, run by the test, stands for the user's own; INC's measurement is the answer.
  @Test(.enabled(if: runtimeIsExpected))
  func `what observers gave elsewhere becomes INC's measurement`() throws {
    let folder = try TemporaryFolder()
    let made = try Command(["instrument", Self.model, "-o", folder["observed.onnx"]])
    #expect(made.status == 0, "\(made.errors)")
    let runtime = try Runtime.find(
      nil, environment: { ProcessInfo.processInfo.environment[$0] }, executable: #filePath)
    let session = try Session(runtime, path: folder["observed.onnx"])
    let names = ["fc1", "fc2"].flatMap { module in
      ["", "/flag", "/count"].map { "fp8c.observe/\(module)/input\($0)" }
    }
    let batches = try NPZFile(path: "\(Self.data)/mlp.calib.npz").array("x")
    #expect(batches.shape == [4, 4, 32])
    let size = batches.bytes.count / 4
    var observed = names.map { _ in [UInt8]() }
    for batch in 0..<4 {
      let input = Tensor(
        element: .float32, shape: [4, 32],
        bytes: Array(batches.bytes[batch * size..<(batch + 1) * size]))
      for (index, result) in try session.run([("x", input)], outputs: names).enumerated() {
        observed[index] += try #require(result).bytes
      }
    }
    // Three batches in one file as vectors, the last as numbers in another.
    for (file, range, shape) in [("a", 0..<12, [3]), ("b", 12..<16, [])] {
      var archive = NPZWriter()
      for (name, bytes) in zip(names, observed) {
        let array = NPYArray(type: .float32, shape: shape, bytes: Array(bytes[range]))
        try array.write(to: folder["array.npy"])
        archive.add(name, file: try folder.contents("array.npy"))
      }
      _ = try folder.write("\(file).npz", archive.archive())
    }
    let collected = try Command([
      "collect", Self.model, folder["a.npz"], folder["b.npz"], "--dump-stats-path", folder["m"],
    ])
    #expect(collected.status == 0, "\(collected.errors)")
    let expected = try InputFile.contents(of: "\(Self.data)/mlp.json", limit: 1 << 20)
    #expect(try folder.contents("m_hooks_maxabs.json") == expected)
    let partial = try Command([
      "collect", Self.model, "\(Self.data)/mlp.calib.npz", "--dump-stats-path", folder["p"],
    ])
    #expect(partial.status == 78)
    #expect(partial.error.contains("there are no numbers under 'fp8c.observe/fc1/input'"))
  }

  private func measurement(_ range: Double, _ weight: Double) -> [UInt8] {
    Array(
      """
      {"GlobalRank": null, "LocalRank": 0, "Mode": "DynamicRange", "Nodes":
       {"fc": {"inputs": [[[\(range)]]], "params": {"weight": [[\(weight)]]}}}}
      """.utf8)
  }

  @Test func `ranks become one measurement, or one for each group`() throws {
    let folder = try TemporaryFolder()
    var paths: [String] = []
    for rank in 0..<12 {
      paths.append(
        try folder.write("r\(rank).json", measurement(Double(rank), Double(100 - rank))))
    }
    let one = try Command(["unify"] + paths + ["-o", folder["one.json"]])
    #expect(one.status == 0, "\(one.errors)")
    func numbers(_ name: String) throws -> [Double] {
      let root = JSONReader(try JSON.parse(folder.contents(name), file: nil))
      let node = try root.member("Nodes").member("fc")
      return [
        try root.member("LocalRank").double(),
        try node.member("inputs").items()[0].items()[0].items()[0].double(),
        try node.member("params").member("weight").items()[0].items()[0].double(),
      ]
    }
    #expect(try numbers("one.json") == [-1, 11, 100])
    let several = try Command(["unify"] + paths + ["--groups", "3", "-o", folder["g.json"]])
    #expect(several.status == 0, "\(several.errors)")
    for group in 0..<3 {
      let first = Double(group * 4)
      #expect(
        try numbers("g_\(group)_3.json") == [Double(group), first + 3, 100 - first])
    }
    // The archive is what INC reads.
    let again = try Command(["unify", folder["g_2_3.npz"], "-o", folder["again.json"]])
    #expect(again.status == 0)
    #expect(try numbers("again.json") == [-1, 11, 92])
    let uneven = try Command(["unify"] + paths + ["--groups", "5", "-o", folder["u.json"]])
    #expect(uneven.status == 64)
    #expect(!(try folder.entries().contains("u.json")))
  }
}

import Support
import TestSupport
import Testing

@Suite struct MemoryLimitTests {
  /// 48 MiB of weights in three matrices, far more than the process may hold at once.
  private static func model(in folder: borrowing TemporaryFolder) throws -> String {
    let side = 2048
    let names = ["a", "b", "c"]
    let nodes = names.enumerated().map { index, name in
      Wire.node(
        "MatMul", [index == 0 ? "x" : "h\(index - 1)", name], [index == 2 ? "y" : "h\(index)"])
    }
    // 1.0 in float32, little-endian.
    let bytes = Array(repeatElement([0, 0, 0x80, 0x3F], count: side * side).joined()) as [UInt8]
    let weights = names.map { Wire.tensor($0, [UInt64(side), UInt64(side)]).data(9, bytes) }
    let graph = Wire.graph(
      nodes: nodes, initializers: weights, inputs: [Wire.value("x", [1, UInt64(side)])],
      outputs: [Wire.value("y", [1, UInt64(side)])])
    return try folder.write("m.onnx", Wire.model(graph).bytes)
  }

  private static func quantize(
    _ model: String, _ more: [String], in folder: borrowing TemporaryFolder
  ) throws -> Command {
    try Command(
      ["quantize", model, "-o", "out.onnx", "--scale-method", "unit_scale"] + more, in: folder.path)
  }

  @Test func `too little memory is refused with what is needed, and leaves nothing`() throws {
    let folder = try TemporaryFolder()
    let model = try Self.model(in: folder)
    for limit in ["16M", "1", "20000K"] {
      let result = try Self.quantize(model, ["--memory-limit", limit], in: folder)
      #expect(result.status == 75, "\(result.errors)")
      #expect(result.error.contains("needs 33 MiB of memory, and --memory-limit allows"))
      #expect(try folder.entries() == ["m.onnx"])
    }
  }

  /// How much a run really took is measured by `make bench`; here more processors than the limit allows.
  @Test func `what is enough is kept to, and the bytes are the same`() throws {
    let folder = try TemporaryFolder()
    let model = try Self.model(in: folder)
    #expect(try Self.quantize(model, ["--jobs", "1"], in: folder).status == 0)
    let expected = try folder.contents("out.onnx")
    let result = try Self.quantize(model, ["--jobs", "64", "--memory-limit", "64M"], in: folder)
    #expect(result.status == 0, "\(result.errors)")
    let isEqual = try folder.contents("out.onnx") == expected
    #expect(isEqual)
  }

  /// 211 kB of names and one product: 32 + 0.2 * 72 + 4 MiB, and 32 + 0.2 * 152 + 4 where quantizers are written out.
  @Test(arguments: [([], 0), (["--qdq"], 75)])
  func `a graph with its quantizers written out needs more`(flags: [String], status: Int) throws {
    let folder = try TemporaryFolder()
    let names = (0...1000).map { String(repeating: "h", count: 95) + "\($0)" }
    let relus = zip(names, names.dropFirst()).map { Wire.node("Relu", [$0], [$1]) }
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], [names[0]])] + relus,
        initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value(names[1000], [2, 2])]))
    try folder.write("m.onnx", model.bytes)
    let result = try Self.quantize("m.onnx", ["--memory-limit", "58M"] + flags, in: folder)
    #expect(Int(result.status) == status, "\(result.errors)")
  }

  @Test(arguments: ["0", "-1", "12Q", "M", "", "1.5G", "99999999999G"])
  func `a size that is none is wrong usage`(size: String) throws {
    let folder = try TemporaryFolder()
    let result = try Self.quantize("m.onnx", ["--memory-limit=\(size)"], in: folder)
    #expect(result.status == 64, "\(result.errors)")
  }
}

import Frontend
import IR
import Support
import TestSupport
import Testing
import Weights

@Suite struct ModelTests {
  @Test(arguments: try goldenRows("structure.tsv"))
  func `every model loads with the parts it has`(row: [String]) throws {
    let (model, _) = try Importer.load(goldenPath(row[0]))
    let graph = model.graph
    #expect(model.irVersion == Int64(row[1]))
    #expect(model.opsets.version(of: "") == Int64(row[2]))
    #expect(graph.nodeCount == Int(row[3]))
    #expect(graph.weights.count == Int(row[4]))
    #expect(model.functions.count == Int(row[5]))
    #expect(graph.inputs.map { graph[$0].name }.joined(separator: ",") == row[6])
    #expect(graph.outputs.map { graph[$0].name }.joined(separator: ",") == row[7])
  }

  @Test func `the table of models is complete`() throws {
    let listed = try goldenRows("structure.tsv").map { $0[0] }
    let found = try ["digits", "onnx", "resnet18"].flatMap { folder in
      try Folder.entries(of: goldenPath(folder)).filter { $0.hasSuffix(".onnx") }
        .map { "\(folder)/\($0)" }
    }
    #expect(listed == found)
  }

  @Test func `every encoding of a tensor gives the elements it stands for`() throws {
    let expected = Dictionary(grouping: try goldenRows("tensors.tsv")) { $0[0] }
    for name in expected.keys.sorted() {
      let (model, store) = try Importer.load(goldenPath(name))
      for row in expected[name] ?? [] {
        let id = try #require(model.graph.value(named: row[1]))
        let weight = try #require(model.graph[id].weight)
        var output = MemorySink()
        try store.write(weight, to: &output)
        #expect(try SHA256.hex(of: output.bytes) == row[2], "\(name): \(row[1])")
      }
    }
  }

  @Test(arguments: try goldenRows("refused.tsv"))
  func `every bad file is refused with its status`(row: [String]) {
    let path = goldenPath("bad/\(row[0])")
    let error = failure { () throws(Diagnostic) in _ = try Importer.load(path) }
    #expect(error.map { String($0.status.rawValue) } == row[1], "\(row[2])")
    #expect(error?.location.file != nil)
  }

  @Test func `the table of bad files is complete`() throws {
    let listed = try goldenRows("refused.tsv").map { $0[0] }
    let found = try Folder.entries(of: goldenPath("bad")).filter { $0.hasSuffix(".onnx") }
    #expect(listed == found)
  }

  @Test(arguments: [(2, false), (3, true), (14, true), (15, false)])
  func `IR versions 3 to 14 are read`(version: UInt64, isRead: Bool) throws {
    let found = try failure(of: Wire.model(Wire.graph(), ir: version))
    #expect((found == nil) == isRead)
    if !isRead {
      #expect(found?.message == "IR version \(version) is not supported, expected 3 to 14")
    }
  }

  @Test(arguments: [(6, false), (7, true), (28, true), (29, false)])
  func `opsets 7 to 28 are read`(version: UInt64, isRead: Bool) throws {
    let found = try failure(of: Wire.model(Wire.graph(), opset: version))
    #expect((found == nil) == isRead)
    if !isRead {
      #expect(found?.message == "opset \(version) is not supported, expected 7 to 28")
    }
  }

  /// The checker of ONNX finds no operators of a function's domain whose version is -1.
  @Test(arguments: [("0", true), ("2147483647", true), ("2147483648", false), ("-1", false)])
  func `versions of other domains are no negative numbers`(
    version: String, isRead: Bool
  ) throws {
    let number = UInt64(bitPattern: try #require(Int64(version)))
    let model = Wire.model(Wire.graph()).message(8, Wire().text(1, "d").number(2, number))
    let found = try failure(of: model)
    #expect((found == nil) == isRead)
    if !isRead {
      #expect(found?.message == "opset \(version) is not supported, expected 0 to 2147483647")
    }
  }

  @Test func `the standard domain has two spellings and one version`() throws {
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("Relu", ["x"], ["y"]).text(7, "ai.onnx")],
        inputs: [Wire.value("x")]))
    #expect(try failure(of: model) == nil)
    func importing(_ version: UInt64) -> Wire {
      model.message(8, Wire().text(1, "ai.onnx").number(2, version))
    }
    #expect(try failure(of: importing(18)) == nil)
    #expect(
      try failure(of: importing(19))?.message
        == "the model imports domain '' twice, as version 18 and 19")
  }

  @Test func `a key of the metadata stands once`() throws {
    let pair = Wire().text(1, "author").text(2, "a")
    let once = Wire.model(Wire.graph()).message(14, pair)
    #expect(try failure(of: once) == nil)
    #expect(
      try failure(of: once.message(14, pair))?.message
        == "the model's metadata has the key 'author' twice")
  }

  @Test func `names are defined once and before they are used`() throws {
    let weight = Wire.tensor("w", [1]).data(9, [0, 0, 0, 0])
    let input = Wire.value("x")
    let relu = Wire.node("Relu", ["x"], ["y"])
    let cases: [(Wire, String)] = [
      (
        Wire.graph(initializers: [weight, weight]),
        "'w' is defined twice, the second time as initializer"
      ),
      (
        Wire.graph(inputs: [input, input]),
        "'x' is defined twice, the second time as graph input"
      ),
      (
        Wire.graph(nodes: [relu, Wire.node("Abs", ["x"], ["y"], name: "b")], inputs: [input]),
        "'y' is defined twice, the second time as result of node 'b'"
      ),
      (
        Wire.graph(nodes: [Wire.node("Split", ["x"], ["y", "y"])], inputs: [input]),
        "'y' is defined twice, the second time as result of node 'n'"
      ),
      (Wire.graph(nodes: [relu]), "input 'x' is not defined before the node"),
      (Wire.graph(outputs: [input]), "graph output 'x' is not defined"),
      (Wire.graph(initializers: [Wire.tensor("", [0])]), "an initializer has no name"),
      (Wire.graph(inputs: [Wire.value("")]), "a graph input has no name"),
      (
        Wire.graph(nodes: [Wire.node("", ["x"], ["y"])], inputs: [input]),
        "the node has no operator"
      ),
    ]
    for (graph, message) in cases {
      #expect(try failure(of: Wire.model(graph))?.message == message)
    }
  }

  @Test func `attributes stand once and have a value of their type`() throws {
    func node(_ attributes: [Wire]) throws -> Diagnostic? {
      let node = attributes.reduce(Wire.node("Relu", ["x"], ["y"])) { $0.message(5, $1) }
      return try failure(of: Wire.model(Wire.graph(nodes: [node], inputs: [Wire.value("x")])))
    }
    let number = Wire().text(1, "a").number(3, 1).number(20, 2)
    #expect(try node([number]) == nil)
    #expect(try node([number, number])?.message == "attribute 'a' is given twice")
    // A proto3 writer leaves a zero out: type INT without its value.
    #expect(try node([Wire().text(1, "a").number(20, 2)]) == nil)
    #expect(
      try node([Wire().text(1, "a").number(20, 4)])?.message
        == "attribute 'a' has no value of its type")
    #expect(
      try node([Wire().text(1, "a").number(20, 99)])?.message
        == "attribute 'a' has type 99, expected 1 to 14")
  }

  @Test func `protobuf has no varint of eleven bytes`() throws {
    let ones = [UInt8](repeating: 1, count: 79)
    let tensor = Wire.tensor("w", [80], type: 7).data(
      7, ones + [UInt8](repeating: 0x80, count: 10) + [0])
    let model = Wire.model(Wire.graph(initializers: [tensor]))
    let place = try #require(model.bytes.lastIndex(of: 0x80))
    #expect(
      try failure(of: model)?.message
        == "not a valid ONNX model: byte \(place + 1): a varint is longer than 64 bits")
  }

  @Test func `a tensor's data fits its shape and its type`() throws {
    let four: [UInt8] = [0, 0, 0x80, 0x3F]
    func ones(_ count: Int) -> [UInt8] { [UInt8](repeating: 1, count: count) }
    func long(_ continued: Int) -> [UInt8] { [UInt8](repeating: 0x80, count: continued) + [0] }
    let cases: [(Wire, String?)] = [
      (Wire.tensor("w", [1]).data(9, four), nil),
      (Wire.tensor("w", [1]).data(4, four), nil),
      (
        Wire.tensor("w", [2]).data(9, four),
        "tensor 'w' has 4 bytes of data, expected 8 by its shape"
      ),
      (
        Wire.tensor("w", [2]).data(4, four),
        "tensor 'w' has 4 bytes of data, expected 8 by its shape"
      ),
      (Wire.tensor("w", [2]), "tensor 'w' has 0 elements, expected 2 by its shape"),
      (Wire.tensor("w", [0, 7]), nil),
      (Wire.tensor("w", []).data(9, four), nil),
      (
        Wire.tensor("w", [1]).data(7, [1]),
        "tensor 'w' holds f32 elements in int64_data, where they do not belong"
      ),
      // Three varints for two elements, and two for three.
      (
        Wire.tensor("w", [2], type: 7).data(7, [1, 2, 3]),
        "tensor 'w' has 3 elements, expected 2 by its shape"
      ),
      (
        Wire.tensor("w", [3], type: 7).data(7, [1, 0x81, 0x02]),
        "tensor 'w' has 2 elements, expected 3 by its shape"
      ),
      // The same of a list that stays in the file; and protobuf has no varint of eleven bytes.
      (Wire.tensor("w", [80], type: 7).data(7, ones(80)), nil),
      (
        Wire.tensor("w", [80], type: 7).data(7, ones(81)),
        "tensor 'w' has 81 elements, expected 80 by its shape"
      ),
      (
        Wire.tensor("w", [80], type: 7).data(7, ones(79) + [0x81]),
        "tensor 'w' has 79 elements, expected 80 by its shape"
      ),
      (Wire.tensor("w", [80], type: 7).data(7, ones(79) + long(9)), nil),
      (Wire.tensor("w", [1], type: 8).data(6, [0xFF, 0]), nil),
      (
        Wire.tensor("w", [1], type: 8).data(9, four),
        "tensor 'w': string_data goes with element type string, and only with it"
      ),
      (
        Wire.tensor("w", [1]).data(9, four).data(6, [1]),
        "tensor 'w': string_data goes with element type string, and only with it"
      ),
      // Five elements of four bits take three bytes.
      (Wire.tensor("w", [5], type: 22).data(9, [1, 2, 3]), nil),
      (
        Wire.tensor("w", [5], type: 22).data(9, [1, 2]),
        "tensor 'w' has 2 bytes of data, expected 3 by its shape"
      ),
      (
        Wire.tensor("w", [1 << 62, 4]).data(9, four),
        "tensor 'w' has shape [4611686018427387904, 4], whose size overflows"
      ),
      // Nothing overflows behind a zero.
      (Wire.tensor("w", [0, 1 << 62, 4]), nil),
      (
        Wire.tensor("w", [1 << 62, 4, 0]),
        "tensor 'w' has shape [4611686018427387904, 4, 0], whose size overflows"
      ),
      // 2^61 elements can be counted, their bytes cannot.
      (
        Wire.tensor("w", [1 << 61], type: 11).data(9, four),
        "tensor 'w' has shape [2305843009213693952], whose size overflows"
      ),
      (
        Wire.tensor("w", [1], type: 27).data(9, four),
        "'w' has element type 27, expected 1 to 26"
      ),
      (
        Wire.tensor("w", [1], type: 0).data(9, four),
        "'w' has element type 0, expected 1 to 26"
      ),
    ]
    for (tensor, message) in cases {
      #expect(
        try failure(of: Wire.model(Wire.graph(initializers: [tensor])))?.message == message)
    }
  }

  @Test func `a model says its IR version`() throws {
    let model = Wire().message(7, Wire().text(2, "g")).message(8, Wire().text(1, "").number(2, 18))
    #expect(try failure(of: model)?.id == "no-ir-version")
  }

  @Test func `a sparse tensor has values and indices`() throws {
    let values = Wire.tensor("s", [1]).data(9, [0, 0, 0x80, 0x3F])
    let graph = Wire().text(2, "g").message(15, Wire().message(1, values).number(3, 4))
    #expect(try failure(of: Wire.model(graph))?.id == "sparse-incomplete")
  }

  @Test func `sparse tensors have ordered indices inside their shape`() throws {
    /// Values 1 and 2 at these places of [4] or, with pairs, [2, 2].
    func sparse(_ indices: [UInt8], _ sizes: [UInt64]) throws -> Diagnostic? {
      let values = Wire.tensor("s", [2]).data(9, [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
      let shape: [UInt64] = indices.count == 2 ? [2] : [2, 2]
      let places = Wire.tensor("i", shape, type: 7).data(7, indices)
      let message = sizes.reduce(Wire().message(1, values).message(2, places)) {
        $0.number(3, $1)
      }
      return try failure(of: Wire.model(Wire().text(2, "g").message(15, message)))
    }
    #expect(try sparse([0, 3], [4]) == nil)
    #expect(try sparse([0, 1, 1, 0], [2, 2]) == nil)
    let ends = "is out of range or out of order"
    #expect(try sparse([0, 4], [4])?.message == "sparse tensor 's': index 4 \(ends)")
    #expect(try sparse([3, 3], [4])?.message == "sparse tensor 's': index 3 \(ends)")
    #expect(try sparse([1, 0, 0, 1], [2, 2])?.message == "sparse tensor 's': index 1 \(ends)")
    #expect(try sparse([0, 2, 1, 0], [2, 2])?.message == "sparse tensor 's': index 2 \(ends)")
    #expect(
      try sparse([0, 1], [1 << 20, 1 << 20])?.status == .limitReached)
  }
}

/// Loads a model of these bytes: `nil` where it is accepted.
private func failure(of wire: Wire) throws -> Diagnostic? {
  let folder = try TemporaryFolder()
  let path = try folder.write("m.onnx", wire.bytes)
  return failure { () throws(Diagnostic) in _ = try Importer.load(path) }
}

import ONNX
import Support
import TestSupport
import Testing

@Suite struct RoundTripTests {
  /// Written by `onnx.helper` or the newer exporter, which spell the standard domain as "".
  static let models = [
    "onnx/all_metadata", "onnx/already_fp8_qdq", "onnx/constant_nodes", "onnx/edge_initializers",
    "onnx/external_many", "onnx/fp8_all_bytes", "onnx/functions_nested", "onnx/gemm_variants",
    "onnx/if_loop_scan", "onnx/ir3_inputs", "onnx/map_zipmap",
    "onnx/optional_inputs", "onnx/sequence_optional",
    "onnx/tensor_layouts", "onnx/weight_reuse",
    "digits/digits_cnn.dynamo",
  ]

  @Test(arguments: models)
  func `decoding and encoding gives the bytes of the file`(model: String) throws {
    let path = goldenPath("\(model).onnx")
    let bytes = try InputFile.contents(of: path, limit: 1 << 20)
    #expect(try encoded(path, bytes) == bytes)
  }

  @Test func `training information and unknown fields keep their bytes`() throws {
    // Field 20 is training_info, its field 1 a graph with an initializer of eight bytes.
    let tensor = Wire().number(1, 2).number(2, 1).text(8, "w").data(9, [1, 2, 3, 4, 5, 6, 7, 8])
    let packed = Wire().number(1, 2).number(2, 1).data(4, [1, 2, 3, 4, 5, 6, 7, 8]).text(8, "v")
    let training = Wire().message(1, Wire().message(5, tensor).message(5, packed))
    let graph = Wire().text(2, "g").message(5, tensor).number(900, 5)
    let bytes = Wire.model(graph).message(20, training).text(999, "new").bytes
    let result = try withFile(bytes) { try encoded($0, bytes) }
    #expect(result == bytes)
  }

  @Test func `functions keep their attribute defaults and values`() throws {
    // Fields 11 and 12 of FunctionProto have the numbers of a graph's inputs and outputs.
    let attribute = Wire().text(1, "alpha").number(3, 7).number(20, 2)
    let type = Wire().message(1, Wire().number(1, 1))
    let function = Wire().text(1, "f").text(4, "x").text(5, "y")
      .message(7, Wire().text(1, "x").text(2, "y").text(4, "Identity"))
      .message(9, Wire().text(1, "").number(2, 18)).text(10, "local").message(11, attribute)
      .message(12, Wire().text(1, "y").message(2, type))
    let bytes = Wire.model(Wire().text(2, "g")).message(25, function).bytes
    try withFile(bytes) { path in
      #expect(try encoded(path, bytes) == bytes)
      let file = try ModelFile(path: path)
      try file.forEachFunction { function in
        #expect(function.attributeProtos.map(\.name) == ["alpha"])
        #expect(function.attributeProtos.first?.int == 7)
        #expect(function.valueInfo.map(\.name) == ["y"])
      }
      try file.forEachValue(.input) { Issue.record("'\($0.name)' is no input") }
      try file.forEachValue(.output) { Issue.record("'\($0.name)' is no output") }
    }
  }

  /// Decodes every part of a file and encodes it again, as the backend does.
  private func encoded(_ path: String, _ bytes: [UInt8]) throws -> [UInt8] {
    let file = try ModelFile(path: path)
    let payloads = file.payloads
    func completed(_ tensor: TensorProto) -> TensorProto {
      var tensor = tensor
      if case .payload(let index, _, _) = tensor.data {
        tensor.data = .payload(
          index, field: payloads[index].field, length: payloads[index].length)
      }
      return tensor
    }
    func completed(_ graph: GraphProto) -> GraphProto {
      var graph = graph
      graph.nodes = graph.nodes.map(completed)
      graph.initializers = graph.initializers.map(completed)
      return graph
    }
    func completed(_ node: NodeProto) -> NodeProto {
      var node = node
      for index in node.attributes.indices {
        let attribute = node.attributes[index]
        node.attributes[index].tensor = attribute.tensor.map(completed)
        node.attributes[index].tensors = attribute.tensors.map(completed)
        node.attributes[index].graph = attribute.graph.map(completed)
      }
      return node
    }
    var parts = GraphParts()
    var functions: [EncodedMessage] = []
    try file.forEachNode { parts.add(node: completed($0)) }
    try file.forEachInitializer { parts.add(initializer: completed($0)) }
    try file.forEachValue(.input) { parts.add(input: $0) }
    try file.forEachValue(.output) { parts.add(output: $0) }
    try file.forEachValue(.info) { parts.add(valueInfo: $0) }
    try file.forEachFunction { function in
      var function = function
      function.nodes = function.nodes.map(completed)
      functions.append(function.encoded())
    }
    let graph = file.graphHeader.encoded(parts)
    let model = file.header.encoded(graph: graph, functions: functions)
    return model.pieces.flatMap { piece -> [UInt8] in
      switch piece {
      case .bytes(let bytes): bytes
      case .payload(let token, _):
        payloads[token].segments.flatMap { segment in
          bytes[Int(segment.offset)..<Int(segment.offset + segment.length)]
        }
      }
    }
  }
}

@Suite struct TypedListTests {
  /// A varint's bytes by hand: seven bits each, the lowest first.
  @Test func `varints become elements of their width`() throws {
    var bytes: [UInt8] = []
    var partial = TypedList.PartialVarint(at: 0)
    // 1, 300 and -2, the last sign-extended to 64 bits as protobuf writes int32.
    let list: [UInt8] =
      [0x01, 0xAC, 0x02, 0xFE] + [UInt8](repeating: 0xFF, count: 8) + [0x01]
    for part in [list[..<2], list[2..<7], list[7...]] {
      try TypedList.appendVarints(Array(part).span, width: 4, partial: &partial, to: &bytes)
    }
    #expect(bytes == [1, 0, 0, 0, 0x2C, 1, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF])
    #expect(partial.count == 3 && partial.isWhole)
    #expect(TypedList.encodeVarints(bytes, width: 4, isSigned: true) == list)
  }

  @Test func `unsigned elements are not extended`() {
    #expect(
      TypedList.encodeVarints([0xFF, 0xFF], width: 2, isSigned: false) == [0xFF, 0xFF, 0x03])
    #expect(TypedList.encodeVarints([0x80], width: 1, isSigned: false) == [0x80, 0x01])
  }

  @Test func `a cut varint is not whole and an endless one is refused`() throws {
    var bytes: [UInt8] = []
    var partial = TypedList.PartialVarint(at: 0)
    try TypedList.appendVarints([0x80].span, width: 8, partial: &partial, to: &bytes)
    #expect(!partial.isWhole && bytes.isEmpty)
    let endless = [UInt8](repeating: 0x80, count: 10)
    #expect(throws: Diagnostic.self) {
      try TypedList.appendVarints(endless.span, width: 8, partial: &partial, to: &bytes)
    }
  }

  /// The table of `onnx.proto`: which list holds which element types.
  @Test func `element types have the field that ONNX prescribes`() {
    let fields: [(field: Int32?, types: [Int32])] = [
      (4, [1, 14]), (5, [2, 3, 4, 5, 6, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23]), (7, [7]),
      (10, [11, 15]), (11, [12, 13]), (nil, [0, 8, 99]),
    ]
    for (field, types) in fields {
      for type in types { #expect(TypedList.field(of: type) == field, "type \(type)") }
    }
  }
}

import Backend
import FP8
import Glibc
import IR
import ONNX
import Support
import TestSupport
import Testing
import Weights

@Suite struct ExporterTests {
  @Test func `a model is written as protobuf lays it out`() throws {
    let source = try Source()
    var exporter = Exporter(source.model(), source.store, placement: .inline)
    var output = MemorySink()
    try exporter.write(to: &output)
    let expected = model(weight: Wire.tensor("w", [20]).data(9, source.elements))
    // `raw_data` is field 9 and stands behind the name, field 8.
    #expect(output.bytes == expected)
    #expect(!exporter.hasData)
  }

  @Test func `a data file holds weights at multiples of 4096 bytes`() throws {
    let source = try Source()
    var model = source.model()
    let second = model.graph.addWeight("v", source.weight)
    #expect(model.graph[second].name == "v")
    var exporter = Exporter(
      model, source.store, placement: .dataFile(threshold: 80, location: "out.data"))
    var output = MemorySink()
    try exporter.write(to: &output)
    #expect(exporter.hasData)
    var data = try OutputFile(path: source.folder["out.data"])
    try exporter.writeData(to: &data)
    try data.commit(sync: false)
    let bytes = try source.folder.contents("out.data")
    #expect(bytes.count == 4096 + 80)
    #expect(Array(bytes[..<80]) == source.elements)
    #expect(bytes[80..<4096].allSatisfy { $0 == 0 })
    #expect(Array(bytes[4096...]) == source.elements)
    let places = try entries(of: output.bytes)
    #expect(
      places == [
        "w": ["location=out.data", "offset=0", "length=80"],
        "v": ["location=out.data", "offset=4096", "length=80"], "b": [],
      ])
  }

  @Test func `weights below the threshold stay inside the model`() throws {
    let source = try Source()
    var exporter = Exporter(
      source.model(), source.store, placement: .dataFile(threshold: 81, location: "out.data"))
    var output = MemorySink()
    try exporter.write(to: &output)
    #expect(!exporter.hasData)
  }

  @Test func `references point into the source's own files`() throws {
    let source = try Source()
    var exporter = Exporter(
      source.model(), source.store, placement: .references(model: "m.onnx"))
    var output = MemorySink()
    try exporter.write(to: &output)
    let bytes = try source.folder.contents("m.onnx")
    let offset = try #require(
      (0...bytes.count - 80).first { Array(bytes[$0..<$0 + 80]) == source.elements })
    #expect(
      try entries(of: output.bytes)
        == ["w": ["location=m.onnx", "offset=\(offset)", "length=80"], "b": []])
  }

  @Test func `a quantized weight is written as codes of its type`() throws {
    let source = try Source()
    var model = source.model()
    var weight = source.weight
    weight.recipe = [
      .quantize(Quantization(element: .float8e4m3fn, scale: .perTensor(0.5), fullscale: 240))
    ]
    let id = try #require(model.graph.value(named: "w"))
    model.graph.setWeight(id, to: weight)
    var exporter = Exporter(model, source.store, placement: .inline)
    var output = MemorySink()
    try exporter.write(to: &output)
    // 1 / 0.5 is 2, which E4M3 writes as 0x40; the element type is 17.
    let codes = [UInt8](repeating: 0x40, count: 20)
    #expect(
      output.bytes
        == self.model(weight: Wire.tensor("w", [20], type: 17).data(9, codes)))
    #expect(exporter.losses[weight]?.elements == 20)
    #expect(exporter.losses[weight]?.error == 0)
  }

  @Test func `a model beyond two gigabytes is refused unless its weights go outside`() throws {
    let folder = try TemporaryFolder()
    let size: Int64 = 3 << 30
    let data = try folder.write("w.bin", [])
    #expect(unsafe truncate(data, Int(size)) == 0)
    let path = try folder.write("m.onnx", Wire.model(Wire.graph()).bytes)
    let store = WeightStore(
      model: try ModelFile(path: path),
      dataFiles: [DataFile(location: "w.bin", try InputFile(path: data))])
    var model = Model(irVersion: 8, opsets: [OpsetImport(domain: "", version: 18)])
    model.graph.addWeight(
      "w",
      Weight(
        stored: TensorType(.uint8, sizes: [size]),
        source: .range(StoredRange(file: "w.bin", encoding: .raw, offset: 0, length: size))))
    let error = failure { () throws(Diagnostic) in
      var exporter = Exporter(model, store, placement: .inline)
      var output = MemorySink()
      try exporter.write(to: &output)
    }
    #expect(error?.status == .limitReached)
    var exporter = Exporter(model, store, placement: .dataFile(threshold: 1, location: "o"))
    var output = MemorySink()
    try exporter.write(to: &output)
    #expect(
      try entries(of: output.bytes) == ["w": ["location=o", "offset=0", "length=3221225472"]])
  }

  /// The model of `Source`, written by hand.
  private func model(weight: Wire) -> [UInt8] {
    // `float_data` is field 4: before the name.
    let bias = Wire().number(1, 2).number(2, 1).data(4, [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
      .text(8, "b")
    let node = Wire.node("Add", ["x", "w"], ["y"], name: "sum")
    let graph = Wire.graph(
      nodes: [node], initializers: [weight, bias], inputs: [Wire.value("x", [20])],
      outputs: [Wire.value("y", [20])])
    return Wire.model(graph).bytes
  }

  /// The external data entries of every initializer.
  private func entries(of bytes: [UInt8]) throws -> [String: [String]] {
    let folder = try TemporaryFolder()
    let file = try ModelFile(path: folder.write("o.onnx", bytes))
    var result: [String: [String]] = [:]
    try file.forEachInitializer { tensor in
      result[tensor.name] = tensor.externalData.map { "\($0.key)=\($0.value)" }
    }
    return result
  }
}

/// A model file with a weight of twenty ones.
private struct Source: ~Copyable {
  let folder: TemporaryFolder
  let store: WeightStore
  let weight: Weight
  let elements = (0..<20).flatMap { _ in [0, 0, 0x80, 0x3F] as [UInt8] }

  init() throws {
    let folder = try TemporaryFolder()
    let tensor = Wire.tensor("w", [20]).data(9, elements)
    let bytes = Wire.model(Wire.graph(initializers: [tensor])).bytes
    let file = try ModelFile(path: folder.write("m.onnx", bytes))
    let segment = try #require(file.payloads.first?.segments.first)
    weight = Weight(
      stored: TensorType(.float32, sizes: [20]),
      source: .range(
        StoredRange(
          file: nil, encoding: .raw, offset: segment.offset, length: segment.length)))
    store = WeightStore(model: file, dataFiles: [])
    self.folder = folder
  }

  /// The weight, a literal written as a typed list, and a node that reads the weight.
  func model() -> Model {
    let type = ValueType.tensor(TensorType(.float32, sizes: [20]))
    var graph = Graph(name: "g")
    let x = graph.addInput("x", type)
    let w = graph.addWeight("w", weight)
    graph.addWeight(
      "b",
      Weight(
        stored: TensorType(.float32, sizes: [2]),
        source: .literal([0, 0, 0x80, 0x3F, 0, 0, 0, 0x40], encoding: .floatData)))
    let node = graph.addNode(
      Node(name: "sum", op: "Add", inputs: [x, w], outputs: []), results: [("y", type)])
    graph.setOutputs(graph[node].outputs.compactMap { $0 })
    return Model(irVersion: 8, opsets: [OpsetImport(domain: "", version: 18)], graph: graph)
  }
}

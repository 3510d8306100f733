import IR

/// A model in which no field of any struct has its default.
func everyField() -> Model {
  var graph = Graph(name: "main graph", annotations: notes("g"))
  let x = graph.addInput(
    "x", .tensor(TensorType(.float32, [.symbol("N"), .symbol("batch size"), .unknown, .size(-1)])),
    annotations: notes("x"))
  graph.addInput("1", nil)
  let w = graph.addWeight(
    "onnx::MatMul_7",
    Weight(
      stored: TensorType(.float32, sizes: [64, 10]),
      source: .range(StoredRange(file: "a b.bin", encoding: .raw, offset: 1024, length: 2560)),
      recipe: [
        .cast(.bfloat16), .transpose([1, 0]), .reshape([10, 64]),
        .quantize(
          Quantization(
            element: .float8e4m3fn, scale: .perChannel([0.0625, 0.1], axis: 0), fullscale: 240,
            via: .bfloat16)),
      ], isOverridable: true), annotations: notes("w"))
  graph.listAsInput(w)
  let literal = graph.addWeight(
    "lit",
    Weight(
      stored: TensorType(.int64, sizes: [2]),
      source: .literal(
        [1, 0, 0, 0, 0, 0, 0, 0] + Array(repeating: 255, count: 8), encoding: .int64Data),
      recipe: [.cast(.float32)]))
  graph.addWeight(
    "texts",
    Weight(
      stored: TensorType(.string, sizes: [2]),
      source: .strings([[0xFF, 0x41, 0x22], Array("é\n".utf8)])))
  graph.addWeight(
    "none",
    Weight(
      stored: TensorType(.float32, sizes: [0]),
      source: .range(StoredRange(file: nil, encoding: .absent, offset: 0, length: 0))))
  graph.describe(literal, isDescribed: true, annotations: notes("lit"))

  let first = graph.addNode(
    Node(
      name: "/fc/MatMul", op: "Mat Mul", domain: "com.microsoft", overload: "o",
      inputs: [x, nil, w], outputs: [], attributes: attributes(capturing: "lit"),
      annotations: notes("n"), origin: "elsewhere"),
    results: [
      ("h", .tensor(TensorType(.bfloat16, nil))), nil,
      ("s", .sequence(.optional(.map(key: .int64, value: .untyped(shape: [.unknown]))))),
      ("o", .opaque([0, 255])), ("p", .sparse(TensorType(.float32, [.size(3)]))),
      ("q", .untyped(shape: nil)), ("r", nil),
    ])
  let h = graph[first].outputs[0] ?? x
  graph.describe(h, isDescribed: true, annotations: notes("h"))
  graph.addNode(Node(op: "model", inputs: [h], outputs: []), results: [])
  let second = graph.addNode(
    Node(op: "weight", inputs: [h, literal], outputs: []), results: [nil, ("y", nil)])
  let y = graph[second].outputs[1] ?? x
  graph.setOutputs([y, w, y])
  graph.addModule(
    QuantizedModule(
      kind: "linear", type: "FalconLinear", path: "layers.0.fc1", evidence: .weightName,
      ports: [
        Port("input", .activation, x, maxAbs: [6.5], scale: .perTensor(0.0625)),
        Port(
          "weight", .weight, w, channelAxis: 1, maxAbs: [0.8, 0.1],
          scale: .perChannel([0.5, 1e-30], axis: 0)),
        Port("bias", .unquantized, literal, maxAbs: []), Port("out put", .output, y),
      ], nodes: [first, second], result: y))
  return Model(
    irVersion: 8,
    opsets: [OpsetImport(domain: "", version: 23), OpsetImport(domain: "a\"b", version: 1)],
    graph: graph, functions: [function()], producerName: "pytorch", producerVersion: "2.13.0",
    domain: "d", modelVersion: -3, annotations: notes("m"), carried: [1, 2])
}

private func notes(_ text: String) -> Annotations {
  Annotations(
    docString: "doc of \(text)\n\t\\\"\u{1}\u{202E}é",
    metadata: [Metadata("k", text), Metadata("", "ключ")], unknown: [0xDE, 0xAD])
}

private func function() -> Function {
  var body = Graph(name: "Norm")
  let x = body.addInput("x", nil)
  let node = body.addNode(
    Node(
      op: "LeakyRelu", inputs: [x], outputs: [],
      attributes: [Attribute("alpha", .reference("al pha", kind: 1))]),
    results: [("y", nil)])
  body.setOutputs(body[node].outputs.compactMap { $0 })
  return Function(
    key: FunctionKey(domain: "local", name: "Norm", overload: "v2"), attributes: ["al pha", "b"],
    defaults: [Attribute("eps", .float(1e-5), docString: "d", unknown: [9])],
    opsets: [OpsetImport(domain: "", version: 21)], body: body, annotations: notes("f"))
}

private func attributes(capturing name: String) -> [Attribute] {
  let weight = Weight(
    stored: TensorType(.float32, sizes: [2]),
    source: .literal([0, 0, 0x80, 0x3F, 0, 0, 0, 0x80], encoding: .floatData), isOverridable: true)
  let tensor = TensorAttribute(name: "t", weight: weight, annotations: notes("t"))
  let sparse = SparseAttribute(
    values: tensor, indices: TensorAttribute(weight: weight), sizes: [3, -4], unknown: [7])
  let type = ValueType.tensor(TensorType(.float16, sizes: []))
  let values: [(String, AttributeValue)] = [
    ("float", .float(-0.0)), ("infinite", .float(-.infinity)), ("int", .int(.min)),
    ("string", .string([0xC3, 0x28])), ("tensor", .tensor(tensor)), ("sparse", .sparse(sparse)),
    ("type", .type(type)), ("graph", .graph(body(capturing: name, depth: 3))),
    ("floats", .floats([1, .greatestFiniteMagnitude, .leastNonzeroMagnitude])),
    ("ints", .ints([1, .max])), ("strings", .strings([[], Array("inf".utf8)])),
    ("tensors", .tensors([tensor, tensor])), ("sparses", .sparses([sparse])),
    ("types", .types([type, .opaque([])])),
    ("graphs", .graphs([body(capturing: name, depth: 0), body(capturing: "x", depth: 1)])),
    ("no floats", .floats([])), ("no.ints", .ints([])), ("inf", .strings([])), ("_", .tensors([])),
    ("", .sparses([])), ("é", .types([])), ("0", .graphs([])),
  ]
  return values.map { Attribute($0.0, $0.1, docString: "about it", unknown: [0]) }
}

private func body(capturing name: String, depth: Int) -> Graph {
  var graph = Graph(name: "b", annotations: notes("b"))
  let i = graph.addInput("i", nil)
  let captured = depth.isMultiple(of: 2) ? graph.capture(name) : i
  var attributes: [Attribute] = []
  if depth > 0 {
    attributes = [Attribute("body", .graph(body(capturing: name, depth: depth - 1)))]
  }
  let node = graph.addNode(
    Node(op: "If", inputs: [captured], outputs: [], attributes: attributes), results: [("z", nil)])
  graph.setOutputs(graph[node].outputs.compactMap { $0 } + [graph.capture(name)])
  return graph
}

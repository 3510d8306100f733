import IR
import Support
import Testing

@testable import Targets

/// Expected values are those of the ONNX operator documentation (docs/Changelog.md of onnx 1.23).
struct OperatorTableTests {
  let table: OperatorTable

  init() throws { table = try OperatorTable.embedded() }

  private func types(
    _ op: String, domain: String = "", opset: Int64 = 23, _ operands: [ElementType?],
    outputs: Int = 1, _ attributes: [Attribute] = []
  ) -> [ElementType?] {
    var graph = Graph()
    let inputs = operands.enumerated().map { index, element in
      graph.addInput("i\(index)", element.map { .tensor(TensorType($0, nil)) })
    }
    let id = graph.addNode(
      Node(op: op, domain: domain, inputs: inputs, outputs: [], attributes: attributes),
      results: (0..<outputs).map { ("o\($0)", nil) })
    return table.resultTypes(of: graph[id], in: graph, opset: opset).map { $0?.element }
  }

  @Test func `the table reaches the newest opset`() { #expect(table.newestOpset == 28) }

  @Test func `a version selects the newest form that is not newer`() throws {
    #expect(try table.signature(domain: "", op: "Add", opset: 12).since == 7)
    #expect(try table.signature(domain: "", op: "Add", opset: 13).since == 13)
    #expect(try table.signature(domain: "", op: "Add", opset: 28).since == 14)
    #expect(table.versions(domain: "", op: "Softmax") == [1, 11, 13])
  }

  @Test func `bfloat16 is accepted from the version that brought it`() throws {
    let old = try table.signature(domain: "", op: "Conv", opset: 21)
    let new = try table.signature(domain: "", op: "Conv", opset: 22)
    #expect(!old.accepts(.bfloat16, atInput: 0))
    #expect(new.accepts(.bfloat16, atInput: 0))
    #expect(new.gives(.bfloat16, atOutput: 0))
    #expect(!new.accepts(.bfloat16, atInput: 3))
  }

  @Test func `a variadic input has the type of the others`() throws {
    let concat = try table.signature(domain: "", op: "Concat", opset: 13)
    #expect(concat.accepts(.bfloat16, atInput: 7))
    #expect(!concat.accepts(.float8e4m3fn, atInput: 7))
    #expect(concat.inputs(sharingTypeWithOutput: 0, of: 3) == [0, 1, 2])
    let gather = try table.signature(domain: "", op: "Gather", opset: 13)
    #expect(gather.inputs(sharingTypeWithOutput: 0, of: 2) == [0])
  }

  @Test func `a misspelled operator is named with the nearest`() {
    #expect(throws: Diagnostic.unknownOperator("MatMull", domain: "", known: ["MatMul"])) {
      try table.signature(domain: "", op: "MatMull", opset: 13)
    }
    #expect(
      Diagnostic.unknownOperator("MatMull", domain: "", known: ["Add", "MatMul"]).notes
        == ["did you mean 'MatMul'?"])
  }

  @Test func `an operator that is gone or not yet there is refused with the reason`() {
    #expect(throws: Diagnostic.deprecatedOperator("Upsample", domain: "", opset: 10)) {
      try table.signature(domain: "", op: "Upsample", opset: 10)
    }
    #expect(
      throws: Diagnostic.operatorNotYet("Attention", domain: "", since: 23, opset: 22)
    ) { try table.signature(domain: "", op: "Attention", opset: 22) }
    #expect(throws: Diagnostic.self) {
      try table.signature(domain: "nowhere", op: "Add", opset: 1)
    }
    #expect(!table.knows(domain: "nowhere"))
  }

  @Test func `a result follows the operands of its type variable`() {
    #expect(types("Add", [nil, .bfloat16]) == [.bfloat16])
    #expect(types("Where", [.bool, .float16, nil]) == [.float16])
    #expect(types("Greater", [.float32, .float32]) == [.bool])
    #expect(types("ArgMax", [.float32]) == [.int64])
    #expect(types("CastLike", [.float32, .float16]) == [.float16])
    #expect(types("TopK", [.float16, .int64], outputs: 2) == [.float16, .int64])
    #expect(types("Add", [nil, nil]) == [nil])
  }

  @Test func `a result follows the attribute that names its type`() {
    #expect(types("Cast", [.float32], [Attribute("to", .int(16))]) == [.bfloat16])
    #expect(types("EyeLike", [.int32]) == [.int32])
    #expect(types("EyeLike", [.int32], [Attribute("dtype", .int(1))]) == [.float32])
    #expect(types("RandomNormal", []) == [.float32])
    #expect(types("Constant", [], [Attribute("value_ints", .ints([1]))]) == [.int64])
    #expect(
      types("LayerNormalization", [.bfloat16, .bfloat16], outputs: 2) == [.bfloat16, .float32])
  }

  @Test func `quantizers follow zero point, then attribute, then the default`() {
    #expect(types("QuantizeLinear", [.float32, .float32, .float8e4m3fn]) == [.float8e4m3fn])
    #expect(types("QuantizeLinear", [.float32, .float32]) == [.uint8])
    #expect(
      types("QuantizeLinear", [.float32, .float32], [Attribute("output_dtype", .int(19))])
        == [.float8e5m2])
    #expect(
      types("QuantizeLinear", [.float32, .float32], [Attribute("output_dtype", .int(0))])
        == [.uint8])
    #expect(types("DequantizeLinear", [.float8e4m3fn, .float16, .float8e4m3fn]) == [.float16])
    #expect(
      types("DequantizeLinear", [.int8, .float32], [Attribute("output_dtype", .int(16))])
        == [.bfloat16])
    #expect(types("DequantizeLinear", opset: 13, [.uint8, .float32]) == [.float32])
  }

  @Test func `operators with bodies give what the bodies give`() {
    var branch = Graph(name: "branch")
    let seed = branch.addInput("seed", .tensor(TensorType(.float16, sizes: [2])))
    branch.setOutputs([seed])
    #expect(types("If", [.bool], [Attribute("then_branch", .graph(branch))]) == [.float16])
    var body = Graph(name: "body")
    let go = body.addInput("go", .tensor(TensorType(.bool, [])))
    let state = body.addInput("state", .tensor(TensorType(.bfloat16, sizes: [2])))
    body.setOutputs([go, state, state])
    #expect(
      types("Loop", [.int64, .bool, nil], outputs: 2, [Attribute("body", .graph(body))])
        == [.bfloat16, .bfloat16])
  }

  @Test func `sequences are wrapped and unwrapped`() {
    var graph = Graph()
    let x = graph.addInput("x", .tensor(TensorType(.float32, sizes: [2])))
    let made = graph.addNode(
      Node(op: "SequenceConstruct", inputs: [x], outputs: []), results: [("s", nil)])
    let types = table.resultTypes(of: graph[made], in: graph, opset: 23)
    #expect(types == [.sequence(.tensor(TensorType(.float32, nil)))])
    let sequence = graph.addInput("s.in", types[0])
    let taken = graph.addNode(
      Node(op: "SequenceAt", inputs: [sequence, x], outputs: []), results: [("e", nil)])
    #expect(
      table.resultTypes(of: graph[taken], in: graph, opset: 23)
        == [.tensor(TensorType(.float32, nil))])
  }

  /// The type rule of OptionalGetElement-18: an operand that is no optional passes as it is.
  @Test func `an optional gives what it holds, and anything else itself`() {
    let tensor = ValueType.tensor(TensorType(.int32, nil))
    let cases: [(operand: ValueType, result: ValueType)] = [
      (.optional(tensor), tensor), (.optional(.sequence(tensor)), .sequence(tensor)),
      (.sequence(tensor), .sequence(tensor)), (tensor, tensor),
    ]
    for (operand, result) in cases {
      var graph = Graph()
      let x = graph.addInput("x", operand)
      let id = graph.addNode(
        Node(op: "OptionalGetElement", inputs: [x], outputs: []), results: [("y", nil)])
      #expect(table.resultTypes(of: graph[id], in: graph, opset: 18) == [result])
    }
  }

  @Test func `operators that ONNX Runtime fuses are known`() {
    let domain = "com.microsoft"
    #expect(types("FusedMatMul", domain: domain, [.float16, .float16]) == [.float16])
    #expect(
      types(
        "SkipLayerNormalization", domain: domain, [.float16, .float16, .float16], outputs: 4)
        == [.float16, .float32, .float32, .float16])
    #expect(
      types(
        "GroupQueryAttention", domain: domain,
        [.float16, .float16, .float16, .float8e4m3fn, .float8e4m3fn], outputs: 3)
        == [.float16, .float8e4m3fn, .float8e4m3fn])
    #expect(types("AllReduce", domain: domain, [.float16]) == [.float16])
    #expect(types("SimplifiedLayerNormalization", [.float16, .float16]) == [.float16])
  }
}

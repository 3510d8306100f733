import TestSupport
import Testing

/// What the checker of ONNX refuses is refused, each with the identifier of its cause.
@Suite struct CheckerTests {
  private static let x = Wire.value("x", [2, 2])
  private static let y = Wire.value("y", [2, 2])

  private static func model(
    _ nodes: [Wire], inputs: [Wire] = [x], outputs: [Wire] = [y], ir: UInt64 = 8
  ) -> Wire {
    Wire.model(Wire.graph(nodes: nodes, inputs: inputs, outputs: outputs), ir: ir)
  }

  /// An `AttributeProto`: name (1), integer (3), type (20).
  private static func integer(_ name: String, type: UInt64 = 2) -> Wire {
    Wire().text(1, name).number(3, 1).number(20, type)
  }

  private static func softmax(_ attribute: Wire) -> Wire {
    model([Wire.node("Softmax", ["x"], ["y"]).message(5, attribute)])
  }

  /// A model that calls function `F` of domain `d`: inputs (4), outputs (5), attributes (6), nodes (7), opsets (9).
  private static func call(
    _ node: Wire, inputs: [String], outputs: [String], body: [Wire], named name: String = "F",
    attributes: [String] = []
  ) -> Wire {
    let head = attributes.reduce(Wire()) { $0.text(6, $1) }.text(1, name).text(10, "d").message(
      9, Wire().text(1, "").number(2, 18))
    let formals = outputs.reduce(inputs.reduce(head) { $0.text(4, $1) }) { $0.text(5, $1) }
    let function = body.reduce(formals) { $0.message(7, $1) }
    return model([node.text(7, "d")]).message(25, function)
      .message(8, Wire().text(1, "d").number(2, 1))
  }

  /// An `If` with two equal branches: an `AttributeProto` has a name (1), a graph (6), a type (20).
  private static func branch(outputs: [Wire]) -> Wire {
    let body = Wire.graph(outputs: outputs)
    return ["then_branch", "else_branch"].reduce(Wire.node("If", ["c"], ["y"])) {
      $0.message(5, Wire().text(1, $1).message(6, body).number(20, 5))
    }
  }

  /// A `StringStringEntryProto`: key (1), value (2).
  private static let metadata = Wire().text(1, "author").text(2, "a")

  private static let matmul = Wire.node("MatMul", ["a", "b"], ["c"])

  static let refused: [(id: String, model: Wire)] = [
    ("untyped-interface", model([Wire.node("Relu", ["x"], ["y"])], inputs: [Wire().text(1, "x")])),
    // A type of nothing but a field that no schema has.
    (
      "untyped-interface",
      model(
        [Wire.node("Relu", ["x"], ["y"])],
        outputs: [Wire().text(1, "y").message(2, Wire().text(99, "unknown"))])
    ),
    // A tensor of no element type, with a field that no schema has.
    (
      "untyped-interface",
      model(
        [Wire.node("Relu", ["x"], ["y"])],
        inputs: [
          Wire().text(1, "x").message(2, Wire().message(1, Wire()).text(1001, "unknown"))
        ])
    ),
    ("unnamed-attribute", softmax(integer(""))),
    ("attribute-type", softmax(Wire().text(1, "axis").number(20, 99))),
    ("attribute-content", softmax(Wire().text(1, "axis").number(3, 1))),
    ("attribute-content", softmax(integer("axis", type: 1))),
    ("undeclared-attribute", softmax(integer("axes"))),
    ("other-attribute-type", softmax(Wire().text(1, "axis").number(20, 3).text(4, "1"))),
    ("missing-attribute", model([Wire.node("Concat", ["x", "x"], ["y"])])),
    ("formal-count", model([Wire.node("Relu", ["x", "x"], ["y"])])),
    ("formal-count", model([Wire.node("MatMul", ["x"], ["y"])])),
    ("formal-gap", model([Wire.node("MatMul", ["x", ""], ["y"])])),
    // A branch hands on what is outside of it only with an Identity.
    (
      "undefined-output",
      model(
        [branch(outputs: [Wire.value("x", [2, 2])])],
        inputs: [x, Wire.value("c", [], type: 9)])
    ),
    // The result is declared to be float16.
    (
      "types-differ",
      model([Wire.node("Relu", ["x"], ["y"])], outputs: [Wire.value("y", [2, 2], type: 10)])
    ),
    // The cast gives float (1), and its result is declared to be float16.
    (
      "other-result",
      model(
        [Wire.node("Cast", ["x"], ["y"]).message(5, integer("to"))],
        outputs: [Wire.value("y", [2, 2], type: 10)])
    ),
    // A sequence of tensors of float (`ValueInfoProto` 2, `TypeProto` 4, `Sequence` 1, `TypeProto` 1).
    (
      "no-sequence",
      model(
        [Wire.node("MatMul", ["x", "s"], ["y"])],
        inputs: [
          x,
          Wire().text(1, "s").message(
            2,
            Wire().message(
              4, Wire().message(1, Wire().message(1, Wire().number(1, 1))))),
        ])
    ),
    // The reference of a function's attribute says that it is a list of strings (8).
    (
      "other-attribute-type",
      call(
        Wire.node("F", ["x"], ["y"]), inputs: ["a"], outputs: ["c"],
        body: [
          Wire.node("Softmax", ["a"], ["c"]).message(
            5, Wire().text(1, "axis").text(21, "t").number(20, 8))
        ], attributes: ["t"])
    ),
    (
      "attribute-type",
      call(
        Wire.node("F", ["x"], ["y"]), inputs: ["a"], outputs: ["c"],
        body: [Wire.node("Softmax", ["a"], ["c"]).message(5, Wire().text(1, "axis").text(21, "t"))])
    ),
    (
      "defined-twice",
      call(
        Wire.node("F", ["x"], ["y", "z"]), inputs: ["a"], outputs: ["c", "c"],
        body: [Wire.node("Relu", ["a"], ["c"])])
    ),
    // What a call leaves out reaches an operator that needs it.
    (
      "formal-gap",
      call(
        Wire.node("F", ["x", ""], ["y"]), inputs: ["a", "b"], outputs: ["c"], body: [matmul])
    ),
    (
      "types-differ",
      model(
        [Wire.node("MatMul", ["x", "h"], ["y"])],
        inputs: [x, Wire.value("h", [2, 2], type: 10)])
    ),
    (
      "metadata-twice",
      model([Wire.node("Relu", ["x"], ["y"])]).message(14, metadata).message(14, metadata)
    ),
    ("unknown-operator", model([Wire.node("MatMull", ["x", "x"], ["y"])])),
    (
      "unnamed-function",
      call(Wire.node("F", ["x"], ["y"]), inputs: ["a"], outputs: ["a"], body: [], named: "")
    ),
    (
      "function-without-domain",
      model([Wire.node("Relu", ["x"], ["y"])]).message(
        25,
        Wire().text(1, "F").text(4, "a").text(5, "a").message(9, Wire().text(1, "").number(2, 18)))
    ),
    (
      "call-arity",
      call(
        Wire.node("F", ["x", "x"], ["y"]), inputs: ["a", "b"], outputs: [], body: [matmul])
    ),
    (
      "formal-gap",
      call(
        Wire.node("F", ["x"], ["y"]), inputs: ["a", "b"], outputs: ["c"], body: [matmul])
    ),
    (
      "result-left-out",
      call(
        Wire.node("F", ["x"], ["y"]), inputs: ["a", "b"], outputs: ["b"],
        body: [Wire.node("MatMul", ["a", "a"], ["c"])])
    ),
    (
      "initializer-not-input",
      Wire.model(
        Wire.graph(
          nodes: [Wire.node("MatMul", ["x", "w"], ["y"])],
          initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
          inputs: [x], outputs: [y]), ir: 3)
    ),
  ]

  @Test(arguments: refused.indices)
  func `the cause is named, and nothing is written`(index: Int) throws {
    let (id, model) = Self.refused[index]
    let folder = try TemporaryFolder()
    try folder.write("m.onnx", model.bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale"], in: folder.path)
    #expect(result.status == 65, "\(result.errors)")
    #expect(result.errors.hasPrefix("error: "))
    #expect(result.lines.contains { $0.hasSuffix("[\(id)]") }, "\(result.errors)")
    #expect(try folder.entries() == ["m.onnx"])
  }

  /// A field that `ValueInfoProto` has not is dropped with the description of a constant: in the tensor
  /// it would be the elements (5 is `int32_data`) once more.
  @Test(arguments: [Wire.value("w", [2, 2]), Wire.value("s", [2], type: 7)])
  func `fields of another schema do not become a tensor's`(value: Wire) throws {
    let description = value.text(5, "elements of no tensor")
    // A `Constant` of the list 2, 2 (8 is `ints`, and 7 its type), which becomes an initializer.
    let shape = Wire().text(1, "value_ints").number(8, 2).number(8, 2).number(20, 7)
    let graph = Wire.graph(
      nodes: [
        Wire.node("Constant", [], ["s"]).message(5, shape),
        Wire.node("Reshape", ["x", "s"], ["h"]), Wire.node("MatMul", ["h", "w"], ["y"]),
      ],
      initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
      inputs: [Self.x], outputs: [Self.y])
    let folder = try TemporaryFolder()
    try folder.write("m.onnx", Wire.model(graph.message(13, description)).bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale"], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let written = String(decoding: try folder.contents("out.onnx"), as: UTF8.self)
    #expect(!written.contains("elements of no tensor"))
  }
}

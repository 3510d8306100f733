internal import IR
internal import Support

/// One thing that may give an operator's output its type: an entry of `schemas/results.json`.
struct ResultSource: Equatable, Sendable {
  let origin: Origin
  let wrapping: Wrapping

  enum Origin: Equatable, Sendable {
    /// The type of the operand at this index.
    case input(Int)
    /// The attribute's number of `TensorProto.DataType`, or its type; 0 counts as left out.
    case attribute(String)
    /// The element type of the attribute's tensor.
    case tensor(String)
    /// The type, where the attribute is given and no empty list.
    case given(String, ElementType)
    case type(ElementType)
    /// The output of the attribute's graph, this far behind the operator's own.
    case body(String, offset: Int)
  }

  /// What stands around the type found.
  enum Wrapping: String, CaseIterable, Sendable {
    case none
    case sequence = "seq"
    case optional
    /// What the sequence holds.
    case element
    /// What the optional holds; anything else is itself (OptionalGetElement-18).
    case content
  }

  /// The type of the output at `index`; `nil` where this source has nothing to say.
  func type(of node: Node, output index: Int, operands: [ValueType?]) -> ValueType? {
    found(node, index, operands).flatMap(wrapped)
  }

  private func found(_ node: Node, _ index: Int, _ operands: [ValueType?]) -> ValueType? {
    switch origin {
    case .input(let position):
      return position < operands.count ? operands[position]?.withoutShape : nil
    case .attribute(let name):
      if case .type(let type)? = node[attribute: name] { return type }
      return node.int(name).flatMap { Int32(exactly: $0) }.flatMap(ElementType.init(rawValue:))
        .map { .tensor(TensorType($0, nil)) }
    case .tensor(let name):
      switch node[attribute: name] {
      case .tensor(let tensor)?: return .tensor(TensorType(tensor.weight.type().element, nil))
      case .sparse(let sparse)?:
        return .tensor(TensorType(sparse.values.weight.type().element, nil))
      default: return nil
      }
    case .given(let name, let element):
      switch node[attribute: name] {
      case nil, .floats([])?, .ints([])?, .strings([])?: return nil
      default: return .tensor(TensorType(element, nil))
      }
    case .type(let element): return .tensor(TensorType(element, nil))
    case .body(let name, let offset):
      guard case .graph(let body)? = node[attribute: name] else { return nil }
      let position = index + offset
      guard position < body.outputs.count else { return nil }
      return body[body.outputs[position]].type?.withoutShape
    }
  }

  private func wrapped(_ type: ValueType) -> ValueType? {
    switch wrapping {
    case .none: return type
    case .sequence: return .sequence(type)
    case .optional: return .optional(type)
    case .element:
      guard case .sequence(let element) = type else { return nil }
      return element
    case .content:
      guard case .optional(let content) = type else { return type }
      return content
    }
  }

  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["input", "attribute", "tensor", "given", "type", "body", "offset", "of"])
    wrapping = try row.optional("of")?.choice(of: Wrapping.self) ?? .none
    if let input = try row.optional("input") {
      origin = .input(try input.integer())
    } else if let attribute = try row.optional("attribute") {
      origin = .attribute(try attribute.string())
    } else if let tensor = try row.optional("tensor") {
      origin = .tensor(try tensor.string())
    } else if let given = try row.optional("given") {
      origin = .given(try given.string(), try row.member("type").elementType())
    } else if let body = try row.optional("body") {
      origin = .body(try body.string(), offset: try row.optional("offset")?.integer() ?? 0)
    } else {
      origin = .type(try row.member("type").elementType())
    }
  }
}

extension JSONReader {
  fileprivate func elementType() throws(Diagnostic) -> ElementType {
    guard let element = ElementType.named(try string()) else {
      throw notOneOf(ElementType.allCases.map(\.onnxName))
    }
    return element
  }
}

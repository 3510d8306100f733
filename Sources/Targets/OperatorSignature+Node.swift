package import IR
package import Support

extension OperatorSignature {
  /// An attribute that an operator declares.
  struct DeclaredAttribute: Equatable, Sendable {
    let name: String
    /// As `AttributeProto.AttributeType` has it, in small letters.
    let type: String
    let isRequired: Bool
  }

  /// Refuses a node that is not as its operator declares it, as the checker of ONNX does.
  ///
  /// Judged are the number of operands and results, gaps where there has to be one, and the names,
  /// types and presence of attributes where the table has them. Names that begin with two underscores are a runtime's own.
  package func check(_ node: Node, at location: Location) throws(Diagnostic) {
    try check(
      node.inputs.map { $0 != nil }, "inputs", against: inputs, least: leastInputs, at: location)
    try check(
      node.outputs.map { $0 != nil }, "outputs", against: outputs, least: leastOutputs,
      at: location)
    guard let attributes else { return }
    for attribute in node.attributes {
      guard let declared = attributes.first(where: { $0.name == attribute.name }) else {
        if attribute.name.hasPrefix("__") { continue }
        throw .undeclaredAttribute(
          attribute.name, of: op, known: attributes.map(\.name), at: location)
      }
      let type = attribute.value.typeName
      guard type == nil || type == declared.type else {
        throw .otherAttributeType(
          attribute.name, type ?? "", expected: declared.type, of: op, at: location)
      }
    }
    for declared in attributes where declared.isRequired {
      guard node.attributes.contains(where: { $0.name == declared.name }) else {
        throw .missingAttribute(declared.name, of: op, at: location)
      }
    }
  }

  private func check(
    _ given: [Bool], _ side: String, against formals: [Formal], least: Int, at location: Location
  ) throws(Diagnostic) {
    let isVariadic = formals.last.map { $0.arity != .single && $0.arity != .optional } ?? false
    guard given.count >= least, isVariadic || given.count <= formals.count else {
      throw .formalCount(
        given.count, side, of: op, least: least, most: isVariadic ? nil : formals.count,
        at: location)
    }
    for (place, formal) in formals.enumerated() where place < given.count {
      guard given[place] || formal.arity != .single else {
        throw .formalGap(place, side, of: op, at: location)
      }
    }
  }

  /// How many a node has at least: up to the last formal that is not optional.
  static func least(of formals: [Formal]) -> Int {
    (formals.lastIndex { $0.arity != .optional } ?? -1) + 1
  }
}

extension OperatorSignature.DeclaredAttribute {
  /// `axis:int`, or `axis:int!` where a node has to give it.
  init?(_ spelling: Substring) {
    let parts = spelling.split(separator: ":")
    guard parts.count == 2, let name = parts.first, let type = parts.last else { return nil }
    self.name = String(name)
    isRequired = type.hasSuffix("!")
    self.type = String(isRequired ? type.dropLast() : type)
  }
}

extension AttributeValue {
  /// The name in `AttributeProto.AttributeType`, in small letters; of a reference, that of what a caller gives.
  fileprivate var typeName: String? {
    switch self {
    case .float: "float"
    case .int: "int"
    case .string: "string"
    case .tensor: "tensor"
    case .sparse: "sparse_tensor"
    case .type: "type_proto"
    case .graph: "graph"
    case .floats: "floats"
    case .ints: "ints"
    case .strings: "strings"
    case .tensors: "tensors"
    case .sparses: "sparse_tensors"
    case .types: "type_protos"
    case .graphs: "graphs"
    case .reference(_, let kind):
      AttributeValue.typeNames.indices.contains(Int(kind) - 1)
        ? AttributeValue.typeNames[Int(kind) - 1] : nil
    }
  }

  /// By their numbers, from 1 on.
  private static let typeNames = [
    "float", "int", "string", "tensor", "graph", "floats", "ints", "strings", "tensors", "graphs",
    "sparse_tensor", "sparse_tensors", "type_proto", "type_protos",
  ]
}

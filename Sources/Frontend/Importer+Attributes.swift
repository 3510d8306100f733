internal import IR
internal import ONNX
internal import Support

extension Importer {
  /// An attribute; graphs in it are read to any depth the scanner allows.
  mutating func attribute(
    _ proto: AttributeProto, depth: Int, irVersion: Int64
  ) throws(Diagnostic) -> Attribute {
    guard !proto.name.isEmpty else { throw .unnamedAttribute() }
    let found = proto.valueTypes
    let value: AttributeValue
    if !proto.referenceName.isEmpty {
      guard found.isEmpty else {
        throw .attributeContent(proto.name, found: found, type: proto.type)
      }
      guard (1...14).contains(proto.type) else { throw .attributeType(proto.type, of: proto.name) }
      value = .reference(proto.referenceName, kind: proto.type)
    } else {
      guard found.isEmpty || found == [proto.type] else {
        throw .attributeContent(proto.name, found: found, type: proto.type)
      }
      value = try content(of: proto, depth: depth, irVersion: irVersion)
    }
    return Attribute(
      proto.name, value, docString: proto.docString, unknown: proto.unknown)
  }

  /// Reads by `type`; a proto3 writer leaves zeros out, so an absent scalar is zero.
  private mutating func content(
    of proto: AttributeProto, depth: Int, irVersion: Int64
  ) throws(Diagnostic) -> AttributeValue {
    switch proto.type {
    case 1: return .float(proto.float ?? 0)
    case 2: return .int(proto.int ?? 0)
    case 3: return .string(proto.string ?? [])
    case 4:
      guard let tensor = proto.tensor else { throw .noAttributeValue(proto.name) }
      return .tensor(try self.tensor(tensor))
    case 5:
      guard let graph = proto.graph else { throw .noAttributeValue(proto.name) }
      return .graph(try self.graph(graph, depth: depth + 1, irVersion: irVersion))
    case 6: return .floats(proto.floats)
    case 7: return .ints(proto.ints)
    case 8: return .strings(proto.strings)
    case 9:
      return .tensors(
        try proto.tensors.map { (item) throws(Diagnostic) in try self.tensor(item) })
    case 10:
      return .graphs(
        try proto.graphs.map { (item) throws(Diagnostic) in
          try self.graph(item, depth: depth + 1, irVersion: irVersion)
        })
    case 11:
      guard let tensor = proto.sparseTensor else { throw .noAttributeValue(proto.name) }
      return .sparse(try sparse(tensor))
    case 12:
      return .sparses(
        try proto.sparseTensors.map { (item) throws(Diagnostic) in try self.sparse(item) })
    case 13:
      guard let type = try proto.typeProto?.valueType(of: proto.name) else {
        throw .noAttributeValue(proto.name)
      }
      return .type(type)
    case 14:
      return .types(
        try proto.typeProtos.map { (item) throws(Diagnostic) in
          guard let type = try item.valueType(of: proto.name) else {
            throw .noAttributeValue(proto.name)
          }
          return type
        })
    default: throw .attributeType(proto.type, of: proto.name)
    }
  }

  private mutating func tensor(_ proto: TensorProto) throws(Diagnostic) -> TensorAttribute {
    TensorAttribute(name: proto.name, weight: try weight(proto), annotations: proto.annotations)
  }

  private mutating func sparse(
    _ proto: SparseTensorProto
  ) throws(Diagnostic) -> SparseAttribute {
    guard let values = proto.values, let indices = proto.indices else {
      throw .sparseIncomplete("sparse attribute")
    }
    return SparseAttribute(
      values: try tensor(values), indices: try tensor(indices), sizes: proto.dims,
      unknown: proto.unknown)
  }

  private mutating func graph(
    _ proto: GraphProto, depth: Int, irVersion: Int64
  ) throws(Diagnostic) -> Graph {
    var builder = GraphBuilder(
      name: proto.name,
      annotations: Annotations(
        docString: proto.docString, metadata: proto.metadata.metadata, unknown: proto.unknown),
      depth: depth, irVersion: irVersion)
    for tensor in proto.initializers {
      try builder.declare(tensor.name, try weight(tensor), tensor.annotations)
    }
    for tensor in proto.sparseInitializers {
      try builder.declare(tensor.values?.name ?? "", try weight(tensor), Annotations())
    }
    for value in proto.inputs { try builder.addInput(value) }
    try builder.finishWeights()
    for node in proto.nodes { try builder.add(node, &self) }
    for value in proto.outputs { try builder.addOutput(value) }
    for value in proto.valueInfo { try builder.describe(value) }
    return builder.finish()
  }
}

extension AttributeProto {
  /// The types of the values that are there, whatever `type` says.
  fileprivate var valueTypes: [Int32] {
    let present: [(type: Int32, isThere: Bool)] = [
      (1, float != nil), (2, int != nil), (3, string != nil), (4, tensor != nil),
      (5, graph != nil), (6, !floats.isEmpty), (7, !ints.isEmpty), (8, !strings.isEmpty),
      (9, !tensors.isEmpty), (10, !graphs.isEmpty), (11, sparseTensor != nil),
      (12, !sparseTensors.isEmpty), (13, typeProto != nil), (14, !typeProtos.isEmpty),
    ]
    return present.filter(\.isThere).map(\.type)
  }
}

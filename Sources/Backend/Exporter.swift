package import FP8
package import IR
internal import ONNX
package import Support
package import Weights

/// Writes a model as ONNX: structure through libprotobuf-c, weights streamed in between.
package struct Exporter {
  let model: Model
  let store: WeightStore
  let placement: Placement
  /// How many blocks of a weight are quantized at a time.
  private let jobs: Int
  /// The payloads by token, in the order they were asked for.
  private var payloads: [Contents] = []
  /// Where each weight of the data file begins, in the order they are written.
  private var external: [(weight: Weight, name: String, offset: Int64)] = []
  private var externalLength: Int64 = 0
  /// What each quantized weight lost, filled while weights are written.
  package private(set) var losses: [Weight: QuantizationLoss] = [:]
  /// Constants with elements beyond the range of the type they were cast to, and how many.
  package private(set) var clamped: [(name: String, count: Int)] = []
  /// What weights are known by from one run to the next; `nil` where none asks.
  private let keys: WeightKeys?
  /// What an earlier run wrote.
  private let earlier: EarlierOutput?
  /// Where the weights with a key were written.
  package private(set) var placed: [String: PlacedWeight] = [:]
  /// How many bytes were taken over from the earlier run.
  package private(set) var reusedBytes: Int64 = 0

  /// Which weights go to a data file.
  package enum Placement: Sendable {
    case inline
    /// Weights of at least `threshold` bytes go to a file that the model spells `location`.
    case dataFile(threshold: Int64, location: String)
    /// Untouched weights stay in the source's files, which the model then refers to: `model` is the
    /// model file's name.
    case references(model: String)
  }

  enum Contents {
    case bytes([UInt8])
    case verbatim(StoredRange)
    case weight(Weight, name: String)
  }

  /// Offsets in a data file are multiples of this, so that a runtime can map it (ONNX, external data).
  private static let alignment: Int64 = 4096

  package init(
    _ model: Model, _ store: WeightStore, placement: Placement, jobs: Int = 1,
    keys: WeightKeys? = nil, earlier: EarlierOutput? = nil
  ) {
    self.model = model
    self.store = store
    self.placement = placement
    self.jobs = jobs
    self.keys = keys
    self.earlier = earlier
  }

  /// Writes the model; weights placed outside it follow with `writeData`.
  ///
  /// Every FP8 code that is written is checked against the target's range on the way.
  package mutating func write<Sink: ByteSink & ~Copyable>(
    to output: inout Sink, progress: (_ bytes: Int64) throws(Diagnostic) -> Void = { _ in }
  ) throws(Diagnostic) {
    let encoded = encode()
    guard encoded.length <= Int64(Int32.max) else { throw .modelTooLarge(encoded.length) }
    for piece in encoded.pieces {
      switch piece {
      case .bytes(let bytes): try output.write(bytes[...])
      case .payload(let token, let length):
        let before = output.length
        try write(payloads[token], to: &output)
        guard output.length - before == length else {
          throw .payloadLength(output.length - before, expected: length)
        }
        try progress(length)
      }
    }
  }

  /// The bytes of all weights of the main graph as they are written.
  package var weightBytes: Int64 { Exporter.weightBytes(of: model) }

  package static func weightBytes(of model: Model) -> Int64 {
    model.graph.weights.reduce(0) { sum, id in
      guard let type = model.graph[id].type?.tensor, let count = type.elementCount else {
        return sum
      }
      return sum + Int64(type.element.byteCount(of: count) ?? 0)
    }
  }

  /// True where `write` placed weights outside the model.
  package var hasData: Bool { !external.isEmpty }

  /// Writes the data file that the model written before names.
  package mutating func writeData(
    to output: inout OutputFile, progress: (_ bytes: Int64) throws(Diagnostic) -> Void = { _ in }
  ) throws(Diagnostic) {
    for item in external {
      try output.write([UInt8](repeating: 0, count: Int(item.offset - output.length)))
      try write(item.weight, item.name, to: &output, isDataFile: true)
      try progress(output.length - item.offset)
    }
  }

  private mutating func write<Sink: ByteSink & ~Copyable>(
    _ contents: Contents, to output: inout Sink
  ) throws(Diagnostic) {
    switch contents {
    case .bytes(let bytes): try output.write(bytes[...])
    case .verbatim(let range):
      try store.withFile(of: range) { (file) throws(Diagnostic) in
        try output.copy(range.offset..<range.offset + range.length, of: file)
      }
    case .weight(let weight, let name):
      try write(weight, name, to: &output, isDataFile: false)
    }
  }

  /// Writes one weight as raw data: from the earlier output, as it is stored, or by its recipe.
  private mutating func write<Sink: ByteSink & ~Copyable>(
    _ weight: Weight, _ name: String, to output: inout Sink, isDataFile: Bool
  ) throws(Diagnostic) {
    let offset = output.length
    let key = try keys?.key(of: weight)
    let written: WrittenWeight
    if let earlier, let found = key.flatMap({ earlier.weight($0, length: weight.byteCount) }) {
      try earlier.copy(found, to: &output)
      written = found.written
      reusedBytes += weight.byteCount
    } else if weight.isVerbatim, case .range(let range) = weight.source, range.encoding == .raw {
      try write(.verbatim(range), to: &output)
      written = WrittenWeight(loss: nil, clamped: 0)
    } else {
      written = try store.write(weight, to: &output, jobs: jobs)
    }
    losses[weight] = written.loss
    if written.clamped > 0 { clamped.append((name, written.clamped)) }
    if let key {
      placed[key] = PlacedWeight(
        isInDataFile: isDataFile, range: offset..<output.length, written: written)
    }
  }

  // MARK: Structure

  private mutating func encode() -> EncodedMessage {
    var header = ModelProto()
    header.irVersion = model.irVersion
    header.opsetImports = model.opsets.map { OperatorSetID(domain: $0.domain, version: $0.version) }
    header.producerName = model.producerName
    header.producerVersion = model.producerVersion
    header.domain = model.domain
    header.modelVersion = model.modelVersion
    header.docString = model.annotations.docString
    header.metadata = model.annotations.metadata.pairs
    header.unknown = model.annotations.unknown
    let graph = encodedGraph()
    let functions = model.functions.map { function($0).encoded() }
    return header.encoded(graph: graph, functions: functions)
  }

  private mutating func encodedGraph() -> EncodedMessage {
    let graph = model.graph
    var parts = GraphParts()
    for id in graph.nodeIDs { parts.add(node: node(graph[id], in: graph)) }
    for id in graph.weights { parts.add(initializer: initializer(id, in: graph)) }
    for input in inputs(of: graph) { parts.add(input: input) }
    for id in graph.outputs { parts.add(output: valueInfo(id, in: graph)) }
    for value in described(in: graph) { parts.add(valueInfo: value) }
    return header(of: graph).encoded(parts)
  }

  private func header(of graph: Graph) -> GraphProto {
    var proto = GraphProto()
    proto.name = graph.name
    proto.docString = graph.annotations.docString
    proto.metadata = graph.annotations.metadata.pairs
    proto.unknown = graph.annotations.unknown
    return proto
  }

  private func inputs(of graph: Graph) -> [ValueInfoProto] {
    graph.inputs.map { valueInfo($0, in: graph) }
  }

  private func described(in graph: Graph) -> [ValueInfoProto] {
    let inputs = Set(graph.inputs)
    return graph.values.filter { id in
      graph[id].isDescribed && graph[id].type != nil && !graph.isOutput(id)
        && !inputs.contains(id)
    }.map { valueInfo($0, in: graph) }
  }

  private func valueInfo(_ id: ValueID, in graph: Graph) -> ValueInfoProto {
    let value = graph[id]
    var proto = ValueInfoProto()
    proto.name = value.name
    proto.type = value.type?.proto
    if value.weight == nil {
      proto.docString = value.annotations.docString
      proto.metadata = value.annotations.metadata.pairs
      proto.unknown = value.annotations.unknown
    }
    return proto
  }

  private mutating func graph(_ graph: Graph) -> GraphProto {
    var proto = header(of: graph)
    for id in graph.nodeIDs { proto.nodes.append(node(graph[id], in: graph)) }
    for id in graph.weights { proto.initializers.append(initializer(id, in: graph)) }
    proto.inputs = inputs(of: graph)
    proto.outputs = graph.outputs.map { valueInfo($0, in: graph) }
    proto.valueInfo = described(in: graph)
    return proto
  }

  private mutating func node(_ node: Node, in graph: Graph) -> NodeProto {
    var proto = NodeProto()
    proto.inputs = node.inputs.map { $0.map { graph[$0].name } ?? "" }
    proto.outputs = node.outputs.map { $0.map { graph[$0].name } ?? "" }
    proto.name = node.name
    proto.opType = node.op
    proto.domain = node.domain
    proto.overload = node.overload
    for item in node.attributes { proto.attributes.append(attribute(item)) }
    proto.docString = node.annotations.docString
    proto.metadata = node.annotations.metadata.pairs
    proto.unknown = node.annotations.unknown
    return proto
  }

  private mutating func function(_ function: Function) -> FunctionProto {
    var proto = FunctionProto()
    proto.name = function.key.name
    proto.domain = function.key.domain
    proto.overload = function.key.overload
    proto.inputs = function.body.inputs.map { function.body[$0].name }
    proto.outputs = function.body.outputs.map { function.body[$0].name }
    proto.attributes = function.attributes
    for item in function.defaults { proto.attributeProtos.append(attribute(item)) }
    // A function has no initializers: a constant of its body is a node again.
    for id in function.body.weights {
      var constant = NodeProto()
      constant.opType = "Constant"
      constant.outputs = [function.body[id].name]
      var value = AttributeProto()
      value.name = "value"
      value.type = 4
      value.tensor = initializer(id, in: function.body)
      value.tensor?.name = ""
      constant.attributes = [value]
      proto.nodes.append(constant)
    }
    for id in function.body.nodeIDs {
      proto.nodes.append(node(function.body[id], in: function.body))
    }
    proto.docString = function.annotations.docString
    proto.opsetImports = function.opsets.map {
      OperatorSetID(domain: $0.domain, version: $0.version)
    }
    proto.valueInfo = described(in: function.body)
    proto.metadata = function.annotations.metadata.pairs
    proto.unknown = function.annotations.unknown
    return proto
  }

  private mutating func attribute(_ attribute: Attribute) -> AttributeProto {
    var proto = AttributeProto()
    proto.name = attribute.name
    proto.docString = attribute.docString
    proto.unknown = attribute.unknown
    switch attribute.value {
    case .float(let value): (proto.type, proto.float) = (1, value)
    case .int(let value): (proto.type, proto.int) = (2, value)
    case .string(let value): (proto.type, proto.string) = (3, value)
    case .tensor(let value): (proto.type, proto.tensor) = (4, tensor(value))
    case .graph(let value): (proto.type, proto.graph) = (5, graph(value))
    case .floats(let values): (proto.type, proto.floats) = (6, values)
    case .ints(let values): (proto.type, proto.ints) = (7, values)
    case .strings(let values): (proto.type, proto.strings) = (8, values)
    case .tensors(let values):
      proto.type = 9
      for value in values { proto.tensors.append(tensor(value)) }
    case .graphs(let values):
      proto.type = 10
      for value in values { proto.graphs.append(graph(value)) }
    case .sparse(let value): (proto.type, proto.sparseTensor) = (11, sparse(value))
    case .sparses(let values):
      proto.type = 12
      for value in values { proto.sparseTensors.append(sparse(value)) }
    case .type(let value): (proto.type, proto.typeProto) = (13, value.proto)
    case .types(let values): (proto.type, proto.typeProtos) = (14, values.map(\.proto))
    case .reference(let name, let kind): (proto.type, proto.referenceName) = (kind, name)
    }
    return proto
  }

  private mutating func sparse(_ sparse: SparseAttribute) -> SparseTensorProto {
    var proto = SparseTensorProto()
    proto.values = tensor(sparse.values)
    proto.indices = tensor(sparse.indices)
    proto.dims = sparse.sizes
    proto.unknown = sparse.unknown
    return proto
  }

  // MARK: Tensors

  private mutating func initializer(_ id: ValueID, in graph: Graph) -> TensorProto {
    guard let weight = graph[id].weight else {
      preconditionFailure("value '\(graph[id].name)' is written as a weight and is none")
    }
    return tensor(
      weight, name: graph[id].name, annotations: graph[id].annotations, mayBeExternal: true)
  }

  private mutating func tensor(_ attribute: TensorAttribute) -> TensorProto {
    tensor(
      attribute.weight, name: attribute.name, annotations: attribute.annotations,
      mayBeExternal: false)
  }

  private mutating func tensor(
    _ weight: Weight, name: String, annotations: Annotations, mayBeExternal: Bool
  ) -> TensorProto {
    let type = weight.type()
    var proto = TensorProto()
    proto.name = name
    proto.dims = type.sizes ?? []
    proto.dataType = type.element.rawValue
    proto.docString = annotations.docString
    proto.metadata = annotations.metadata.pairs
    proto.unknown = annotations.unknown
    if case .strings(let strings) = weight.source {
      proto.strings = strings
      return proto
    }
    let length = weight.byteCount
    if mayBeExternal, let place = externalPlace(of: weight, name, length: length) {
      proto.isExternal = true
      proto.externalData = [
        StringPair(key: "location", value: place.location),
        StringPair(key: "offset", value: String(place.offset)),
        StringPair(key: "length", value: String(length)),
      ]
      return proto
    }
    switch contents(of: weight, name) {
    case nil: break
    case (let contents, let field, let length)?:
      proto.data = .payload(payloads.count, field: field, length: length)
      payloads.append(contents)
    }
    return proto
  }

  /// Where a weight lies outside the model, if it does.
  private mutating func externalPlace(
    of weight: Weight, _ name: String, length: Int64
  ) -> (location: String, offset: Int64)? {
    switch placement {
    case .inline: return nil
    case .dataFile(let threshold, let location):
      guard length >= max(threshold, 1) else { return nil }
      let aligned = (externalLength + Exporter.alignment - 1) / Exporter.alignment
      let offset = aligned * Exporter.alignment
      external.append((weight, name, offset))
      externalLength = offset + length
      return (location, offset)
    case .references(let model):
      guard weight.isVerbatim, case .range(let range) = weight.source, range.encoding == .raw else {
        return nil
      }
      return (range.file ?? model, range.offset)
    }
  }

  /// What goes into which data field; an untouched weight keeps its encoding and its bytes.
  private func contents(
    of weight: Weight, _ name: String
  ) -> (contents: Contents, field: Int32, length: Int64)? {
    if weight.isVerbatim {
      switch weight.source {
      case .strings: return nil
      case .range(let range):
        // Data that was outside the model comes inside as raw data, as its encoding says.
        return (.verbatim(range), range.encoding.rawValue, range.length)
      case .literal(let bytes, let encoding):
        switch encoding {
        case .absent: return nil
        case .raw, .floatData, .doubleData:
          return (.bytes(bytes), encoding.rawValue, Int64(bytes.count))
        case .int32Data, .int64Data, .uint64Data:
          let encoded = TypedList.encodeVarints(
            bytes, width: weight.stored.element.varintWidth,
            isSigned: weight.stored.element.isSignedInteger)
          return (.bytes(encoded), encoding.rawValue, Int64(encoded.count))
        }
      }
    }
    return (.weight(weight, name: name), Encoding.raw.rawValue, weight.byteCount)
  }
}

extension Weight {
  /// True where no step changes a byte: only the shape differs, or nothing.
  var isVerbatim: Bool {
    recipe.allSatisfy { step in
      if case .reshape = step { return true }
      return false
    }
  }
}

extension ElementType {
  /// Negative values of these are sign-extended to 64 bits in a typed list.
  var isSignedInteger: Bool { self == .int8 || self == .int16 || self == .int32 || self == .int64 }
}

extension [Metadata] {
  var pairs: [StringPair] { map { StringPair(key: $0.key, value: $0.value) } }
}

extension ValueType {
  var proto: TypeProto {
    switch self {
    case .tensor(let type):
      .tensor(element: type.element.rawValue, shape: type.shape.map { $0.map(\.proto) })
    case .untyped(let shape): .tensor(element: 0, shape: shape.map { $0.map(\.proto) })
    case .sparse(let type):
      .sparse(element: type.element.rawValue, shape: type.shape.map { $0.map(\.proto) })
    case .sequence(let element): .sequence(element.proto)
    case .optional(let element): .optional(element.proto)
    case .map(let key, let value): .map(key: key.rawValue, value: value.proto)
    case .opaque(let encoded): .other(encoded, lacksElement: false)
    }
  }
}

extension Dimension {
  fileprivate var proto: DimensionProto {
    switch self {
    case .size(let size): .value(size)
    case .symbol(let name): .parameter(name)
    case .unknown: .unknown
    }
  }
}

internal import IR
internal import ONNX
internal import Support

/// Builds one graph from its messages, checking names and order.
///
/// Order of calls: `declare` for weights, `addInput`, `finishWeights`, `add` for nodes, `addOutput`,
/// `describe`, `finish`.
struct GraphBuilder {
  private var graph: Graph
  private let depth: Int
  private let irVersion: Int64
  private let isMain: Bool
  private var declared: [String: Int] = [:]
  private var weights: [(name: String, weight: Weight, annotations: Annotations)] = []
  private var inputNames: Set<String> = []
  private var inputs: [ValueID?] = []
  private var listed: [Int: Int] = [:]
  private var outputs: [ValueID] = []

  /// `isMain` for the graph of the model, whose interface has types.
  init(
    name: String, annotations: Annotations, depth: Int, irVersion: Int64, isMain: Bool = false
  ) {
    graph = Graph(name: name, annotations: annotations)
    self.isMain = isMain
    self.depth = depth
    self.irVersion = irVersion
  }

  mutating func declare(
    _ name: String, _ weight: Weight, _ annotations: Annotations
  ) throws(Diagnostic) {
    guard !name.isEmpty else { throw .unnamedInitializer() }
    guard declared[name] == nil else { throw .definedTwice(name, as: "initializer") }
    declared[name] = weights.count
    weights.append((name, weight, annotations))
  }

  mutating func addInput(_ value: ValueInfoProto) throws(Diagnostic) {
    guard !value.name.isEmpty else { throw .unnamedInput() }
    guard inputNames.insert(value.name).inserted else {
      throw .definedTwice(value.name, as: "graph input")
    }
    let type = try value.type?.valueType(of: value.name)
    try checkInterface(value, type)
    if let index = declared[value.name] {
      // Before IR 4 every initializer had to be an input; from 4 on it may be replaced by a caller.
      guard irVersion >= 4 else { return }
      weights[index].weight.isOverridable = true
      listed[index] = inputs.count
      inputs.append(nil)
    } else {
      inputs.append(
        graph.addInput(
          value.name, type, annotations: value.annotations))
    }
  }

  /// The main graph says what it takes and gives; a shape may be unknown.
  private func checkInterface(
    _ value: ValueInfoProto, _ type: ValueType?
  ) throws(Diagnostic) {
    guard isMain else { return }
    switch (type, value.type) {
    case (nil, _), (.untyped, _), (_, .other(_, lacksElement: true)):
      throw .untypedInterface(value.name)
    default: break
    }
  }

  mutating func finishWeights() throws(Diagnostic) {
    if isMain, irVersion < 4, let item = weights.first(where: { !inputNames.contains($0.name) }) {
      throw .initializerNotInput(item.name, irVersion: irVersion)
    }
    for (index, item) in weights.enumerated() {
      let id = graph.addWeight(item.name, item.weight, annotations: item.annotations)
      if let position = listed[index] { inputs[position] = id }
    }
    graph.setInputs(inputs.compactMap { $0 })
  }

  mutating func add(_ proto: NodeProto, _ importer: inout Importer) throws(Diagnostic) {
    let label = proto.name.isEmpty ? (proto.outputs.first ?? proto.opType) : proto.name
    guard !proto.opType.isEmpty else { throw .noOperator(node: label) }
    var node = Node(
      name: proto.name, op: proto.opType, domain: proto.domain.standardDomain,
      overload: proto.overload, inputs: [], outputs: [],
      annotations: Annotations(
        docString: proto.docString, metadata: proto.metadata.metadata, unknown: proto.unknown))
    var names: Set<String> = []
    for attribute in proto.attributes {
      guard names.insert(attribute.name).inserted else {
        throw .attributeTwice(attribute.name, node: label)
      }
      do throws(Diagnostic) {
        node.attributes.append(
          try importer.attribute(attribute, depth: depth, irVersion: irVersion))
      } catch {
        throw error.atNode(label)
      }
    }
    node.inputs = try proto.inputs.map { (name) throws(Diagnostic) in
      if name.isEmpty { return nil }
      if let known = graph.value(named: name) { return known }
      guard depth > 0 else { throw .undefined(name, node: label) }
      return graph.capture(name)
    }
    for capture in graph.captures(of: node) where graph.value(named: capture) == nil {
      guard depth > 0 else { throw .undefined(capture, node: label) }
    }
    for body in node.bodies { try checkShadows(in: body, node: label) }
    var results: [(name: String, type: ValueType?)?] = []
    var seen: Set<String> = []
    for name in proto.outputs {
      guard !name.isEmpty else {
        results.append(nil)
        continue
      }
      guard graph.value(named: name) == nil, seen.insert(name).inserted else {
        throw .definedTwice(name, as: "result of node '\(label)'")
      }
      results.append((name, nil))
    }
    graph.addNode(node, results: results)
  }

  /// Results in a body have names that no graph around it has.
  private func checkShadows(in body: Graph, node label: String) throws(Diagnostic) {
    for value in body.values {
      guard case .result = body[value].origin else { continue }
      let name = body[value].name
      guard graph.value(named: name) == nil else {
        throw .definedTwice(name, as: "result inside node '\(label)'")
      }
    }
    for id in body.nodeIDs where body[id].hasBodies {
      for inner in body[id].bodies { try checkShadows(in: inner, node: label) }
    }
  }

  mutating func addOutput(_ value: ValueInfoProto) throws(Diagnostic) {
    // A body hands on a value from outside with an Identity.
    guard let id = graph.value(named: value.name), graph[id].origin != .captured else {
      throw .undefinedOutput(value.name)
    }
    outputs.append(id)
    try checkInterface(value, try value.type?.valueType(of: value.name))
    try note(value, on: id)
  }

  mutating func describe(_ value: ValueInfoProto) throws(Diagnostic) {
    // A description of a value that the graph does not have says nothing.
    guard let id = graph.value(named: value.name) else { return }
    if graph[id].weight != nil {
      // The tensor says its type itself; what else its description says goes to the tensor, but for
      // fields of another schema, which would be other fields there.
      var description = value.annotations
      description.unknown = []
      let own = graph[id].annotations
      graph.describe(id, isDescribed: true, annotations: own.isEmpty ? description : own)
      return
    }
    try note(value, on: id)
    graph.describe(id, isDescribed: true, annotations: value.annotations)
  }

  private mutating func note(_ value: ValueInfoProto, on id: ValueID) throws(Diagnostic) {
    guard graph[id].weight == nil else { return }
    if let type = try value.type?.valueType(of: value.name) { graph.setType(of: id, to: type) }
    graph.describe(id, isDescribed: graph[id].isDescribed, annotations: value.annotations)
  }

  mutating func finish() -> Graph {
    graph.setOutputs(outputs)
    return graph
  }
}

extension ValueInfoProto {
  var annotations: Annotations {
    Annotations(docString: docString, metadata: metadata.metadata, unknown: unknown)
  }
}

extension TypeProto {
  /// The type as the IR has it; `name` is that of the value, for errors.
  func valueType(of name: String) throws(Diagnostic) -> ValueType? {
    switch self {
    case .tensor(let element, let shape):
      let dimensions = try shape.map { (shape) throws(Diagnostic) in
        try dimensionList(shape, of: name)
      }
      if element == 0 { return .untyped(shape: dimensions) }
      return .tensor(TensorType(try elementType(element, of: name), dimensions))
    case .sparse(let element, let shape):
      let dimensions = try shape.map { (shape) throws(Diagnostic) in
        try dimensionList(shape, of: name)
      }
      return .sparse(TensorType(try elementType(element, of: name), dimensions))
    case .sequence(let element):
      guard let inner = try element?.valueType(of: name) else { return nil }
      return .sequence(inner)
    case .optional(let element):
      guard let inner = try element?.valueType(of: name) else { return nil }
      return .optional(inner)
    case .map(let key, let value):
      guard let inner = try value?.valueType(of: name) else { return nil }
      return .map(key: try elementType(key, of: name), value: inner)
    case .other(let encoded, _):
      return encoded.isEmpty ? nil : .opaque(encoded)
    }
  }
}

func elementType(_ number: Int32, of name: String) throws(Diagnostic) -> ElementType {
  guard let type = ElementType(rawValue: number) else { throw .elementType(number, of: name) }
  return type
}

private func dimensionList(
  _ dimensions: [DimensionProto], of name: String
) throws(Diagnostic) -> [Dimension] {
  try dimensions.map { (dimension) throws(Diagnostic) in
    switch dimension {
    case .value(let size):
      guard size >= 0 else { throw .negativeDimension(size, of: name) }
      return .size(size)
    case .parameter(let symbol): return symbol.isEmpty ? .unknown : .symbol(symbol)
    case .unknown: return .unknown
    }
  }
}

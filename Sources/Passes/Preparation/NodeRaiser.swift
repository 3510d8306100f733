internal import IR
internal import Support

/// Gives single nodes of a graph the form of a newer opset.
///
/// A node keeps its results, so what has to follow its operator takes the node's place and the
/// operator moves into a new node in front.
struct NodeRaiser {
  var graph: Graph
  var names: NameSource
  private var literals: [Literal: ValueID] = [:]

  private struct Literal: Hashable {
    let role: String
    let weight: Weight
  }

  init(graph: Graph, names: NameSource) {
    self.graph = graph
    self.names = names
  }

  /// The form of the node's operator at `version`, from the form just before.
  mutating func adapt(_ id: NodeID, to version: Int64) throws(Diagnostic) {
    let op = graph[id].op
    switch (op, version) {
    case ("Clip", 11): moveBounds(of: id)
    case ("DFT", 20): moveTransformAxis(of: id)
    case ("Dropout", 10), ("Dropout", 12): try stopDropping(id, version: version)
    case ("Pad", 11): movePadding(of: id)
    case ("Slice", 10): try moveSlices(of: id)
    case ("Split", 13): moveAttribute("split", of: id, to: 1)
    case ("Split", 18): countParts(of: id)
    case ("TopK", 10): moveLimit(of: id)
    case ("Upsample", 9): moveAttribute("scales", of: id, to: 1)
    case ("Upsample", 10): becomeResize(id)
    case ("ReduceSum", 13), ("Squeeze", 13), ("Unsqueeze", 13):
      moveAttribute("axes", of: id, to: 1)
    case (_, 18) where op.hasPrefix("Reduce"): moveAttribute("axes", of: id, to: 1)
    case ("BatchNormalization", 9): try dropSpatial(of: id)
    case ("BatchNormalization", 14): try requireInference(of: id)
    case ("Cast", 24), ("CastLike", 24), ("QuantizeLinear", 24): try requireKnownInfinity(of: id)
    case ("GridSample", 20): renameModes(of: id)
    case ("GroupNormalization", 21): spreadGroups(of: id)
    case ("Hardmax", 13), ("LogSoftmax", 13), ("Softmax", 13): unfoldAxis(of: id)
    case ("Resize", 11): try placeCoordinates(of: id)
    case ("Resize", 13): try dropEmptyOperands(of: id)
    case ("RoiAlign", 16):
      graph.update(id) {
        $0.set("coordinate_transformation_mode", to: .string("output_half_pixel"))
      }
    case ("Scatter", 11): graph.update(id) { $0.op = "ScatterElements" }
    default: throw .notRaised(op, across: version, reason: "what changed is not known")
    }
  }

  // MARK: Building

  /// The name that what is made for a node builds on: that of its first result.
  func base(of id: NodeID) -> String {
    let node = graph[id]
    return (node.outputs.first ?? nil).map { graph[$0].name } ?? node.op
  }

  /// A constant for a node; an equal one that says the same of another node is shared.
  mutating func constant(_ weight: Weight, _ role: String, of id: NodeID) -> ValueID {
    let key = Literal(role: role, weight: weight)
    if let known = literals[key] { return known }
    let value = graph.addWeight(names.fresh("\(base(of: id)).\(role)"), weight)
    literals[key] = value
    return value
  }

  mutating func integers(_ values: [Int64], _ role: String, of id: NodeID) -> ValueID {
    constant(Weight(values, sizes: [Int64(values.count)]), role, of: id)
  }

  /// Adds a node in front of another one, whose place in the source it shares.
  mutating func add(
    _ op: String, _ inputs: [ValueID?], _ role: String, _ type: ValueType? = nil,
    _ attributes: [Attribute] = [], before id: NodeID
  ) -> ValueID {
    graph.addNode(
      Node(
        op: op, inputs: inputs, outputs: [], attributes: attributes, origin: graph[id].origin),
      result: names.fresh("\(base(of: id)).\(role)"), type: type, before: id)
  }

  /// The type of a value without its shape.
  func elementType(of value: ValueID) -> ValueType? {
    graph[value].type?.element.map { .tensor(TensorType($0, nil)) }
  }

  // MARK: Attributes

  /// The operand that says what an attribute said; `nil` where the attribute is not given.
  ///
  /// A function's attribute reference becomes a `Constant` that refers to the same.
  mutating func takeAttribute(_ name: String, of id: NodeID) -> ValueID? {
    let value = graph[id][attribute: name]
    graph.update(id) { $0.removeAttribute(name) }
    switch value {
    case .ints(let values)?: return integers(values, name, of: id)
    case .int(let value)?: return constant(Weight([value], sizes: []), name, of: id)
    case .floats(let values)?:
      return constant(Weight(values, sizes: [Int64(values.count)]), name, of: id)
    case .float(let value)?: return constant(Weight([value], sizes: []), name, of: id)
    case .reference(let outer, let kind)?:
      // The numbers are those of AttributeProto.AttributeType.
      let keys: [Int32: String] = [
        1: "value_float", 2: "value_int", 6: "value_floats", 7: "value_ints",
      ]
      return keys[kind].map { key in
        add("Constant", [], name, nil, [Attribute(key, .reference(outer, kind: kind))], before: id)
      }
    default: return nil
    }
  }

  /// The operand that says what a number did, in the type of another operand.
  mutating func takeNumber(_ name: String, of id: NodeID, like other: ValueID) -> ValueID? {
    let element = graph[other].type?.element
    if let number = graph[id].float(name), let element, element.isHighPrecision,
      element != .float32
    {
      graph.update(id) { $0.removeAttribute(name) }
      var weight = Weight([number], sizes: [])
      weight.recipe.append(.cast(element))
      return constant(weight, name, of: id)
    }
    guard let number = takeAttribute(name, of: id) else { return nil }
    if element == .float32 { return number }
    return add(
      "CastLike", [number, other], "\(name).converted", elementType(of: other), before: id)
  }

  /// Moves an attribute to the operand at `index`.
  mutating func moveAttribute(_ name: String, of id: NodeID, to index: Int) {
    guard let operand = takeAttribute(name, of: id) else { return }
    var inputs = graph[id].inputs
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = operand
    setInputs(of: id, to: inputs)
  }

  /// Replaces a node's operands; those left out at the end are not written.
  mutating func setInputs(of id: NodeID, to inputs: [ValueID?]) {
    var inputs = inputs
    while let last = inputs.last, last == nil { inputs.removeLast() }
    graph.update(id) { $0.inputs = inputs }
  }
}

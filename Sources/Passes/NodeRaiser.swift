internal import IR
internal import Support

/// Gives single nodes of a graph the form of a newer opset.
///
/// A node keeps its results, so what has to follow its operator takes the node's place and the
/// operator moves into a new node in front.
struct NodeRaiser {
  var graph: Graph
  var names: NameSource
  private var literals: [Weight: ValueID] = [:]

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
    case ("Dropout", 10): castMask(of: id)
    case ("Dropout", 12): graph.update(id) { $0.removeAttribute("ratio") }
    case ("Pad", 11): movePadding(of: id)
    case ("Slice", 10): try moveSlices(of: id)
    case ("Split", 13): moveAttribute("split", of: id, to: 1)
    case ("Split", 18): countParts(of: id)
    case ("TopK", 10): moveLimit(of: id)
    case ("Upsample", 9): moveAttribute("scales", of: id, to: 1)
    case ("Upsample", 10): becomeResize(id)
    case ("ReduceSum", 13), ("Squeeze", 13), ("Unsqueeze", 13), (_, 18) where isReduction(op):
      moveAttribute("axes", of: id, to: 1)
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

  private func isReduction(_ op: String) -> Bool { op.hasPrefix("Reduce") }

  // MARK: Building

  /// The name that what is made for a node builds on: that of its first result.
  func base(of id: NodeID) -> String {
    let node = graph[id]
    return (node.outputs.first ?? nil).map { graph[$0].name } ?? node.op
  }

  /// A constant; an equal one of this graph is shared.
  mutating func constant(_ weight: Weight, _ base: String) -> ValueID {
    if let known = literals[weight] { return known }
    let value = graph.addWeight(names.fresh(base), weight)
    literals[weight] = value
    return value
  }

  mutating func integers(_ values: [Int64], _ base: String) -> ValueID {
    constant(Weight(values, sizes: [Int64(values.count)]), base)
  }

  /// Adds a node in front of another one, whose place in the source it shares.
  mutating func add(
    _ op: String, _ inputs: [ValueID?], _ result: String, _ type: ValueType? = nil,
    _ attributes: [Attribute] = [], before id: NodeID
  ) -> ValueID {
    graph.addNode(
      Node(
        op: op, inputs: inputs, outputs: [], attributes: attributes, origin: graph[id].origin),
      result: names.fresh(result), type: type, before: id)
  }

  /// The type of a value without its shape.
  func elementType(of value: ValueID) -> ValueType? {
    graph[value].type?.element.map { .tensor(TensorType($0, nil)) }
  }

  /// A float32 value in the type of another one.
  mutating func converted(_ value: ValueID, like other: ValueID, before id: NodeID) -> ValueID {
    let element = graph[other].type?.element
    if element == .float32 { return value }
    let name = "\(graph[value].name).converted"
    if let element, element.isHighPrecision, var weight = graph[value].weight {
      weight.recipe.append(.cast(element))
      return constant(weight, name)
    }
    return add("CastLike", [value, other], name, elementType(of: other), before: id)
  }

  /// The operand that says what an attribute said; `nil` where the attribute is not given.
  ///
  /// A function's attribute reference becomes a `Constant` that refers to the same.
  mutating func takeAttribute(_ name: String, of id: NodeID) -> ValueID? {
    let base = "\(base(of: id)).\(name)"
    let operand: ValueID?
    switch graph[id][attribute: name] {
    case .ints(let values)?: operand = integers(values, base)
    case .int(let value)?: operand = constant(Weight([value], sizes: []), base)
    case .floats(let values)?:
      operand = constant(Weight(values, sizes: [Int64(values.count)]), base)
    case .float(let value)?: operand = constant(Weight([value], sizes: []), base)
    case .reference(let outer, let kind)?:
      // The numbers are those of AttributeProto.AttributeType.
      let keys: [Int32: String] = [
        1: "value_float", 2: "value_int", 6: "value_floats", 7: "value_ints",
      ]
      operand = keys[kind].map { key in
        add(
          "Constant", [], base, nil, [Attribute(key, .reference(outer, kind: kind))], before: id)
      }
    default: operand = nil
    }
    graph.update(id) { $0.removeAttribute(name) }
    return operand
  }

  /// Replaces a node's operands; those left out at the end are not written.
  mutating func setInputs(of id: NodeID, to inputs: [ValueID?]) {
    var inputs = inputs
    while let last = inputs.last, last == nil { inputs.removeLast() }
    graph.update(id) { $0.inputs = inputs }
  }

  /// Moves an attribute to the operand at `index`.
  mutating func moveAttribute(_ name: String, of id: NodeID, to index: Int) {
    guard let operand = takeAttribute(name, of: id) else { return }
    var inputs = graph[id].inputs
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = operand
    setInputs(of: id, to: inputs)
  }
}

internal import IR
internal import Support

/// Operators whose meaning changed under the same attributes.
extension NodeRaiser {
  // MARK: Softmax and its kin

  /// Until opset 12 all axes from the given one on were one; from 13 on it is that axis alone.
  ///
  /// Where only one of those axes can be longer than 1 it is named, otherwise the input is
  /// flattened around the operator. `allowzero` keeps empty tensors as they are.
  mutating func unfoldAxis(of id: NodeID) {
    let node = graph[id]
    guard let input = node.input(0) else { return }
    let given = node[attribute: "axis"] == nil ? 1 : node.int("axis")
    if let given, let axis = soleAxis(from: given, of: input) {
      graph.update(id) { $0.set("axis", to: .int(axis)) }
      return
    }
    let type = elementType(of: input)
    let axis = node[attribute: "axis"] ?? .int(1)
    let flat = add(
      "Flatten", [input], "flat", type, [Attribute("axis", axis)], before: id)
    let result = add(
      node.op, [flat], "rows", type, [Attribute("axis", .int(-1))], before: id)
    if let maker = graph.producer(of: result) {
      graph.update(maker) {
        $0.name = node.name
        $0.annotations = node.annotations
      }
    }
    let shape = add(
      "Shape", [input], "shape", .tensor(TensorType(.int64, nil)), before: id)
    graph.update(id) {
      $0.op = "Reshape"
      $0.name = ""
      $0.annotations = Annotations()
      $0.inputs = [result, shape]
      $0.attributes = [Attribute("allowzero", .int(1))]
    }
  }

  /// The one axis from `axis` on that may be longer than 1, -1 for the last one; `nil` where there
  /// may be several.
  private func soleAxis(from axis: Int64, of input: ValueID) -> Int64? {
    guard let shape = graph[input].type?.tensor?.shape else { return nil }
    let rank = Int64(shape.count)
    let start = axis < 0 ? axis + rank : axis
    guard start >= 0, start < rank else { return nil }
    let long = shape.indices.dropFirst(Int(start)).filter { shape[$0].size != 1 }
    guard long.count <= 1, let sole = long.first ?? shape.indices.last else { return nil }
    return sole == shape.count - 1 ? -1 : Int64(sole)
  }

  // MARK: Normalization

  /// `scale` and `bias` had one number for each group, and have one for each channel.
  mutating func spreadGroups(of id: NodeID) {
    let node = graph[id]
    guard let input = node.input(0), let scale = node.input(1), let bias = node.input(2) else {
      return
    }
    let shape: ValueID
    if let shapeOfInput = graph[input].type?.tensor?.shape, shapeOfInput.count > 1,
      let channels = shapeOfInput[1].size, let groups = node.int("num_groups"), groups > 0
    {
      shape = integers([1, channels / groups], "repeats", of: id)
    } else {
      let integer = ValueType.tensor(TensorType(.int64, sizes: [1]))
      let channels = add(
        "Shape", [input], "channels", integer,
        [Attribute("start", .int(1)), Attribute("end", .int(2))], before: id)
      let groups = add("Shape", [scale], "groups", integer, before: id)
      let size = add("Div", [channels, groups], "size", integer, before: id)
      shape = add(
        "Concat", [integers([1], "one", of: id), size], "repeats",
        .tensor(TensorType(.int64, sizes: [2])), [Attribute("axis", .int(0))], before: id)
    }
    let spread = [(scale, "scale"), (bias, "bias")].map { value, role -> ValueID in
      let type = elementType(of: value)
      let column = add(
        "Unsqueeze", [value, integers([1], "axes", of: id)], "\(role).column", type, before: id)
      let rows = add("Expand", [column, shape], "\(role).rows", type, before: id)
      return add("Reshape", [rows, integers([-1], "flat", of: id)], role, type, before: id)
    }
    graph.update(id) { $0.inputs = [input] + spread }
    // It was computed in the input's own type; from 21 on float32 is the default.
    if let element = graph[input].type?.element, element != .float32 {
      graph.update(id) { $0.set("stash_type", to: .int(Int64(element.rawValue))) }
    }
  }

  /// Statistics for each activation are no longer possible.
  mutating func dropSpatial(of id: NodeID) throws(Diagnostic) {
    if let spatial = graph[id][attribute: "spatial"], spatial != .int(1) {
      throw .notRaised(
        "BatchNormalization", across: 9, reason: "attribute 'spatial' is not 1")
    }
    graph.update(id) { $0.removeAttribute("spatial") }
  }

  /// More than one result meant training, whose results are others since.
  func requireInference(of id: NodeID) throws(Diagnostic) {
    guard graph[id].outputs.dropFirst().contains(where: { $0 != nil }) else { return }
    throw .notRaised(
      "BatchNormalization", across: 14, reason: "it has the results of a training step")
  }

  /// The ratio of a training step is dropped; the mask, a bool since opset 10, has to be unread.
  ///
  /// What inference writes to the mask is said since opset 12 only: ones; runtimes wrote zeros.
  mutating func stopDropping(_ id: NodeID, version: Int64) throws(Diagnostic) {
    graph.update(id) { $0.removeAttribute("ratio") }
    guard graph[id].outputs.count > 1, let mask = graph[id].outputs[1] else { return }
    guard graph.useCount(of: mask) == 0 else {
      throw .notRaised("Dropout", across: version, reason: "its mask is read")
    }
    graph.setType(of: mask, to: .tensor(TensorType(.bool, graph[mask].type?.tensor?.shape)))
  }

  // MARK: Resizing

  /// Scales are at least 1, so the nearest element is the one below.
  mutating func becomeResize(_ id: NodeID) {
    graph.update(id) {
      $0.op = "Resize"
      if $0.string("mode") ?? "nearest" == "nearest" {
        $0.set("nearest_mode", to: .string("floor"))
      }
    }
  }

  /// Opset 10 leaves open which element is nearest; runtimes take the one below, and where they
  /// shrink the one above.
  mutating func placeCoordinates(of id: NodeID) throws(Diagnostic) {
    let node = graph[id]
    guard let input = node.input(0), let scales = node.input(1) else { return }
    if node.string("mode") ?? "nearest" == "nearest", node[attribute: "nearest_mode"] == nil {
      guard let numbers = graph[scales].weight?.floats else {
        throw .notRaised(
          "Resize", across: 11, reason: "its scales are not constant, so what is nearest is open")
      }
      let shrinks = numbers.contains { $0 < 1 }
      if shrinks, numbers.contains(where: { $0 > 1 }) {
        throw .notRaised("Resize", across: 11, reason: "it shrinks and enlarges at once")
      }
      graph.update(id) { $0.set("nearest_mode", to: .string(shrinks ? "ceil" : "floor")) }
    }
    graph.update(id) {
      $0.set("coordinate_transformation_mode", to: .string("asymmetric"))
      $0.inputs = [input, nil, scales]
    }
  }

  /// What is not given was an empty tensor, and is left out.
  mutating func dropEmptyOperands(of id: NodeID) throws(Diagnostic) {
    let node = graph[id]
    if node.string("coordinate_transformation_mode") == "tf_half_pixel_for_nn" {
      throw .notRaised(
        "Resize", across: 13, reason: "coordinates 'tf_half_pixel_for_nn' are gone")
    }
    let kept = node.inputs.enumerated().map { index, input in
      input.flatMap { index > 0 && graph[$0].weight?.type().elementCount == 0 ? nil : $0 }
    }
    setInputs(of: id, to: kept)
  }

  mutating func renameModes(of id: NodeID) {
    let names = ["bilinear": "linear", "bicubic": "cubic"]
    guard let mode = graph[id].string("mode"), let name = names[mode] else { return }
    graph.update(id) { $0.set("mode", to: .string(name)) }
  }

  // MARK: Casts

  /// Infinities became NaN in the FNUZ types, and saturate since.
  func requireKnownInfinity(of id: NodeID) throws(Diagnostic) {
    let node = graph[id]
    let named = ["to", "output_dtype"].compactMap { node.int($0) }
      .compactMap { Int32(exactly: $0).flatMap(ElementType.init(rawValue:)) }
    let given = node.inputs.dropFirst().compactMap { $0.flatMap { graph[$0].type?.element } }
    for element in named + given {
      guard element == .float8e4m3fnuz || element == .float8e5m2fnuz else { continue }
      throw .notRaised(
        node.op, across: 24, reason: "infinities become other values of \(element.spelling)")
    }
  }
}

extension Weight {
  /// The elements of a float32 literal without a recipe; `nil` for every other weight.
  fileprivate var floats: [Float]? {
    guard case .literal(let bytes, _) = source, recipe.isEmpty, stored.element == .float32,
      bytes.count.isMultiple(of: 4)
    else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(
        bitPattern: bytes[start..<start + 4].reversed().reduce(UInt32(0)) {
          $0 << 8 | UInt32($1)
        })
    }
  }
}

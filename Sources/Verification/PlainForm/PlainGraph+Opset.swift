internal import IR

/// Operators as an older version of the standard has them, written as the newest does.
///
/// What each version changed is what the changelog of the operators says (`Changelog.md` of onnx 1.23).
extension PlainGraph {
  mutating func raise(_ id: NodeID, from source: Int64) {
    let op = graph[id].op
    guard source < form.opset, graph[id].domain.isEmpty,
      form.functions[graph[id].functionKey] == nil
    else { return }
    let target = form.opset
    /// True where the way leads over the version.
    func over(_ version: Int64) -> Bool { source < version && version <= target }
    switch op {
    case "Clip": if over(11) { giveBounds(to: id) }
    case "DFT": if over(20) { giveTransformAxis(to: id) }
    case "Dropout":
      if over(12) { graph.update(id) { $0.removeAttribute("ratio") } }
    case "Pad": if over(11) { givePadding(to: id) }
    case "Slice": if over(10) { giveSlices(to: id) }
    case "Split":
      if over(13) { give("split", to: id, at: 1) }
      if over(18), graph[id].input(1) == nil {
        let count = Int64(graph[id].outputs.count)
        graph.update(id) { $0.set("num_outputs", to: .int(count)) }
      }
    case "TopK":
      if over(10), let count = graph[id].int("k") {
        let limit = put([count], of: id)
        graph.update(id) { node in
          node.removeAttribute("k")
          node.inputs = [node.input(0), limit]
        }
      }
    case "Squeeze", "Unsqueeze", "ReduceSum": if over(13) { give("axes", to: id, at: 1) }
    case _ where op.hasPrefix("Reduce"): if over(18) { give("axes", to: id, at: 1) }
    case "BatchNormalization":
      if over(9), graph[id].int("spatial") == 1 {
        graph.update(id) { $0.removeAttribute("spatial") }
      }
    case "GridSample":
      if over(20), let mode = graph[id].string("mode"), mode.hasPrefix("bi") {
        graph.update(id) { $0.set("mode", to: .string(String(mode.dropFirst(2)))) }
      }
    case "GroupNormalization": if over(21) { giveChannels(to: id) }
    case "Hardmax", "LogSoftmax", "Softmax": if over(13) { nameAxis(of: id) }
    case "Resize", "Upsample": raiseResize(id, over)
    case "RoiAlign":
      if over(16) {
        graph.update(id) {
          $0.set("coordinate_transformation_mode", to: .string("output_half_pixel"))
        }
      }
    case "Scatter": if over(11) { graph.update(id) { $0.op = "ScatterElements" } }
    default: break
    }
  }

  // MARK: Attributes that became operands

  /// What an attribute says, as a constant; the attribute is gone.
  private mutating func take(_ name: String, of id: NodeID) -> ValueID? {
    let value = graph[id][attribute: name]
    graph.update(id) { $0.removeAttribute(name) }
    return switch value {
    case .ints(let numbers)?: put(numbers, of: id)
    case .floats(let numbers)?: put(Weight(numbers, sizes: [Int64(numbers.count)]), of: id)
    case .int(let number)?: put(Weight([number], sizes: []), of: id)
    default: nil
    }
  }

  private mutating func give(_ name: String, to id: NodeID, at place: Int) {
    guard let value = take(name, of: id) else { return }
    graph.update(id) { node in
      while node.inputs.count <= place { node.inputs.append(nil) }
      node.inputs[place] = value
    }
  }

  /// A number in the type of another operand, converted where that type is not known.
  private mutating func takeNumber(_ name: String, of id: NodeID, like other: ValueID) -> ValueID? {
    guard let number = graph[id].float(name) else { return nil }
    graph.update(id) { $0.removeAttribute(name) }
    if let known = put(number, as: graph[other].type?.element, of: id) { return known }
    return put("CastLike", [put(Weight([number], sizes: []), of: id), other], before: id)
  }

  private mutating func giveBounds(to id: NodeID) {
    guard let data = graph[id].input(0) else { return }
    let (least, most) = (
      takeNumber("min", of: id, like: data), takeNumber("max", of: id, like: data)
    )
    graph.update(id) { $0.inputs = [data, least, most] }
  }

  private mutating func giveTransformAxis(to id: NodeID) {
    let axis = take("axis", of: id) ?? put(Weight([Int64(1)], sizes: []), of: id)
    graph.update(id) { $0.inputs = [$0.input(0), $0.input(1), axis] }
  }

  private mutating func givePadding(to id: NodeID) {
    guard let data = graph[id].input(0) else { return }
    let amounts = take("pads", of: id)
    // Zero is what is padded with where nothing is said.
    if graph[id].float("value") == 0 { graph.update(id) { $0.removeAttribute("value") } }
    let value = takeNumber("value", of: id, like: data)
    graph.update(id) { $0.inputs = [data, amounts] + (value.map { [$0] } ?? []) }
  }

  private mutating func giveSlices(to id: NodeID) {
    guard let starts = graph[id].ints("starts") else { return }
    let axes = graph[id].ints("axes") ?? starts.indices.map { Int64($0) }
    graph.update(id) { $0.removeAttribute("axes") }
    let operands = [take("starts", of: id), take("ends", of: id), put(axes, of: id)]
    graph.update(id) { $0.inputs = [$0.input(0)] + operands }
  }

  // MARK: Meanings that changed

  /// Until opset 12 a softmax went over all axes from the given one on, from 13 on over that one.
  ///
  /// The others do not count where they have one element each; else the operator's input becomes a matrix.
  private mutating func nameAxis(of id: NodeID) {
    let node = graph[id]
    guard let data = node.input(0) else { return }
    let axis = node.int("axis") ?? 1
    if let shape = graph[data].type?.tensor?.shape {
      let first = Int(clamping: axis < 0 ? axis + Int64(shape.count) : axis)
      if shape.indices.contains(first) {
        let long = shape.indices.filter { $0 >= first && shape[$0].size != 1 }
        if long.count < 2 {
          let sole = long.last ?? shape.count - 1
          let named = sole == shape.count - 1 ? -1 : Int64(sole)
          graph.update(id) { $0.set("axis", to: .int(named)) }
          return
        }
      }
    }
    let matrix = put("Flatten", [data], [Attribute("axis", .int(axis))], before: id)
    let rows = put(node.op, [matrix], [Attribute("axis", .int(-1))], before: id)
    let shape = put("Shape", [data], before: id)
    graph.update(id) { node in
      node.op = "Reshape"
      node.inputs = [rows, shape]
      node.attributes = [Attribute("allowzero", .int(1))]
    }
  }

  /// Scale and bias were given for each group and are given for each channel.
  private mutating func giveChannels(to id: NodeID) {
    let node = graph[id]
    guard let data = node.input(0), let scale = node.input(1), let bias = node.input(2) else {
      return
    }
    let type = graph[data].type?.tensor
    let sizes: ValueID
    if let shape = type?.shape, shape.count > 1, let channels = shape[1].size,
      let groups = node.int("num_groups"), groups > 0
    {
      sizes = put([1, channels / groups], of: id)
    } else {
      let channels = put(
        "Shape", [data], [Attribute("start", .int(1)), Attribute("end", .int(2))], before: id)
      let groups = put("Shape", [scale], before: id)
      let each = put("Div", [channels, groups], before: id)
      sizes = put("Concat", [put([1], of: id), each], [Attribute("axis", .int(0))], before: id)
    }
    var operands: [ValueID?] = [data]
    for value in [scale, bias] {
      let column = put("Unsqueeze", [value, put([1], of: id)], before: id)
      let rows = put("Expand", [column, sizes], before: id)
      operands.append(put("Reshape", [rows, put([-1], of: id)], before: id))
    }
    let element = type?.element
    graph.update(id) { node in
      node.inputs = operands
      // It was computed in the type of its input, which float32 no longer follows.
      if let element, element != .float32 {
        node.set("stash_type", to: .int(Int64(element.rawValue)))
      }
    }
  }

  private mutating func raiseResize(_ id: NodeID, _ over: (Int64) -> Bool) {
    let isNearest = graph[id].string("mode") ?? "nearest" == "nearest"
    if graph[id].op == "Upsample" {
      if over(9) { give("scales", to: id, at: 1) }
      guard over(10) else { return }
      graph.update(id) { node in
        node.op = "Resize"
        // Nothing gets smaller, so the nearest element is the one below.
        if isNearest { node.set("nearest_mode", to: .string("floor")) }
      }
    }
    if over(11), let scales = graph[id].input(1) {
      // Opset 10 leaves open what is nearest: runtimes go down where they enlarge and up where they shrink.
      if isNearest, graph[id][attribute: "nearest_mode"] == nil, let numbers = floats(scales) {
        let shrinks = numbers.contains { $0 < 1 }
        graph.update(id) { $0.set("nearest_mode", to: .string(shrinks ? "ceil" : "floor")) }
      }
      graph.update(id) { node in
        node.set("coordinate_transformation_mode", to: .string("asymmetric"))
        node.inputs = [node.input(0), nil, scales]
      }
    }
    if over(13) {
      // What was not given was an empty tensor.
      let kept = graph[id].inputs.enumerated().map { index, value in
        value.flatMap { index > 0 && constant($0)?.type().elementCount == 0 ? nil : $0 }
      }
      graph.update(id) { $0.inputs = kept }
    }
  }

  private func floats(_ value: ValueID) -> [Float]? {
    guard let weight = constant(value), case .literal(let bytes, _) = weight.source,
      weight.recipe.isEmpty, weight.stored.element == .float32, bytes.count.isMultiple(of: 4)
    else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
      return Float(bitPattern: bits)
    }
  }
}

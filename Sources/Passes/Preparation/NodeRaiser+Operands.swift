internal import IR
internal import Support

/// Attributes that became operands.
extension NodeRaiser {
  mutating func moveBounds(of id: NodeID) {
    guard let input = graph[id].input(0) else { return }
    let low = takeNumber("min", of: id, like: input)
    let high = takeNumber("max", of: id, like: input)
    setInputs(of: id, to: [input, low, high])
  }

  /// The axis was 1 where it was not given, and became the last but one.
  mutating func moveTransformAxis(of id: NodeID) {
    let inputs = graph[id].inputs
    let axis =
      takeAttribute("axis", of: id)
      ?? constant(Weight([Int64(1)], sizes: []), "axis", of: id)
    setInputs(of: id, to: [inputs.first ?? nil, inputs.count > 1 ? inputs[1] : nil, axis])
  }

  mutating func movePadding(of id: NodeID) {
    guard let input = graph[id].input(0) else { return }
    let pads = takeAttribute("pads", of: id)
    if graph[id].float("value") == 0 { graph.update(id) { $0.removeAttribute("value") } }
    let value = takeNumber("value", of: id, like: input)
    setInputs(of: id, to: [input, pads, value])
  }

  /// Axes that were not given were the first ones, as many as there are starts.
  mutating func moveSlices(of id: NodeID) throws(Diagnostic) {
    let input = graph[id].input(0)
    let count = graph[id].ints("starts")?.count
    let starts = takeAttribute("starts", of: id)
    let ends = takeAttribute("ends", of: id)
    var axes = takeAttribute("axes", of: id)
    if axes == nil {
      guard let count else {
        throw .notRaised(
          "Slice", across: 10, reason: "its axes follow from a function's attribute")
      }
      axes = integers((0..<count).map { Int64($0) }, "axes", of: id)
    }
    setInputs(of: id, to: [input, starts, ends, axes])
  }

  /// Parts of equal size are asked for by their count.
  mutating func countParts(of id: NodeID) {
    guard graph[id].input(1) == nil else { return }
    graph.update(id) { $0.set("num_outputs", to: .int(Int64($0.outputs.count))) }
  }

  /// The operand has one dimension, of one element.
  mutating func moveLimit(of id: NodeID) {
    let input = graph[id].input(0)
    let limit: ValueID?
    if let number = graph[id].int("k") {
      graph.update(id) { $0.removeAttribute("k") }
      limit = integers([number], "k", of: id)
    } else {
      limit = takeAttribute("k", of: id).map {
        add("Unsqueeze", [$0, integers([0], "k.axes", of: id)], "k", before: id)
      }
    }
    setInputs(of: id, to: [input, limit])
  }
}

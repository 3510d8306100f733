internal import IR

/// Functions that multiply by a scale and cast to codes, be it one they are given or one they measure.
///
/// Their arithmetic is not compared, only what it comes to. It is looked at once for all calls, of which there
/// are two to most modules.
extension PlainForm {
  /// The body of such a function in the fewest nodes that say as much; `nil` for any other.
  ///
  /// It takes numbers, and the scale or the axes that it is measured along; it gives codes, and such a scale.
  func shortened(_ body: Graph) -> Graph? {
    guard body.inputs.count == 2, (1...2).contains(body.outputs.count),
      let last = body.producer(of: body.outputs[0]), body[last].isStandard("Cast"),
      let code = body[last][attribute: "to"]
    else { return nil }
    var short = Graph(name: body.name)
    let (numbers, second) = (
      short.addInput(body[body.inputs[0]].name, nil), short.addInput(body[body.inputs[1]].name, nil)
    )
    func put(
      _ op: String, _ inputs: [ValueID], _ attribute: Attribute?, _ name: String
    ) -> ValueID? {
      let node = Node(
        op: op, inputs: inputs, outputs: [], attributes: attribute.map { [$0] } ?? [])
      let id = short.addNode(node, results: [(name, nil)])
      return short[id].outputs[0]
    }
    let name = body[body.outputs[0]].name
    var results: [ValueID?] = []
    let scaled: ValueID?
    if body.outputs.count == 1 {
      guard let op = scaling(by: body) else { return nil }
      scaled = put(op, [numbers, second], nil, short.freshName("\(name).scaled"))
    } else {
      guard measures(body),
        let scale = put(
          "ReduceMax", [numbers, second], Attribute("keepdims", .int(1)), body[body.outputs[1]].name
        )
      else { return nil }
      results = [scale]
      scaled = put("Div", [numbers, scale], nil, short.freshName("\(name).scaled"))
    }
    guard let scaled else { return nil }
    results.insert(put("Cast", [scaled], Attribute("to", code), name), at: 0)
    short.setOutputs(results.compactMap { $0 })
    return short
  }

  /// How a body puts its second operand on the first, where that is all it does.
  private func scaling(by body: Graph) -> String? {
    // No constant of a body is this.
    let sign = 0x1.2345p5
    let (erased, asked) = erased(body, with: Weight([Float(sign)], sizes: []))
    let codes = erased[asked.outputs[0]]
    guard codes.core == asked.inputs[0], codes.codes.isEmpty else { return nil }
    let factor = Factor([sign])
    return codes.factor == factor ? "Mul" : codes.factor == factor.inverted ? "Div" : nil
  }

  /// True where a body divides its first operand by its second result, one number along the axes of its second
  /// operand, and does nothing else.
  private func measures(_ body: Graph) -> Bool {
    // No axis of a tensor is this.
    let sign = Int64.min
    let (erased, asked) = erased(body, with: Weight([sign], sizes: [1]))
    let codes = erased[asked.outputs[0]]
    guard codes.core == asked.inputs[0], codes.codes.isEmpty,
      let scale = erased.constant(asked.outputs[1]), codes.factor == scale.inverted
    else { return false }
    return scale.axesOfOneMeasured == .some(.some([sign]))
  }

  /// A body with a constant as its second operand, and what is left of it without its quantization.
  private func erased(_ body: Graph, with constant: Weight) -> (ErasedGraph, Graph) {
    var asked = body
    let given = asked.addWeight(asked.freshName("given"), constant)
    asked.replaceReaders(of: body.inputs[1], with: given)
    let erased = ErasedGraph(
      asked, outerCodes: [], fullscales: fullscales, isOwn: { _ in false },
      numbers: { $0.weight.flatMap(numbers) })
    return (erased, asked)
  }
}

internal import IR

/// What convolutions and pools put around their input.
extension StructuralProof {
  /// A padding that stands in front of a convolution of the written model, and the amounts of its axes.
  struct Padding {
    let data: Reference
    let amounts: [Int64]
  }

  /// The padding with zeros that a convolution had and no longer has: hardware knows none with two unlike ends.
  func movedPadding(of first: Node, _ source: Int, to second: Node, _ scope: Int) -> Padding? {
    let hasItsOwn = first.string("auto_pad").map { $0.hasPrefix("SAME") } ?? false
    guard first.op == "Conv", second.op == "Conv",
      hasItsOwn || first.ints("pads")?.contains(where: { $0 != 0 }) == true,
      second.ints("pads")?.contains(where: { $0 != 0 }) != true, let input = second.input(0)
    else { return nil }
    let operand = behind(Reference(scope: scope, value: input), .written).core
    guard let made = producer(operand, .written), made.node.op == "Pad",
      made.node.string("mode").map({ $0 == "constant" }) ?? true,
      made.node.inputs.count == 2, let data = made.node.input(0), let amounts = made.node.input(1),
      let all = value(Reference(scope: operand.scope, value: amounts), .written).weight?.integers,
      all.count >= 4
    else { return nil }
    let (front, end) = (all.prefix(all.count / 2), all.suffix(all.count / 2))
    guard front.prefix(2) + end.prefix(2) == [0, 0, 0, 0] else { return nil }
    let moved = behind(Reference(scope: operand.scope, value: data), .written).core
    // The source's own padding is not the one that was moved.
    if let value = first.input(0),
      producer(behind(Reference(scope: source, value: value), .source).core, .source)?.node.op
        == "Pad", producer(moved, .written)?.node.op != "Pad"
    {
      return nil
    }
    return Padding(
      data: moved,
      amounts: Array(front.dropFirst(2) + end.dropFirst(2)))
  }

  /// The padding of one operator on both sides: no numbers are zeros, and a rule that lowering wrote out is the numbers
  /// that it gives.
  mutating func comparePadding(
    _ first: Node, _ second: Node, _ pair: Pair, _ order: Int, _ place: String
  ) {
    let rules = (rule(of: first), rule(of: second))
    let moved = movedPadding(of: first, pair.source.scope, to: second, pair.written.scope)
    guard rules.0 != rules.1 || moved != nil else {
      let (left, right) = (first[attribute: "pads"], second[attribute: "pads"])
      if left != right, !isNothing(left) || !isNothing(right) {
        note(order, place, "attribute 'pads' is another")
      }
      return
    }
    guard first.isStandard("Conv"), rules.1 == "NOTSET" else {
      return note(order, place, "attribute 'auto_pad' is another")
    }
    guard let expected = amounts(of: first, rules.0, pair.source.scope) else {
      return leave(place, "has a padding that follows from sizes which are not known")
    }
    let found = moved?.amounts ?? second.ints("pads") ?? []
    if expected != found, (expected + found).contains(where: { $0 != 0 }) {
      note(order, place, "has another padding")
    }
  }

  private func rule(of node: Node) -> String? {
    guard node[attribute: "auto_pad"] != nil else { return "NOTSET" }
    return node.string("auto_pad").map { $0.isEmpty ? "NOTSET" : $0 }
  }

  private func isNothing(_ padding: AttributeValue?) -> Bool {
    guard let padding else { return true }
    guard case .ints(let amounts) = padding else { return false }
    return amounts.allSatisfy { $0 == 0 }
  }

  /// How many zeros stand around the axes of a convolution's input: all begins, then all ends, empty for none.
  ///
  /// `nil` where sizes are not known that the rule needs: with `SAME_UPPER` and `SAME_LOWER` the output is as long as the
  /// input over the stride, rounded up (Conv of the ONNX operators).
  private func amounts(of node: Node, _ rule: String?, _ scope: Int) -> [Int64]? {
    switch rule {
    case "NOTSET": return node.ints("pads") ?? []
    case "VALID": return []
    case "SAME_UPPER", "SAME_LOWER": break
    default: return nil
    }
    let shapes = [0, 1].map { operand in
      node.input(operand).flatMap {
        value(Reference(scope: scope, value: $0), .source).type?.tensor?.shape
      }
    }
    guard let input = shapes[0], let kernel = shapes[1], input.count == kernel.count else {
      return nil
    }
    var (begins, ends) = ([Int64](), [Int64]())
    for (axis, pair) in zip(input, kernel).dropFirst(2).enumerated() {
      func number(_ name: String) -> Double? {
        guard let numbers = node.ints(name) else { return 1 }
        return numbers.indices.contains(axis) ? Double(numbers[axis]) : nil
      }
      guard let size = pair.0.size, let width = pair.1.size, let stride = number("strides"),
        let dilation = number("dilations")
      else { return nil }
      let covered = ((Double(size) / stride).rounded(.up) - 1) * stride
      let reach = (Double(width) - 1) * dilation + 1
      guard let total = Int64(exactly: max(0, covered + reach - Double(size))) else { return nil }
      let (less, more) = (total / 2, total - total / 2)
      begins.append(rule == "SAME_UPPER" ? less : more)
      ends.append(rule == "SAME_UPPER" ? more : less)
    }
    return begins + ends
  }
}

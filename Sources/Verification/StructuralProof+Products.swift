internal import IR

/// Operators that lowering writes as several, or as one.
extension StructuralProof {
  /// A product that a bias follows: its own factors come to the same.
  mutating func balanceProduct(
    _ left: [ValueID?], _ right: [ValueID?], _ pair: Pair, _ order: Int, _ place: String
  ) {
    var (source, written, codes) = (Factor(), Factor(), [Reference]())
    for index in 0..<2 {
      if let value = left[index] {
        source = source.times(
          behind(Reference(scope: pair.source.scope, value: value), .source).factor)
      }
      if let value = right[index] {
        let behind = behind(Reference(scope: pair.written.scope, value: value), .written)
        written = written.times(behind.factor)
        codes += behind.codes
      }
    }
    balance(source, written, codes, order, place)
  }

  /// `alpha * A * B + beta * C` and a convolution with a bias, written as a product and a sum.
  mutating func compareProduct(
    _ first: Node, _ pair: Pair, _ second: Node, _ order: Int, _ place: String
  ) {
    let op = first.op == "Conv" ? "Conv" : "MatMul"
    let scope = pair.written.scope
    var product = pair.written
    if let bias = first.input(2) {
      guard second.op == "Add", let (operand, other) = productOperand(of: second, scope, named: op)
      else { return note(order, place, "became \(second.op), expected a product and a bias") }
      let behind = behind(operand, .written)
      product = behind.core
      var source = Factor(number: Double(first.float("alpha") ?? 1))
      for value in first.inputs.prefix(2) {
        guard let value else { continue }
        source = source.times(
          self.behind(Reference(scope: pair.source.scope, value: value), .source).factor)
      }
      balance(source, behind.factor, behind.codes, order, place)
      var reference = Reference(scope: scope, value: other)
      // The bias of a convolution is laid along its channels.
      let column = self.behind(reference, .written)
      if let made = producer(column.core, .written),
        ["Reshape", "Unsqueeze"].contains(made.node.op),
        let data = made.node.input(0)
      {
        reference = Reference(scope: column.core.scope, value: data)
      }
      read(
        Reference(scope: pair.source.scope, value: bias), reference, order, place,
        times: Factor(number: Double(first.float("beta") ?? 1)))
    }
    guard let made = producer(product, .written), made.node.op == op else {
      return note(order, place, "became \(second.op), expected a product")
    }
    nodeCount += 1
    if op == "Conv" { compareAttributes(first, made.node, pair, order, place) }
    for index in 0..<2 {
      guard let value = first.input(index), let other = made.node.input(index) else { continue }
      let moved =
        index == 0 ? movedPadding(of: first, pair.source.scope, to: made.node, product.scope) : nil
      pushLinear(
        Reference(scope: pair.source.scope, value: value),
        moved?.data ?? Reference(scope: product.scope, value: other), order, place,
        op == "Conv" ? .first : index == 0 ? .secondLast : .last,
        isTransposed: first.int(index == 0 ? "transA" : "transB") == 1)
    }
  }

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

  /// The operand of a sum that is a product, and the other one.
  private func productOperand(
    of sum: Node, _ scope: Int, named op: String
  ) -> (Reference, ValueID)? {
    for (operand, other) in [(0, 1), (1, 0)] {
      guard let value = sum.input(operand), let bias = sum.input(other) else { continue }
      let reference = Reference(scope: scope, value: value)
      if producer(behind(reference, .written).core, .written)?.node.op == op {
        return (reference, bias)
      }
    }
    return nil
  }
}

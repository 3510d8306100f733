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
      if op == "Conv" {
        guard let row = self.bias(laidAlongChannels: reference, of: first, pair.source.scope) else {
          return note(order, place, "adds a bias along another axis than that of its channels")
        }
        reference = row
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
        isTransposed: first.op == "Gemm" && first.isTransposed(index))
    }
  }

  /// The bias that a column was made of, with an axis of one element for each axis behind the channels.
  private func bias(
    laidAlongChannels column: Reference, of convolution: Node, _ scope: Int
  ) -> Reference? {
    let column = behind(column, .written).core
    guard let kernel = convolution.input(1),
      let rank = value(Reference(scope: scope, value: kernel), .source).type?.tensor?.shape?.count,
      rank > 2
    else { return nil }
    func isColumn(_ sizes: [Int64]?) -> Bool {
      guard let sizes else { return false }
      return sizes.suffix(rank - 2).allSatisfy { $0 == 1 }
        && (sizes.count == rank - 1 || sizes.count == rank && sizes[0] == 1)
    }
    if let weight = value(column, .written).weight {
      return isColumn(weight.type().sizes) ? column : nil
    }
    guard let made = producer(column, .written), made.node.isStandard("Reshape"),
      let data = made.node.input(0), let shape = made.node.input(1),
      isColumn(value(Reference(scope: column.scope, value: shape), .written).weight?.integers)
    else { return nil }
    return Reference(scope: column.scope, value: data)
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

extension Node {
  /// Whether a `Gemm` exchanges the axes of an operand, 0 or 1, which every number but 0 says.
  func isTransposed(_ operand: Int) -> Bool { int(operand == 0 ? "transA" : "transB") ?? 0 != 0 }
}

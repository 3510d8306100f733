internal import IR

/// Attention as one operator of the written model, and what it stands for in the source.
extension StructuralProof {
  /// Functions of a written model that stand for one operator of the source, or for the parts of it.
  static let wholeFunctions = ["Fp8Attention"]

  /// Attributes of ONNX's operator that are compared, or that say how numbers are rounded and what further results are; of
  /// others -1 says that they do nothing.
  private static let followed: Set<String> = [
    "is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap",
    "softmax_precision",
  ]

  /// The operator of ONNX, which is linear in its values.
  ///
  /// Where its operands have three axes the written model takes the heads apart in front of its operator and lays them
  /// side by side behind it.
  ///
  /// Behind queries, keys, values and the mask stand what multiplies the codes of the three, the shares of the
  /// softmax twice, and the result.
  mutating func compareAttention(
    _ first: Node, _ pair: Pair, _ second: Node, _ order: Int, _ place: String,
    isMerged: Bool = false
  ) {
    nodeCount += 1
    for attribute in first.attributes
    where !StructuralProof.followed.contains(attribute.name) && attribute.value != .int(-1) {
      note(order, place, "has no attribute '\(attribute.name)'")
    }
    if (first.int("is_causal") == 1) != (second.int("is_causal") == 1) {
      note(order, place, "attribute 'is_causal' is another")
    }
    compareNumber("softcap", second, Double(first.float("softcap") ?? 0), order, place)
    if let scale = scale(of: first, pair.source.scope) {
      compareNumber("scale", second, scale, order, place)
    } else {
      leave(place, "multiplies by what follows from a depth that is not known")
    }
    let written = erased(.written, pair.written.scope)
    for operand in 0..<4 {
      guard let value = first.input(operand), let other = second.input(operand) else {
        // Where there is no mask, nothing is added.
        let isZero = second.input(operand).flatMap { written.constant($0) } == Factor([0])
        if (first.input(operand) == nil) != (second.input(operand) == nil), !isZero {
          note(order, place, "operand \(operand) is given on one side only")
        }
        continue
      }
      let source = Reference(scope: pair.source.scope, value: value)
      let reference = Reference(scope: pair.written.scope, value: other)
      if operand == 3 {
        read(source, mask(behind: reference), order, place)
        continue
      }
      let left = behind(source, .source)
      var right = behind(reference, .written)
      if isMerged {
        guard let heads = first.int(operand == 0 ? "q_num_heads" : "kv_num_heads"),
          let whole = whole(right, heads: heads)
        else { return note(order, place, "takes the heads of operand \(operand) apart otherwise") }
        right = whole
      }
      if operand == 2 {
        balance(left.outer.factor, right.outer.factor, right.outer.codes, order, place)
      } else {
        let factor = multiplier(operand + 4, of: second, pair)
        balance(left.factor, right.factor.times(factor), right.codes, order, place)
      }
      push(Pair(source: left.core, written: right.core, order: order, place: place))
    }
    if first.inputs.dropFirst(4).contains(where: { $0 != nil }) {
      note(order, place, "has operands that are not compared")
    }
    balanceShares(second, pair, order, place)
  }

  /// The attention whose heads a `Reshape` lays side by side: [batch, heads, rows, depth] as [batch, rows, heads * depth].
  func attention(mergedBy reshape: Node, _ scope: Int) -> Node? {
    guard isReshape(reshape, to: [0, 0, -1], scope), let data = reshape.input(0),
      let inner = moved(
        behind(Reference(scope: scope, value: data), .written), by: "Transpose",
        where: { $0.ints("perm") == [0, 2, 1, 3] }),
      inner.core.scope == scope, let made = producer(inner.core, .written),
      made.node.op == "Fp8Attention"
    else { return nil }
    return made.node
  }

  /// What an operand's heads were taken apart of: [batch, rows, heads * depth].
  private func whole(_ operand: Behind, heads: Int64) -> Behind? {
    guard
      let rows = moved(operand, by: "Transpose", where: { $0.ints("perm") == [0, 2, 1, 3] })
    else { return nil }
    return moved(rows, by: "Reshape") { isReshape($0, to: [0, 0, heads, -1], rows.core.scope) }
  }

  private func isReshape(_ node: Node, to sizes: [Int64], _ scope: Int) -> Bool {
    node.int("allowzero") ?? 0 == 0
      && node.input(1).flatMap({ value(Reference(scope: scope, value: $0), .written).weight })?
        .integers == sizes
  }

  /// What the products of queries and keys are multiplied by; `nil` where the depth is not known.
  private func scale(of attention: Node, _ scope: Int) -> Double? {
    if let given = attention.float("scale") { return Double(given) }
    guard let query = attention.input(0),
      let shape = value(Reference(scope: scope, value: query), .source).type?.tensor?.shape,
      let size = shape.last?.size
    else { return nil }
    let heads = shape.count == 3 ? attention.int("q_num_heads") ?? 1 : 1
    return heads > 0 && size >= heads ? 1 / Double(size / heads).squareRoot() : nil
  }

  private mutating func compareNumber(
    _ name: String, _ second: Node, _ expected: Double, _ order: Int, _ place: String
  ) {
    let found = Double(second.float(name) ?? 0)
    if !Factor(number: found).isNear(Factor(number: expected), within: 1e-5) {
      note(order, place, "attribute '\(name)' is \(found), expected \(expected)")
    }
  }

  /// What an operand says that codes are multiplied by.
  private func multiplier(_ operand: Int, of attention: Node, _ pair: Pair) -> Factor {
    attention.input(operand).flatMap { erased(.written, pair.written.scope).constant($0) }
      ?? Factor()
  }

  /// The shares of the softmax become codes and numbers again.
  private mutating func balanceShares(
    _ second: Node, _ pair: Pair, _ order: Int, _ place: String
  ) {
    let (down, up) = (multiplier(7, of: second, pair), multiplier(8, of: second, pair))
    balance(Factor(), down.times(up), [], order, place)
  }

  /// The mask of booleans that numbers to add were made of: zero where it is true, minus infinity elsewhere.
  private func mask(behind numbers: Reference) -> Reference {
    let numbers = behind(numbers, .written).core
    guard let made = producer(numbers, .written), made.node.op == "Where",
      let condition = made.node.input(0), let seen = made.node.input(1),
      let hidden = made.node.input(2)
    else { return numbers }
    let graph = erased(.written, numbers.scope)
    guard graph.constant(seen)?.number == 0, graph.constant(hidden)?.number == -.infinity else {
      return numbers
    }
    return Reference(scope: numbers.scope, value: condition)
  }

  // MARK: Parts

  /// The product of a softmax with values; `false` where the source has it in another form than is followed.
  mutating func compareAttentionParts(
    _ first: Node, _ pair: Pair, _ second: Node, _ order: Int, _ place: String
  ) -> Bool {
    guard let parts = parts(of: first, pair.source.scope) else { return false }
    func operand(_ index: Int) -> Reference? {
      second.input(index).map { Reference(scope: pair.written.scope, value: $0) }
    }
    guard let queries = operand(0), let keys = operand(1), let values = operand(2) else {
      return false
    }
    let (query, value) = (behind(queries, .written), behind(values, .written))
    var key = behind(keys, .written)
    if parts.keyAxes == [0, 2, 3, 1] {
      // Heads stand in front of rows before the operator, in the source only behind the exchange.
      guard
        let inner = moved(key, by: "Transpose", where: { $0.ints("perm") == [0, 2, 1, 3] })
      else { return false }
      key = inner
    }
    nodeCount += parts.nodeCount
    let scale = Factor(number: Double(second.float("scale") ?? 0))
    balance(
      parts.scale,
      scale.times(query.factor).times(multiplier(4, of: second, pair)).times(key.factor)
        .times(multiplier(5, of: second, pair)), query.codes + key.codes, order, place)
    balance(
      parts.value.outer.factor, value.outer.factor, value.outer.codes, order, place)
    for (source, written) in [(parts.query, query), (parts.key, key), (parts.value, value)] {
      push(Pair(source: source.core, written: written.core, order: order, place: place))
    }
    if second.int("is_causal") == 1 {
      note(order, place, "is causal, expected the mask of the source")
    }
    compareNumber("softcap", second, parts.softcap, order, place)
    compareMask(parts.mask, operand(3), order, place)
    balanceShares(second, pair, order, place)
    return true
  }

  /// True for a number of the source in the type that the written model has it in.
  ///
  /// The least number of float32 has another nearest one in bfloat16. Where only some of a model is float16 all of
  /// the source's numbers are rounded to it.
  private func isNear(_ written: Double, _ source: Double) -> Bool {
    [written, isHalf ? StructuralProof.half(written) : written].contains { number in
      number == source || Factor(number: source).isNear(Factor(number: number), within: tolerance)
    }
  }

  private mutating func compareMask(
    _ mask: AttentionParts.Mask, _ written: Reference?, _ order: Int, _ place: String
  ) {
    let constant = written.flatMap { erased(.written, $0.scope).constant($0.value) }
    switch mask {
    case .none:
      if written != nil, constant != Factor([0]) {
        note(order, place, "adds a mask, expected none")
      }
    case .added(let numbers):
      guard let written else { return note(order, place, "adds no mask, expected one") }
      read(numbers, written, order, place)
    case .chosen(let condition, let keepsWhereTrue, let fill):
      guard let core = written.map({ behind($0, .written).core }),
        let made = producer(core, .written), made.node.isStandard("Where"),
        let chosen = made.node.input(0), let yes = made.node.input(1), let no = made.node.input(2)
      else { return note(order, place, "does not choose scores, expected to") }
      let graph = erased(.written, core.scope)
      let expected = keepsWhereTrue ? [0, fill] : [fill, 0]
      let isSame = zip([yes, no], expected).allSatisfy { value, number in
        graph.constant(value).map { $0.isScalar && isNear($0.number, number) } ?? false
      }
      if !isSame { note(order, place, "chooses other scores") }
      read(condition, Reference(scope: core.scope, value: chosen), order, place)
    }
  }
}

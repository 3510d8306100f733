internal import IR

/// Attention as one operator of the written model, and what it stands for in the source.
extension StructuralProof {
  /// Functions of a written model that stand for one operator of the source, or for the parts of it.
  package static let wholeFunctions = ["Fp8Attention"]

  /// The operator of ONNX: behind queries, keys, values and the mask stand what multiplies the codes of the
  /// three, the shares of the softmax twice, and the result.
  mutating func compareAttention(
    _ first: Node, _ pair: Pair, _ second: Node, _ order: Int, _ place: String
  ) {
    nodeCount += 1
    compareAttributes(first, second, pair, order, place)
    if (first.int("is_causal") ?? 0 != 0) != (second.int("is_causal") ?? 0 != 0) {
      note(order, place, "attribute 'is_causal' is another")
    }
    compareNumber("softcap", second, Double(first.float("softcap") ?? 0), order, place)
    if let scale = scale(of: first, pair.source.scope) {
      compareNumber("scale", second, scale, order, place)
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
      let reference = Reference(scope: pair.written.scope, value: other)
      read(
        Reference(scope: pair.source.scope, value: value),
        operand == 3 ? mask(behind: reference) : reference, order, place,
        times: operand < 3 ? multiplier(operand + 4, of: second, pair).inverted : Factor())
    }
    if first.inputs.dropFirst(4).contains(where: { $0 != nil }) {
      note(order, place, "has operands that are not compared")
    }
    balanceShares(second, pair, order, place)
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
}

// MARK: Parts

/// The parts of an attention of the source, from the product with the values back to the queries.
struct AttentionParts {
  let query: StructuralProof.Behind
  let key: StructuralProof.Behind
  let value: StructuralProof.Behind
  /// The axes of the keys in the product with the queries.
  let keyAxes: [Int64]
  let mask: Mask
  /// What the products of queries and keys are multiplied by in all.
  let scale: Factor
  /// Where the scores are bent to stay below; zero where they are not.
  let softcap: Double
  let nodeCount: Int

  enum Mask {
    case none
    case added(StructuralProof.Reference)
    /// Scores stay where the condition says, and are `fill` elsewhere.
    case chosen(StructuralProof.Reference, keepsWhereTrue: Bool, fill: Double)
  }
}

extension StructuralProof {
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
      guard let made = producer(key.core, .written), made.node.isStandard("Transpose"),
        made.node.ints("perm") == [0, 2, 1, 3], let data = made.node.input(0)
      else { return false }
      let inner = behind(Reference(scope: key.core.scope, value: data), .written)
      key = Behind(core: inner.core, factor: key.factor, codes: key.codes)
    }
    nodeCount += parts.nodeCount
    let scale = Factor(number: Double(second.float("scale") ?? 0))
    balance(
      parts.scale,
      scale.times(query.factor).times(multiplier(4, of: second, pair)).times(key.factor)
        .times(multiplier(5, of: second, pair)), query.codes + key.codes, order, place)
    balance(
      Factor(), value.factor.times(multiplier(6, of: second, pair)), value.codes, order, place)
    for (source, written) in [(parts.query, query), (parts.key, key), (parts.value, value)] {
      push(Pair(source: source.core, written: written.core, order: order, place: place))
    }
    if second.int("is_causal") ?? 0 != 0 {
      note(order, place, "is causal, expected the mask of the source")
    }
    compareNumber("softcap", second, parts.softcap, order, place)
    compareMask(parts.mask, operand(3), order, place)
    balanceShares(second, pair, order, place)
    return true
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
      let numbers = [yes, no].map { graph.constant($0)?.number }
      if numbers != (keepsWhereTrue ? [0, fill] : [fill, 0]) {
        note(order, place, "chooses other scores")
      }
      read(condition, Reference(scope: core.scope, value: chosen), order, place)
    }
  }

  // MARK: Of the source

  private func operand(_ index: Int, of core: Reference) -> Reference? {
    producer(core, .source)?.node.input(index).map { Reference(scope: core.scope, value: $0) }
  }

  private func isMade(_ core: Reference, by op: String) -> Bool {
    producer(core, .source)?.node.isStandard(op) ?? false
  }

  private func number(_ reference: Reference?) -> Double? {
    reference.flatMap { erased(.source, $0.scope).constant($0.value) }.flatMap {
      $0.isScalar ? $0.number : nil
    }
  }

  /// What is behind a value that nothing multiplies.
  private func plain(_ reference: Reference?) -> Behind? {
    guard let found = reference.map({ behind($0, .source) }),
      found.factor.isNear(Factor(), within: 0)
    else { return nil }
    return found
  }

  private func parts(of product: Node, _ scope: Int) -> AttentionParts? {
    func reference(_ index: Int) -> Reference? {
      product.input(index).map { Reference(scope: scope, value: $0) }
    }
    guard product.isStandard("MatMul"), var shares = plain(reference(0))?.core,
      let value = plain(reference(1))
    else { return nil }
    var nodeCount = 2
    if isMade(shares, by: "Where") {
      // Rows without a key stay zero.
      guard let condition = operand(0, of: shares), let kept = plain(operand(2, of: shares))?.core,
        number(operand(1, of: shares)) == 0, isMade(condition, by: "IsNaN"),
        plain(operand(0, of: condition))?.core == kept
      else { return nil }
      nodeCount += 2
      shares = kept
    }
    guard isMade(shares, by: "Softmax"), isOverLastAxis(shares),
      let operand = operand(0, of: shares), let masked = masked(operand),
      let capped = capped(masked.scores), isMade(capped.scores.core, by: "MatMul"),
      let query = self.operand(0, of: capped.scores.core),
      let key = self.operand(1, of: capped.scores.core),
      let turned = turned(behind(key, .source).core)
    else { return nil }
    return AttentionParts(
      query: behind(query, .source), key: turned.key, value: value, keyAxes: turned.axes,
      mask: masked.mask, scale: capped.scale, softcap: capped.softcap,
      nodeCount: nodeCount + masked.nodeCount + capped.nodeCount + 2)
  }

  private func isOverLastAxis(_ softmax: Reference) -> Bool {
    guard let axis = producer(softmax, .source)?.node.int("axis"), axis != -1 else { return true }
    return value(softmax, .source).type?.tensor?.shape.map { Int64($0.count) - 1 == axis } ?? false
  }

  private func masked(
    _ operand: Reference
  ) -> (scores: Reference, mask: AttentionParts.Mask, nodeCount: Int)? {
    let core = behind(operand, .source).core
    let operands = (0..<3).map { self.operand($0, of: core) }
    if isMade(core, by: "Add"), plain(operand) != nil, let left = operands[0],
      let right = operands[1]
    {
      let found = [left, right].map { isScores($0) }
      guard found[0] != found[1] else { return nil }
      return found[0] ? (left, .added(right), 1) : (right, .added(left), 1)
    }
    if isMade(core, by: "Where"), plain(operand) != nil, let condition = operands[0],
      let yes = operands[1], let no = operands[2]
    {
      if let fill = number(no) {
        return (yes, .chosen(condition, keepsWhereTrue: true, fill: fill), 1)
      }
      guard let fill = number(yes) else { return nil }
      return (no, .chosen(condition, keepsWhereTrue: false, fill: fill), 1)
    }
    return (operand, .none, 0)
  }

  /// True for a product of two matrices, bent to stay below a number or not.
  private func isScores(_ reference: Reference) -> Bool {
    capped(reference).map { isMade($0.scores.core, by: "MatMul") } ?? false
  }

  private func capped(
    _ reference: Reference
  ) -> (scores: Behind, scale: Factor, softcap: Double, nodeCount: Int)? {
    let found = behind(reference, .source)
    guard isMade(found.core, by: "Tanh") else { return (found, found.factor, 0, 0) }
    guard let softcap = found.factor.common(within: 0), let bent = operand(0, of: found.core) else {
      return nil
    }
    let scores = behind(bent, .source)
    return (scores, scores.factor.times(found.factor), softcap, 1)
  }

  /// The keys behind the exchange of their rows and columns, with which the product has them.
  private func turned(_ core: Reference) -> (key: Behind, axes: [Int64])? {
    guard let node = producer(core, .source)?.node, let data = operand(0, of: core) else {
      return nil
    }
    if node.isStandard("Transpose"), let axes = node.ints("perm"),
      [[0, 1, 3, 2], [0, 2, 3, 1]].contains(axes)
    {
      return (behind(data, .source), axes)
    }
    // Heads are merged into the batch for the exchange, and split again.
    let inner = behind(data, .source).core
    guard node.isStandard("Reshape"), isMade(inner, by: "Transpose"),
      producer(inner, .source)?.node.ints("perm") == [0, 2, 1],
      let merged = operand(0, of: inner).map({ behind($0, .source).core }),
      isMade(merged, by: "Reshape"), let keys = operand(0, of: merged)
    else { return nil }
    let key = behind(keys, .source)
    guard let whole = shape(of: keys), whole.count == 4, let rows = sizes(operand(1, of: merged)),
      let columns = sizes(operand(1, of: core)), rows.count == 3,
      rows[0] == .number(-1), rows.suffix(2) == whole.suffix(2),
      columns == [whole[0], whole[1], whole[3], whole[2]]
    else { return nil }
    return (key, [0, 1, 3, 2])
  }

  /// One number of a shape.
  private enum Size: Equatable {
    case number(Int64)
    case axis(Reference, Int)
  }

  private func shape(of reference: Reference) -> [Size]? {
    guard let shape = value(reference, .source).type?.tensor?.shape else { return nil }
    let core = behind(reference, .source).core
    return shape.enumerated().map { axis, size in size.size.map { .number($0) } ?? .axis(core, axis)
    }
  }

  /// The numbers of a shape that the source computes.
  private func sizes(_ reference: Reference?, depth: Int = 8) -> [Size]? {
    guard depth > 0, let core = reference.map({ behind($0, .source).core }) else { return nil }
    if let numbers = value(core, .source).weight?.integers { return numbers.map { .number($0) } }
    guard let node = producer(core, .source)?.node else { return nil }
    func integer(_ index: Int) -> Int64? {
      let numbers = operand(index, of: core).flatMap { value($0, .source).weight?.integers }
      return numbers?.count == 1 ? numbers?.first : nil
    }
    if node.isStandard("Shape"), node.int("start") ?? 0 == 0, node.int("end") == nil {
      return operand(0, of: core).flatMap { shape(of: $0) }
    }
    if node.isStandard("Concat") {
      let parts = node.inputs.indices.map { sizes(operand($0, of: core), depth: depth - 1) }
      return parts.contains { $0 == nil } ? nil : parts.flatMap { $0 ?? [] }
    }
    guard node.isStandard("Slice"), let all = sizes(operand(0, of: core), depth: depth - 1),
      let start = integer(1), let end = integer(2), node.input(3) == nil || integer(3) == 0,
      node.input(4) == nil || integer(4) == 1
    else { return nil }
    let (first, last) = (place(start, of: all.count), place(end, of: all.count))
    return first <= last ? Array(all[first..<last]) : []
  }

  /// Where a slice of so many numbers begins or ends; negative places count from the end.
  private func place(_ index: Int64, of count: Int) -> Int {
    let whole = Int64(count)
    return Int(min(max(index < 0 ? index + whole : index, 0), whole))
  }
}

internal import IR

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

  /// What a product of a softmax with values is made of; `nil` where it has another form than is followed.
  func parts(of product: Node, _ scope: Int) -> AttentionParts? {
    func reference(_ index: Int) -> Reference? {
      product.input(index).map { Reference(scope: scope, value: $0) }
    }
    // What multiplies the values multiplies the product, and is compared where that is read.
    guard product.isStandard("MatMul"), var shares = plain(reference(0))?.core,
      let value = reference(1).map({ behind($0, .source) })
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
    let (queries, keys) = (behind(query, .source), behind(key, .source))
    return AttentionParts(
      query: queries, key: turned.key, value: value, keyAxes: turned.axes, mask: masked.mask,
      scale: capped.scale.times(queries.outer.factor).times(keys.outer.factor),
      softcap: capped.softcap,
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

internal import IR

extension Surroundings {
  /// What keeps a sum over ranks a sum: these operators may stand between a product and its reduction.
  private static let linear: Set<String> = [
    "Mul", "Div", "Add", "Sub", "Cast", "Identity", "Reshape", "Transpose", "Sum", "Unsqueeze",
    "Squeeze",
  ]

  /// The product whose partial sums a collective adds up.
  mutating func findReduction(at collective: NodeID) {
    guard let operand = graph[collective].input(0) else { return }
    for found in partialSums(in: operand) {
      let isLastLayer = slicesDepth(of: found.product)
      var role = Role(
        type: isLastLayer
          ? "LmHeadLinearAllreduce" : found.isDirect ? "LinearAllreduce" : "ScopedLinearAllReduce",
        evidence: isLastLayer
          ? "a slice of the depth in front of it and an all-reduce behind"
          : found.isDirect
            ? "an all-reduce reads it" : "an all-reduce follows behind other operators")
      if found.addsBias {
        role.warning = "adds its bias before the all-reduce, so the bias counts once for each rank"
      }
      if found.isDirect {
        role.followers = [collective]
        if let sum = result(of: collective), let reader = onlyReader(of: sum),
          graph[reader].isStandard("Add"),
          let bias = graph[reader].inputs.compactMap({ $0 }).first(where: { $0 != sum }),
          weight(of: bias)?.type().shape?.count == 1
        {
          role.followers.append(reader)
          role.bias = bias
        }
      }
      replace(found.product, role)
    }
  }

  /// A product whose depth lies in parts on several devices: the sum over them is implied (fp8-and-gaudi2.md
  /// 4.6).
  mutating func findImpliedReduction(at product: NodeID) {
    let node = graph[product]
    let sharding = Sharding(of: node)
    guard !sharding.isEmpty, let factor = constantFactor(of: node),
      let constant = node.input(factor), let value = node.input(1 - factor)
    else { return }
    func isTransposed(_ place: Int) -> Bool { node.int(place == 0 ? "transA" : "transB") ?? 0 != 0 }
    // The depth is the last axis of a left operand and the last but one of a right one.
    func parts(_ operand: ValueID, _ place: Int) -> Int64 {
      let axis = (place == 0) != isTransposed(place) ? -1 : -2
      return sharding.parts(
        of: graph[operand].name, axis: axis, rank: graph[operand].type?.tensor?.shape?.count)
    }
    let shards = parts(constant, factor)
    guard shards > 1, parts(value, 1 - factor) == shards else { return }
    replace(
      product,
      Role(
        type: "LinearAllreduce",
        evidence: "its depth lies on \(shards) devices, which implies a sum"))
  }

  private struct PartialSum {
    let product: NodeID
    /// True where nothing stands in between.
    let isDirect: Bool
    let addsBias: Bool
  }

  private func partialSums(in operand: ValueID) -> [PartialSum] {
    var found: [PartialSum] = []
    var pending = [(value: operand, isDirect: true, addsBias: false)]
    var visited: Set<ValueID> = []
    while let (value, isDirect, addsBias) = pending.popLast(),
      visited.count < Surroundings.reach
    {
      guard visited.insert(value).inserted, graph.useCount(of: value) == 1,
        let maker = graph.producer(of: value)
      else { continue }
      let node = graph[maker]
      if isProduct(node) {
        guard constantFactor(of: node) != nil else { continue }
        found.append(
          PartialSum(
            product: maker, isDirect: isDirect,
            addsBias: addsBias || (node.op == "Gemm" && node.input(2) != nil)))
      } else if node.domain.isEmpty, Surroundings.linear.contains(node.op) {
        let operands = node.inputs.compactMap { $0 }
        let adds =
          node.op == "Add" && operands.contains { weight(of: $0)?.type().shape?.count == 1 }
        for operand in operands where !isConstant(operand) {
          pending.append((operand, isDirect && adds, addsBias || adds))
        }
      }
    }
    return found
  }

  /// True where the product reads a part of a tensor's last axis that constants cut out.
  private func slicesDepth(of product: NodeID) -> Bool {
    let node = graph[product]
    guard let factor = constantFactor(of: node), let value = node.input(1 - factor),
      let maker = graph.producer(of: value)
    else { return false }
    let slicer = graph[maker]
    let rank = slicer.input(0).flatMap { graph[$0].type?.tensor?.shape?.count }
    func isLast(_ axis: Int64) -> Bool { axis == -1 || rank.map { axis == Int64($0) - 1 } ?? false }
    switch slicer.op {
    case "Slice" where slicer.domain.isEmpty:
      guard let starts = slicer.input(1), let ends = slicer.input(2), isConstant(starts),
        isConstant(ends)
      else { return (slicer.ints("axes") ?? []).contains(where: isLast) }
      guard let axes = slicer.input(3) else { return rank == 1 }
      return weight(of: axes)?.integers?.contains(where: isLast) ?? false
    case "Split" where slicer.domain.isEmpty: return isLast(slicer.int("axis") ?? 0)
    case "Gather" where slicer.domain.isEmpty:
      return isLast(slicer.int("axis") ?? 0) && slicer.input(1).map(isConstant) == true
    default: return false
    }
  }
}

package import Support

extension Measurement {
  /// The element-wise maximum over ranks or shards of one model.
  ///
  /// A module that only some saw keeps what they saw. Modules stand in the order of `graphOrder`, and
  /// those it lacks behind them in the order of their first mention. `localRank` is what the result says
  /// of its rank: INC's tools write -1 for one group. Shards, which have no rank, give what one run
  /// gives, in whatever order they come.
  package static func merged(
    _ measurements: [Measurement], localRank: Int?, graphOrder: [String] = []
  ) throws(Diagnostic) -> Measurement {
    let isSharded = measurements.allSatisfy { $0.localRank == nil && $0.globalRank == nil }
    let localRank = isSharded && localRank == -1 ? nil : localRank
    var result = Measurement(localRank: localRank, mode: measurements.first?.mode ?? .dynamicRange)
    var indices: [String: Int] = [:]
    for measurement in measurements {
      guard measurement.mode == result.mode else { throw .differentModes() }
      for node in measurement.nodes {
        if let index = indices[node.name] {
          result.nodes[index] = try result.nodes[index].merged(with: node)
        } else {
          indices[node.name] = result.nodes.count
          result.nodes.append(node)
        }
      }
    }
    if isSharded {
      let counts = measurements.compactMap(\.sampleCount)
      if counts.count == measurements.count {
        result.sampleCount = counts.reduce(0) { $0.addingReportingOverflow($1).partialValue }
      }
    }
    let places = Dictionary(zip(graphOrder, graphOrder.indices)) { first, _ in first }
    let order = result.nodes.indices.sorted {
      let left = places[result.nodes[$0].name] ?? graphOrder.count + $0
      let right = places[result.nodes[$1].name] ?? graphOrder.count + $1
      return left < right
    }
    result.nodes = order.map { result.nodes[$0] }
    return result
  }

  /// Gives each attention product the range of the cache that feeds it (inc-fp8.md section 5.7).
  ///
  /// The second operand of `matmul_qk` takes the range of `k_cache`, that of `matmul_av` the range of
  /// `v_cache`, under one parent. Returns the names of the products that changed.
  package mutating func alignCaches() -> [String] {
    let pairs = [("matmul_qk", "k_cache"), ("matmul_av", "v_cache")]
    var indices: [String: Int] = [:]
    for (index, node) in nodes.enumerated() { indices[node.name] = index }
    var changed: [String] = []
    for index in nodes.indices {
      let path = nodes[index].name
      guard nodes[index].inputs.count == 2,
        let (product, cache) = pairs.first(where: { path == $0.0 || path.hasSuffix(".\($0.0)") }),
        let cacheIndex = indices["\(path.dropLast(product.count))\(cache)"],
        let range = nodes[cacheIndex].inputs.first, nodes[index].inputs[1] != range
      else { continue }
      nodes[index].inputs[1] = range
      changed.append(path)
    }
    return changed
  }
}

extension MeasuredNode {
  fileprivate func merged(with other: MeasuredNode) throws(Diagnostic) -> MeasuredNode {
    var result = self
    result.inputs = try merged(inputs, other.inputs, what: "inputs")
    result.outputs = try merged(outputs, other.outputs, what: "outputs")
    guard parameters.map(\.name) == other.parameters.map(\.name) else {
      throw .differentLayouts(of: "params", module: name)
    }
    let tables = try merged(
      parameters.map(\.table), other.parameters.map(\.table), what: "params")
    for (index, table) in tables.enumerated() { result.parameters[index].table = table }
    return result
  }

  private func merged(
    _ first: [RangeTable], _ second: [RangeTable], what: String
  ) throws(Diagnostic) -> [RangeTable] {
    guard first.count == second.count else { throw .differentLayouts(of: what, module: name) }
    var result: [RangeTable] = []
    for (first, second) in zip(first, second) {
      guard let table = first.merged(with: second) else {
        throw .differentLayouts(of: what, module: name)
      }
      result.append(table)
    }
    return result
  }
}

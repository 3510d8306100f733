package import FP8
package import Support
package import Targets

/// Computes INC's scale file from a measurement.
package struct ScaleRecorder: Sendable {
  private let plan: MethodPlan
  private let rules: [ScaleMethod: Rules]
  private let allowsNonFinite: Bool

  /// Both sides of a method, ready to choose scales.
  private struct Rules: Sendable {
    let activation: ScaleRule
    let weight: ScaleRule
  }

  /// Throws where a choice cannot be made concrete, and for activations per channel, which only
  /// dynamic quantization knows.
  ///
  /// With `allowsNonFinite`, an infinite or NaN range counts as the largest number of `precision`.
  package init(
    plan: MethodPlan, limits: FormatLimits, arithmetic: ScaleArithmetic,
    precision: HighPrecision, allowsNonFinite: Bool = false
  ) throws(Diagnostic) {
    var rules: [ScaleMethod: Rules] = [:]
    for method in plan.methods {
      guard method.activation.granularity == .perTensor else { throw .dynamicOnly(method.name) }
      rules[method] = Rules(
        activation: try ScaleRule(
          method.activation, limits: limits, arithmetic: arithmetic, precision: precision),
        weight: try ScaleRule(
          method.weight, limits: limits, arithmetic: arithmetic, precision: precision))
    }
    self.plan = plan
    self.rules = rules
    self.allowsNonFinite = allowsNonFinite
  }

  /// The scales of every module, and warnings about ranges that gave none.
  ///
  /// `kinds` and `weights` say what a model knows better than the records: what a module is, and the
  /// scales of weights whose bytes were at hand. Other weights get a scale by their measured maxabs.
  package func scales(
    of measurement: Measurement, kinds: [String: RecordKind] = [:],
    types: [String: String] = [:], weights: [String: RecordedScale] = [:]
  ) throws(Diagnostic) -> (file: ScaleFile, warnings: [Diagnostic]) {
    var file = ScaleFile(globalRank: measurement.globalRank, localRank: measurement.localRank)
    var notes = Notes()
    for node in measurement.nodes {
      guard let kind = kinds[node.name] ?? RecordKind(of: node) else {
        throw .unknownRecord(node)
      }
      let method = plan.method(path: node.name, type: types[node.name])
      guard let rules = rules[method] else { throw .unknownRecord(node) }
      file.records.append(
        try record(node, kind: kind, weights[node.name], rules, &notes))
    }
    return (file, notes.warnings)
  }

  /// Modules that deserve a warning, gathered so that each cause gives one.
  private struct Notes {
    var zero: [String] = []
    var unsearched: [String] = []
    var withoutOutput: [String] = []

    var warnings: [Diagnostic] {
      var warnings: [Diagnostic] = []
      if !zero.isEmpty { warnings.append(.zeroRanges(zero)) }
      if !unsearched.isEmpty { warnings.append(.weightsByMaxAbs(unsearched)) }
      if !withoutOutput.isEmpty { warnings.append(.blockProductsWithoutOutput(withoutOutput)) }
      return warnings
    }
  }

  private func record(
    _ node: MeasuredNode, kind: RecordKind, _ known: RecordedScale?, _ rules: Rules,
    _ notes: inout Notes
  ) throws(Diagnostic) -> ScaleRecord {
    var record = ScaleRecord(name: node.name, inputs: [], outputs: [])
    switch kind {
    case .linear, .rowParallelLinear:
      let input = try scale(of: node, rules, .input, 0, &notes)
      let weight: RecordedScale
      if let known { weight = known } else { weight = try weightScale(of: node, rules, &notes) }
      record.inputs = [input]
      record.weight = weight
      if kind == .rowParallelLinear {
        record.outputs = [.scalar(try scale(of: node, rules, .output, 0, &notes))]
      } else if rules.activation.choice.value == .fixed {
        record.outputs = [.scalar(input)]
      } else {
        record.outputs = [weight.map { rules.activation.product(input, $0) }]
      }
    case .matmul, .blockMatmul:
      let first = try scale(of: node, rules, .input, 0, &notes)
      var second = (side: Side.input, index: 1)
      if kind == .blockMatmul {
        if node.outputs.isEmpty {
          notes.withoutOutput.append(node.name)
        } else {
          second = (.output, 0)
        }
      }
      record.inputs = [first, try scale(of: node, rules, second.side, second.index, &notes)]
      record.outputs = [.scalar(rules.activation.product(record.inputs[0], record.inputs[1]))]
    case .softmax:
      record.outputs = [.scalar(try scale(of: node, rules, .output, 0, &notes))]
    case .kvCache:
      record.inputs = [try scale(of: node, rules, .input, 0, &notes)]
      record.outputs = [.scalar(record.inputs[0])]
    case .fusedAttention:
      for index in 0..<3 { record.inputs.append(try scale(of: node, rules, .input, index, &notes)) }
      record.inputs.append(try scale(of: node, rules, .output, 1, &notes))
      record.outputs = [.scalar(try scale(of: node, rules, .output, 0, &notes))]
    case .mixtureOfExperts:
      record.inputs = [try scale(of: node, rules, .input, 0, &notes)]
      for index in node.outputs.indices.dropFirst() {
        record.inputs.append(try scale(of: node, rules, .output, index, &notes))
      }
      record.outputs = [.scalar(try scale(of: node, rules, .output, 0, &notes))]
    }
    return record
  }

  private enum Side: String {
    case input
    case output
  }

  private func scale(
    of node: MeasuredNode, _ rules: Rules, _ side: Side, _ index: Int, _ notes: inout Notes
  ) throws(Diagnostic) -> Float {
    let tables = side == .input ? node.inputs : node.outputs
    guard tables.indices.contains(index) else {
      if rules.activation.choice.value == .fixed {
        return rules.activation.scale(forMaxAbs: 0).value ?? 1
      }
      throw .notMeasured("\(side.rawValue) \(index)", of: node.name)
    }
    let range = finite(tables[index].maxAbs, rules)
    return try value(
      rules.activation.scale(forMaxAbs: range), of: "\(side.rawValue) \(index)", range: range,
      node: node, &notes)
  }

  private func weightScale(
    of node: MeasuredNode, _ rules: Rules, _ notes: inout Notes
  ) throws(Diagnostic) -> RecordedScale {
    guard let table = node.weight else { throw .notMeasured("weight", of: node.name) }
    let range = finite(table.maxAbs, rules)
    let choice = rules.weight.choice
    if choice.granularity == .perChannel, table.rows.count > 1 {
      var scales: [Float] = []
      for row in table.rows {
        let range = finite(RangeTable(rows: [row]).maxAbs, rules)
        scales.append(
          try value(
            rules.weight.channelScale(forMaxAbs: range, in: rules.weight.precision), of: "weight",
            range: range, node: node, &notes))
      }
      return .list(scales)
    }
    if choice.granularity == .perChannel || choice.value == .search {
      notes.unsearched.append(node.name)
    }
    let scale = try value(
      rules.weight.scale(forMaxAbs: range), of: "weight", range: range, node: node, &notes)
    return choice.value == .search ? .list([scale]) : .scalar(scale)
  }

  private func finite(_ range: Float, _ rules: Rules) -> Float {
    guard allowsNonFinite else { return range }
    // What rounds to an infinity counts as one.
    let limit = rules.activation.precision.maxFinite
    return range.isNaN ? limit : min(range, limit)
  }

  private func value(
    _ result: ScaleResult, of tensor: String, range: Float, node: MeasuredNode,
    _ notes: inout Notes
  ) throws(Diagnostic) -> Float {
    switch result {
    case .scale(let scale): return scale
    case .unitForZero:
      notes.zero.append("\(node.name) \(tensor)")
      return 1
    case .notFinite: throw .rangeNotFinite(range, of: tensor, module: node.name)
    }
  }
}

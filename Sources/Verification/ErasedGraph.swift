import IR

/// A graph as it is without its quantization: for each value what stands behind casts, quantizers and
/// multiplications by constants, and what it is multiplied by.
///
/// Operators that are linear in an operand carry its factor on, so that a scale may be put on before a
/// product and taken off behind it, whatever is reshaped or transposed in between.
final class ErasedGraph {
  /// A value behind all that is passed.
  struct Erased {
    /// The value that counts: of an operator, an input or a weight.
    var core: ValueID
    var factor = Factor()
    /// The weights that are FP8 codes and whose scale is part of the factor.
    var codes: [ValueID] = []
  }

  let graph: Graph
  /// The place of each node in the graph's order, by the node's index.
  private(set) var order: [Int]
  /// The axis of the scales that a weight's codes are multiplied by where they are dequantized.
  private(set) var scaleAxes: [ValueID: Int] = [:]
  /// The operators that join codes which enter the graph with codes made in it, and what all are multiplied by.
  private(set) var joins: [NodeID: Factor] = [:]
  /// What is behind the values that are not what counts themselves, by the value's index.
  private var table: [Erased?]
  private let outerCodes: Set<String>
  private let ownQuantizers: [String: String]
  private var measuredScales: [ValueID: Factor] = [:]
  private let numbers: (Value) -> [Double]?

  /// Linear in so many of the first operands; the others are shapes, indices or a bias.
  static let linear: [String: Int] = [
    "MatMul": 2, "Gemm": 2, "Conv": 2, "ConvTranspose": 2, "Einsum": 2, "Transpose": 1,
    "Reshape": 1, "Flatten": 1, "Squeeze": 1, "Unsqueeze": 1, "Expand": 1, "Slice": 1, "Gather": 1,
    "GatherND": 1,
    "Split": 1, "Neg": 1, "AveragePool": 1, "GlobalAveragePool": 1, "Pad": 1,
  ]
  /// The most weights whose scales one factor is followed through, in layers without anything between them.
  private static let codeLimit = 64

  static let products: Set<String> = ["MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"]

  /// `outerCodes` are the names of FP8 weights around this graph; a value that `isOwn` names is no scale of a
  /// quantizer that was put in, and `ownQuantizers` are what the source's give, with their operators.
  init(
    _ graph: Graph, outerCodes: Set<String>, fullscales: [Double], isOwn: (String) -> Bool,
    ownQuantizers: [String: String] = [:],
    numbers: @escaping (Value) -> [Double]?
  ) {
    self.graph = graph
    self.outerCodes = outerCodes
    self.ownQuantizers = ownQuantizers
    self.numbers = numbers
    order = [Int](repeating: 0, count: graph.nodeLimit)
    table = [Erased?](repeating: nil, count: graph.valueLimit)
    measuredScales = measuredScales(isOwn: isOwn)
    let clamps = clamps(at: fullscales)
    for (place, id) in graph.nodeIDs.enumerated() {
      order[Int(id.index)] = place
      let node = graph[id]
      guard let output = node.outputs.first ?? nil else { continue }
      if let result = attention(node, output) { table[Int(output.index)] = result }
      guard node.domain.isEmpty else { continue }
      if node.op == "DequantizeLinear", !isOwnQuantizer(node), let operand = node.input(0),
        let scale = node.input(1), constant(scale)?.isScalar == false
      {
        scaleAxes[operand] = Int(node.int("axis") ?? 1)
      }
      if let factor = joined(node) {
        joins[id] = factor
        table[Int(output.index)] = Erased(core: output, factor: factor)
      } else if let passed = passed(node, isClamp: clamps.contains(id)) {
        table[Int(output.index)] = passed
      } else if let count = ErasedGraph.linear[node.op], !ErasedGraph.hasBias(node) {
        var result = Erased(core: output)
        if node.op == "Gemm" {
          result.factor = Factor(number: Double(node.float("alpha") ?? 1))
        }
        for operand in node.inputs.prefix(count) {
          guard let operand else { continue }
          let inner = self[operand]
          result.factor = result.factor.times(inner.factor)
          result.codes += inner.codes
        }
        if !passesRows(node) { result.factor.isUnknown = true }
        if result.codes.count > ErasedGraph.codeLimit {
          result.codes = []
          result.factor.isUnknown = true
        }
        for value in node.outputs {
          guard let value else { continue }
          result.core = value
          table[Int(value.index)] = result
        }
      }
    }
  }

  /// The result of attention as one operator, which is linear in its values.
  ///
  /// That of the written model says what it multiplies their codes by, and gives codes and says what it multiplied
  /// those by. Values of the past have factors of their own and are not followed.
  private func attention(_ node: Node, _ output: ValueID) -> Erased? {
    let isWhole = !node.domain.isEmpty && StructuralProof.wholeFunctions.contains(node.op)
    guard isWhole || node.isStandard("Attention") && node.inputs.count <= 4 else { return nil }
    let values = node.input(2).map { self[$0] }
    var result = Erased(
      core: output, factor: values?.factor ?? Factor(), codes: values?.codes ?? [])
    if isWhole {
      for operand in [6, 9] {
        let factor = node.input(operand).flatMap { constant($0) }
        result.factor = result.factor.times(factor ?? Factor())
      }
    }
    if !result.factor.isScalar { result.factor.isUnknown = true }
    return result
  }

  subscript(_ value: ValueID) -> Erased {
    if let known = table[Int(value.index)] { return known }
    var result = Erased(core: value)
    if isCode(value) { result.codes = [value] }
    return result
  }

  func value(_ id: ValueID) -> Value { graph[id] }

  func producer(of value: ValueID) -> (id: NodeID, node: Node, label: String)? {
    graph[value].producer.map { ($0, graph[$0], graph.label(of: $0)) }
  }

  private func isCode(_ value: ValueID) -> Bool {
    if let weight = graph[value].weight { return weight.type().element.isFloat8 }
    return graph[value].origin == .captured && outerCodes.contains(graph[value].name)
  }

  /// The names of weights that are codes, those around included.
  var codeNames: Set<String> {
    outerCodes.union(graph.values.filter { isCode($0) }.map { graph[$0].name })
  }

  // MARK: Codes that enter the graph

  /// The operators that put new entries into a cache, and how many operands hold entries.
  static func joinedCount(_ node: Node) -> Int {
    switch node.op {
    case "Concat": node.inputs.count
    case "TensorScatter": 2
    default: 0
    }
  }

  /// What codes that enter the graph are multiplied by follows from what is done with them first.
  private func isOpen(_ value: ValueID) -> Bool {
    graph[value].origin == .input && graph[value].type?.tensor?.element.isFloat8 == true
      && table[Int(value.index)] == nil
  }

  /// The factor of codes that enter the graph where they are joined with others: what their quantizer takes.
  ///
  /// Whether those come to it, with all that is before their quantizer, is asked where operands are compared.
  private func joined(_ node: Node) -> Factor? {
    let operands = node.inputs.prefix(ErasedGraph.joinedCount(node)).compactMap { $0 }
    let open = operands.filter { isOpen(self[$0].core) }
    guard !open.isEmpty,
      let made = operands.first(where: { !isOpen(self[$0].core) }),
      let factor = quantizer(of: made)
    else { return nil }
    for operand in open {
      let core = self[operand].core
      table[Int(core.index)] = Erased(core: core, factor: factor)
      table[Int(operand.index)] = table[Int(core.index)]
    }
    return factor
  }

  /// What codes were multiplied by last.
  private func quantizer(of codes: ValueID) -> Factor? {
    var current = codes
    for _ in 0..<8 {
      guard let producer = graph[current].producer else { return nil }
      let node = graph[producer]
      let constants = node.inputs.map { $0.flatMap { constant($0) } }
      switch node.op {
      case "QuantizeLinear": return constants.count > 1 ? constants[1]?.inverted : nil
      case "Mul" where constants.contains { $0?.isScalar == true }:
        return constants.compactMap { $0 }.first
      case "Div" where constants.last??.isScalar == true: return constants.last??.inverted
      case "Cast", "BitCast", "Identity":
        guard let next = node.input(0) else { return nil }
        current = next
      case "Min", "Max":
        guard let next = clamped(node) else { return nil }
        current = next
      default: return nil
      }
    }
    return nil
  }

  /// What codes that leave the graph may be multiplied by: what those that enter it are.
  var factorsOfInputs: [Factor] {
    graph.inputs.filter { graph[$0].type?.tensor?.element.isFloat8 == true }.map { self[$0].factor }
  }

  /// What a node passes on, where it is none that counts.
  private func passed(_ node: Node, isClamp: Bool) -> Erased? {
    switch node.op {
    case "Identity": return node.input(0).map { self[$0] }
    case "Cast":
      guard let to = node.int("to").flatMap({ ElementType(rawValue: Int32(clamping: $0)) }),
        to.isHighPrecision || to.isFloat8 && !isOwnQuantizer(node), let operand = node.input(0),
        isFloat(operand)
      else { return nil }
      return self[operand]
    case "Mul", "Div":
      guard node.inputs.count == 2, let left = node.input(0), let right = node.input(1) else {
        return nil
      }
      if let factor = constant(right) {
        return multiplied(left, by: node.op == "Div" ? factor.inverted : factor)
      }
      guard node.op == "Mul", let factor = constant(left) else { return nil }
      return multiplied(right, by: factor)
    case "QuantizeLinear" where !isOwnQuantizer(node):
      guard let operand = node.input(0), let scale = node.input(1).flatMap({ constant($0) }),
        scale.isScalar
      else { return nil }
      return multiplied(operand, by: scale.inverted)
    case "DequantizeLinear" where !isOwnQuantizer(node):
      guard let operand = node.input(0), let scale = node.input(1).flatMap({ constant($0) }),
        graph[operand].type?.tensor?.element.isFloat8 == true || isCode(operand)
      else { return nil }
      return scaled(self[operand], by: scale)
    case "BitCast":
      // Codes are joined as bytes where an operator does not know their type.
      let values = [node.input(0), node.outputs.first ?? nil].compactMap { $0 }
      guard values.contains(where: { graph[$0].type?.tensor?.element.isFloat8 == true }) else {
        return nil
      }
      return node.input(0).map { self[$0] }
    case "Min", "Max":
      guard isClamp, let operand = clamped(node) else { return nil }
      return self[operand]
    default: return nil
    }
  }

  /// True for a quantizer that the source has itself, which is an operator like others on both sides.
  ///
  /// What a written model gives may come through a cast, and then it is that which has the name.
  private func isOwnQuantizer(_ node: Node) -> Bool {
    guard let output = node.outputs.first ?? nil else { return false }
    let casts = graph.users(of: output).map { graph[$0] }.filter { $0.isStandard("Cast") }
    return ([output] + casts.compactMap { $0.outputs.first ?? nil }).contains {
      ownQuantizers[graph[$0].name] == node.op
    }
  }

  /// True for a product that adds its third operand.
  static func hasBias(_ node: Node) -> Bool {
    ["Gemm", "Conv", "ConvTranspose"].contains(node.op) && node.input(2) != nil
  }

  /// True where scales of rows that are computed when the model runs multiply the result as they do the operands.
  private func passesRows(_ node: Node) -> Bool {
    let operands = node.inputs.prefix(2).compactMap { $0.map { self[$0].factor } }
    switch node.op {
    case "MatMul":
      return operands.count == 2 && operands[0].isEven(along: -1) && operands[1].isEven(along: -2)
    default: return operands.allSatisfy(\.isEven)
    }
  }

  /// Vectors multiply the channels of a product; elsewhere, behind a bias too, they are operands like others.
  private func multiplied(_ value: ValueID, by factor: Factor) -> Erased? {
    let result = self[value]
    if !factor.channels.isEmpty {
      guard let producer = graph[result.core].producer,
        ErasedGraph.products.contains(graph[producer].op), !ErasedGraph.hasBias(graph[producer])
      else { return nil }
    }
    return scaled(result, by: factor)
  }

  private func scaled(_ value: Erased, by factor: Factor) -> Erased {
    var result = value
    if factor.isScalar, isOpen(value.core) {
      table[Int(value.core.index)] = Erased(core: value.core, factor: factor.inverted)
    } else {
      result.factor = result.factor.times(factor)
    }
    return result
  }

  private func isFloat(_ value: ValueID) -> Bool {
    guard let element = graph[value].type?.tensor?.element else { return true }
    return element.isHighPrecision || element.isFloat8
  }

  func clamped(_ node: Node) -> ValueID? {
    guard node.inputs.count == 2, let left = node.input(0), let right = node.input(1) else {
      return nil
    }
    if constant(right)?.isScalar == true { return left }
    return constant(left)?.isScalar == true ? right : nil
  }

  /// The clamps in front of quantizers, with further clamps and casts between or not.
  ///
  /// What they clamp at is a full scale of FP8, so a bound of the model's own is none of them.
  private func clamps(at fullscales: [Double]) -> Set<NodeID> {
    var result: Set<NodeID> = []
    // What the quantizer behind a value divides by, where nothing else reads it.
    var divisors: [ValueID: Double] = [:]
    for id in graph.nodeIDs.reversed() {
      let node = graph[id]
      guard ["Min", "Max", "Cast"].contains(node.op), node.domain.isEmpty,
        let output = node.outputs.first ?? nil, !graph.isOutput(output)
      else { continue }
      let found = graph.users(of: output).map { divisor(of: output, in: graph[$0], divisors) }
      guard let first = found.first ?? nil, found.allSatisfy({ $0 == first }) else { continue }
      if node.op == "Cast" {
        divisors[output] = first
      } else if let bound = bound(of: node),
        bound >= ErasedGraph.half || fullscales.contains(where: { isNear(bound / first, $0) })
      {
        divisors[output] = first
        result.insert(id)
      }
    }
    return result
  }

  /// Nothing in float16 is larger than 65504, so a full scale beyond it became that.
  private static let half = 65_000.0

  private func isNear(_ found: Double, _ fullscale: Double) -> Bool {
    abs(found - fullscale) <= 0.01 * fullscale
  }

  private func divisor(
    of value: ValueID, in reader: Node, _ divisors: [ValueID: Double]
  ) -> Double? {
    if reader.op == "QuantizeLinear" {
      return reader.input(1).flatMap { constant($0) }?.common(within: 0)
    }
    if reader.op == "Cast",
      let to = reader.int("to").flatMap({ ElementType(rawValue: Int32(clamping: $0)) }),
      to.isFloat8
    {
      return 1
    }
    return (reader.outputs.first ?? nil).flatMap { divisors[$0] }
  }

  /// The magnitude of the constant of a clamp.
  private func bound(of node: Node) -> Double? {
    guard let operand = clamped(node) else { return nil }
    let other = node.input(0) == operand ? node.input(1) : node.input(0)
    return other.flatMap { constant($0)?.common(within: 0) }.map { abs($0) }
  }

  /// The numbers of a constant, seen through casts and what functions make constants with.
  func constant(_ value: ValueID) -> Factor? {
    var current = value
    var negates = false
    var isMoved = false
    var inverts = false
    func finished(_ factor: Factor) -> Factor {
      let turned = inverts ? factor.inverted : factor
      return negates ? turned.negated : turned
    }
    for _ in 0..<8 {
      if let scale = measuredScales[current] {
        return isMoved && !scale.isEven ? nil : finished(scale)
      }
      if graph[current].weight != nil {
        guard let numbers = numbers(graph[current]), !numbers.isEmpty else { return nil }
        return finished(Factor(numbers))
      }
      guard let producer = graph[current].producer else { return nil }
      let node = graph[producer]
      switch node.op {
      case "Cast", "Identity": break
      case "Reshape", "Unsqueeze": isMoved = true
      case "Neg": negates.toggle()
      case "Reciprocal": inverts.toggle()
      default: return nil
      }
      guard let next = node.input(0) else { return nil }
      current = next
    }
    return nil
  }
}

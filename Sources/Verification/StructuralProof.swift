package import IR

/// Compares a model with its FP8 form: what is left when the quantization is taken away has to be the same.
///
/// Both graphs are walked from their outputs, pair by pair of operators. Casts between float types, quantizers
/// with the clamps before them and multiplications by constants do not count as operators; what they multiply
/// by has to come to the same on both sides wherever an operator reads it that is not linear, so that a scale
/// which is not taken off as it was put on is found like a dropped, added or exchanged operator.
///
/// Bytes of weights are not seen here: each pair of weights becomes a claim, and where codes are part of what is
/// multiplied the equation waits for their scales as a balance.
package struct StructuralProof {
  package private(set) var differences: [Difference] = []
  package internal(set) var claims: [Claim] = []
  package internal(set) var balances: [Balance] = []
  /// Claims about codes that an earlier one is about too: several weights of the source became one, and have its
  /// scale.
  package internal(set) var sameCodes: [Int: Int] = [:]
  /// What one code of an input or output stands for that has numbers in the source, by its name.
  package private(set) var interfaceScales: [String: Double] = [:]
  /// The first place where nothing can be said, and why.
  package private(set) var notCompared: (place: String, reason: String)?
  /// How many operators of the source were compared.
  package internal(set) var nodeCount = 0

  package enum Side: Hashable, Sendable {
    case source
    case written
  }

  private struct Scope {
    let erased: ErasedGraph
    let parent: Int?
  }

  struct Reference: Hashable {
    let scope: Int
    let value: ValueID
  }

  /// Two values that have to be one, and who asks.
  struct Pair {
    let source: Reference
    let written: Reference
    let order: Int
    let place: String
    /// The source's axes are exchanged in what was written.
    var isTransposed = false
    /// The place among the operands of a product, which tells the axis of channels.
    var channels: ChannelPlace?
  }

  /// Where the channels of a weight are.
  enum ChannelPlace {
    case first
    case second
    case last
    case secondLast
  }

  private struct PairKey: Hashable {
    let source: Reference
    let written: Reference
    let isTransposed: Bool
  }

  struct Claimed: Hashable {
    let source: Reference
    let claim: Claim
  }

  private let numbers: (Side, Weight) -> [Double]?
  private let fullscales: [Double]
  private let sourceNames: ValueNames
  private let ownQuantizers: [String: String]
  let tolerance: Double
  /// How far a constant may be from its source whatever its size: half of the least number of the written type.
  let apart: Double
  /// True where the written model computes in float16, in which small constants become zero.
  let isHalf: Bool
  /// The constants of the written model that are float32 beside float16, by name: what the source calls so was not
  /// rounded.
  private let wide: Set<String>
  private var scopes: (source: [Scope], written: [Scope]) = ([], [])
  private var pending: [Pair] = []
  private var seen: Set<PairKey> = []
  var claimed: [Claimed: Int] = [:]
  var claimSources: [Reference] = []
  /// The first claim about codes, which the equations are closed with.
  var codeClaims: [Reference: Int] = [:]
  var open: [(place: String, order: Int, source: Factor, written: Factor, codes: [Reference])] =
    []
  private var found: [(order: Int, Difference)] = []

  /// `fullscales` are those that quantizers may clamp at; `numbers` gives the elements of a small constant, and `nil` for one that is large or holds none.
  package init(
    source: Graph, written: Graph, fullscales: [Double],
    numbers: @escaping (Side, Weight) -> [Double]?
  ) {
    self.numbers = numbers
    self.fullscales = fullscales
    sourceNames = ValueNames(of: source)
    ownQuantizers = StructuralProof.quantizers(of: source)
    // Constants of the written model are rounded to its high precision type, some of them in a row.
    let types = Set(written.values.compactMap { written[$0].type?.tensor?.element })
    tolerance = types.contains(.bfloat16) ? 0.02 : types.contains(.float16) ? 0.003 : 1e-5
    apart = types.contains(.bfloat16) ? 0x1p-134 : types.contains(.float16) ? 0x1p-25 : 0x1p-150
    isHalf = types.contains(.float16)
    let constants = isHalf ? written.values.map { written[$0] }.filter { $0.weight != nil } : []
    wide = Set(constants.filter { $0.type?.element == .float32 }.map(\.name))
    let roots = (add(source, to: .source, parent: nil), add(written, to: .written, parent: nil))
    pairOutputs(roots.0, roots.1)
    while let pair = pending.popLast() { compare(pair) }
    nameInterface(source, written, roots.1)
    compareTies()
    differences = found.sorted { $0.order < $1.order }.map(\.1)
    if differences.isEmpty { closeBalances() }
  }

  /// What the quantizers of a graph and of its bodies give, with their operators.
  private static func quantizers(of graph: Graph) -> [String: String] {
    var result: [String: String] = [:]
    for id in graph.nodeIDs {
      let node = graph[id]
      for body in node.bodies { result.merge(quantizers(of: body)) { first, _ in first } }
      if ["QuantizeLinear", "DequantizeLinear", "Cast"].contains(node.op), node.domain.isEmpty,
        let output = node.outputs.first ?? nil
      {
        result[graph[output].name] = node.op
      }
    }
    return result
  }

  // MARK: Scopes

  mutating func add(_ graph: Graph, to side: Side, parent: Int?) -> Int {
    let (numbers, names, rounds, wide) = (numbers, sourceNames, isHalf && side == .source, wide)
    let quantizers = ownQuantizers
    let scope = Scope(
      erased: ErasedGraph(
        graph, outerCodes: parent.map { erased(side, $0).codeNames } ?? [],
        fullscales: fullscales,
        isOwn: { side == .source || names.contains($0) }, ownQuantizers: quantizers,
        numbers: { value in
          let elements = value.weight.flatMap { numbers(side, $0) }
          return rounds && !wide.contains(value.name)
            ? elements?.map { StructuralProof.half($0) } : elements
        }),
      parent: parent)
    switch side {
    case .source: scopes.source.append(scope)
    case .written: scopes.written.append(scope)
    }
    return (side == .source ? scopes.source : scopes.written).count - 1
  }

  /// The nearest number of float16; what is beyond its range is its largest one.
  static func half(_ value: Double) -> Double {
    guard value.isFinite else { return value }
    let limit = Double(Float16.greatestFiniteMagnitude)
    return Double(Float16(min(max(value, -limit), limit)))
  }

  private func scope(_ side: Side, _ index: Int) -> Scope {
    side == .source ? scopes.source[index] : scopes.written[index]
  }

  func erased(_ side: Side, _ index: Int) -> ErasedGraph { scope(side, index).erased }

  struct Behind {
    let core: Reference
    let factor: Factor
    /// FP8 weights whose scales are part of the factor.
    let codes: [Reference]
    /// What of both comes from graphs around the one that reads the value.
    var outer = (factor: Factor(), codes: [Reference]())
  }

  /// What stands behind a value, in the graph around where it is captured.
  func behind(
    _ reference: Reference, _ side: Side
  ) -> Behind {
    var reference = reference
    let inner = reference.scope
    var factor = Factor()
    var codes: [Reference] = []
    var around = (factor: Factor(), codes: [Reference]())
    func found() -> Behind {
      Behind(core: reference, factor: factor, codes: codes, outer: around)
    }
    while true {
      let graph = erased(side, reference.scope)
      let value = graph[reference.value]
      let scope = reference.scope
      let own = value.codes.map { defined(Reference(scope: scope, value: $0), side) }
      factor = factor.times(value.factor)
      codes += own
      if scope != inner {
        around = (around.factor.times(value.factor), around.codes + own)
      }
      reference = Reference(scope: reference.scope, value: value.core)
      let outer = defined(reference, side)
      guard outer != reference else { return found() }
      reference = outer
      // A weight around says itself that it is a code; it was counted where it is read.
      guard self.value(reference, side).weight == nil else { return found() }
    }
  }

  /// A captured value where it is defined.
  private func defined(_ reference: Reference, _ side: Side) -> Reference {
    var reference = reference
    while value(reference, side).origin == .captured,
      let parent = scope(side, reference.scope).parent,
      let outer = erased(side, parent).graph.value(named: value(reference, side).name)
    {
      reference = Reference(scope: parent, value: outer)
    }
    return reference
  }

  func value(_ reference: Reference, _ side: Side) -> Value {
    erased(side, reference.scope).value(reference.value)
  }

  func producer(
    _ reference: Reference, _ side: Side
  ) -> (id: NodeID, node: Node, label: String)? {
    erased(side, reference.scope).producer(of: reference.value)
  }

  // MARK: Pairs

  mutating func pairOutputs(_ source: Int, _ written: Int) {
    let (first, second) = (erased(.source, source).graph, erased(.written, written).graph)
    guard first.outputs.count == second.outputs.count else {
      return note(
        Int.max, "graph '\(first.name)'",
        "has \(second.outputs.count) outputs, expected \(first.outputs.count)")
    }
    for (left, right) in zip(first.outputs, second.outputs) {
      let place = "output '\(first[left].name)'"
      let references = (
        Reference(scope: source, value: left), Reference(scope: written, value: right)
      )
      let isCode = [first[left], second[right]].map { $0.type?.tensor?.element.isFloat8 == true }
      if isCode == [false, true] {
        readCodes(references.0, references.1, place)
      } else {
        read(references.0, references.1, Int.max, place)
      }
    }
  }

  /// An output whose codes stand for the source's numbers: at a scale that codes of an input have.
  private mutating func readCodes(_ source: Reference, _ written: Reference, _ place: String) {
    let (left, right) = (behind(source, .source), behind(written, .written))
    let known = erased(.written, written.scope).factorsOfInputs.map { $0.times(left.factor) }
    if !known.contains(where: { right.factor.isNear($0, within: tolerance) }) {
      note(Int.max, place, "gives codes of numbers times \(right.factor.text), which no input has")
    }
    push(Pair(source: left.core, written: right.core, order: Int.max, place: place))
  }

  /// Notes the scales of codes that enter and leave, where they are known.
  private mutating func nameInterface(_ source: Graph, _ written: Graph, _ scope: Int) {
    for value in written.inputs + written.outputs
    where written[value].type?.tensor?.element.isFloat8 == true {
      let name = written[value].name
      let element = source.value(named: name).flatMap { source[$0].type?.tensor?.element }
      let found = behind(Reference(scope: scope, value: value), .written)
      guard element?.isFloat8 == false, found.codes.isEmpty, !found.factor.isUnknown,
        let factor = found.factor.common(within: 0)
      else { continue }
      interfaceScales[name] = 1 / factor
    }
  }

  /// A pair that an operator reads which is not linear in it: the factors are equal too.
  mutating func read(
    _ source: Reference, _ written: Reference, _ order: Int, _ place: String,
    times factor: Factor = Factor()
  ) {
    let (left, right) = (behind(source, .source), behind(written, .written))
    balance(left.factor.times(factor), right.factor, right.codes, order, place)
    push(Pair(source: left.core, written: right.core, order: order, place: place))
  }

  mutating func balance(
    _ source: Factor, _ written: Factor, _ codes: [Reference], _ order: Int, _ place: String
  ) {
    if source.isUnknown || written.isUnknown {
      leave(
        place,
        "reads a value times a constant that is not finite, or times more scales than are followed")
    } else if !codes.isEmpty {
      open.append((place, order, source, written, codes))
    } else if !written.isNear(source, within: tolerance, apart: apart) {
      note(order, place, "reads a value times \(written.text), expected times \(source.text)")
    }
  }

  mutating func push(_ pair: Pair) {
    let key = PairKey(source: pair.source, written: pair.written, isTransposed: pair.isTransposed)
    if seen.insert(key).inserted { pending.append(pair) }
  }

  mutating func leave(_ place: String, _ reason: String) {
    if notCompared == nil { notCompared = (place, reason) }
  }

  mutating func note(_ order: Int, _ place: String, _ message: String) {
    found.append((order, Difference(place: place, message: message)))
  }

  private mutating func compare(_ pair: Pair) {
    let (left, right) = (value(pair.source, .source), value(pair.written, .written))
    switch (left.origin, right.origin) {
    case (.weight(let weight), .weight(let copy)): claim(pair, weight, copy)
    case (.input, .input), (.captured, .captured):
      guard left.name == right.name else {
        return note(
          pair.order, pair.place, "reads '\(right.name)', expected '\(left.name)'")
      }
    case (.result(_, let index), .result(_, let other)):
      guard let first = producer(pair.source, .source),
        let second = producer(pair.written, .written)
      else { return }
      guard index == other else {
        return note(
          pair.order, pair.place, "reads result \(other) of a node, expected result \(index)")
      }
      compare(first, second, pair)
    default:
      note(
        pair.order, pair.place,
        "reads \(described(pair.written, .written)), expected \(described(pair.source, .source))")
    }
  }

  private func described(_ reference: Reference, _ side: Side) -> String {
    let value = value(reference, side)
    switch value.origin {
    case .input: return "input '\(value.name)'"
    case .weight: return "weight '\(value.name)'"
    case .captured, .removed: return "'\(value.name)'"
    case .result:
      guard let made = producer(reference, side) else { return "'\(value.name)'" }
      return "the result of \(made.node.op) '\(made.label)'"
    }
  }

  private typealias Made = (id: NodeID, node: Node, label: String)

  private mutating func compare(_ first: Made, _ second: Made, _ pair: Pair) {
    let order = erased(.source, pair.source.scope).order[Int(first.id.index)]
    let place = "node '\(first.label)' (\(first.node.op))"
    switch (first.node.op, second.node.op) {
    case ("Gemm", "MatMul"), ("Gemm", "Add"), ("Conv", "Add"):
      return compareProduct(first.node, pair, second.node, order, place)
    case ("Attention", "Fp8Attention"):
      return compareAttention(first.node, pair, second.node, order, place)
    case ("Attention", "Reshape"):
      if let attention = attention(mergedBy: second.node, pair.written.scope) {
        return compareAttention(first.node, pair, attention, order, place, isMerged: true)
      }
    case (_, "Fp8Attention"):
      if !compareAttentionParts(first.node, pair, second.node, order, place) {
        leave(place, "became attention as one operator from parts that are not followed")
      }
      return
    default: break
    }
    guard first.node.op == second.node.op, first.node.domain == second.node.domain else {
      return note(
        pair.order, pair.place,
        "reads the result of \(second.node.op) '\(second.label)', expected that of "
          + "\(first.node.op) '\(first.label)'")
    }
    nodeCount += 1
    compareAttributes(first.node, second.node, pair, order, place)
    let (left, right) = (trimmed(first.node.inputs), trimmed(second.node.inputs))
    guard left.count == right.count else {
      return note(order, place, "has \(right.count) operands, expected \(left.count)")
    }
    let op = first.node.op
    let count = ErasedGraph.linear[op] ?? 0
    let join = erased(.written, pair.written.scope).joins[second.id]
    let joinedCount = join == nil ? 0 : ErasedGraph.joinedCount(second.node)
    let hasBias = ["Gemm", "Conv", "ConvTranspose"].contains(op) && left.count > 2
    if hasBias { balanceProduct(left, right, pair, order, place) }
    for index in left.indices {
      guard let value = left[index], let other = right[index] else {
        if (left[index] == nil) != (right[index] == nil) {
          note(order, place, "operand \(index) is given on one side only")
        }
        continue
      }
      let moved =
        index == 0
        ? movedPadding(
          of: first.node, pair.source.scope, to: second.node, pair.written.scope) : nil
      let references = (
        Reference(scope: pair.source.scope, value: value),
        moved?.data ?? Reference(scope: pair.written.scope, value: other)
      )
      if StructuralProof.valueless.contains(op) {
        let (data, same) = (behind(references.0, .source), behind(references.1, .written))
        push(Pair(source: data.core, written: same.core, order: order, place: place))
      } else if index < count {
        pushLinear(references.0, references.1, order, place, channelPlace(op, index, first.node))
      } else {
        let factor = index < joinedCount ? join : nil
        read(references.0, references.1, order, place, times: factor ?? Factor())
      }
    }
  }

  /// The operators that see an operand's shape and not its elements.
  private static let valueless: Set<String> = ["Shape", "Size"]

  private func trimmed(_ values: [ValueID?]) -> [ValueID?] {
    var values = values
    while let last = values.last, last == nil { values.removeLast() }
    return values
  }

  /// An operand that its operator is linear in: its factor is part of the result's, as far as it comes from the
  /// same graph.
  mutating func pushLinear(
    _ source: Reference, _ written: Reference, _ order: Int, _ place: String,
    _ channels: ChannelPlace?, isTransposed: Bool = false
  ) {
    let left = behind(source, .source)
    var right = behind(written, .written)
    let isMoved = isTransposed && value(left.core, .source).weight == nil
    if isMoved {
      guard
        let operand = moved(
          right, by: "Transpose", where: { $0.ints("perm") ?? [1, 0] == [1, 0] })
      else {
        return note(
          order, place, "reads an operand with its axes as they are, expected them exchanged")
      }
      right = operand
    }
    balance(left.outer.factor, right.outer.factor, right.outer.codes, order, place)
    push(
      Pair(
        source: left.core, written: right.core, order: order, place: place,
        isTransposed: isTransposed && !isMoved, channels: channels))
  }

  /// Where the output channels of a product's operand are.
  private func channelPlace(_ op: String, _ index: Int, _ node: Node) -> ChannelPlace? {
    switch op {
    case "Conv": .first
    case "ConvTranspose": .second
    case "Einsum", "Gather", "GatherND": .last
    case "MatMul": index == 0 ? .secondLast : .last
    case "Gemm": node.isTransposed(index) == (index == 0) ? .last : .first
    default: nil
    }
  }

  /// What a node of the written model moves the elements of, with all that it is multiplied by; `nil` behind another node.
  func moved(_ value: Behind, by op: String, where isThat: (Node) -> Bool) -> Behind? {
    guard let made = producer(value.core, .written), made.node.isStandard(op), isThat(made.node),
      let data = made.node.input(0)
    else { return nil }
    let inner = behind(Reference(scope: value.core.scope, value: data), .written)
    return Behind(
      core: inner.core, factor: value.factor.times(inner.outer.factor),
      codes: value.codes + inner.outer.codes,
      outer: (
        value.outer.factor.times(inner.outer.factor), value.outer.codes + inner.outer.codes
      ))
  }
}

/// The names of a graph's values, those of bodies included, which are gathered when they are first asked for.
private final class ValueNames {
  private let graph: Graph
  private lazy var inner = ValueNames.names(inBodiesOf: graph)

  init(of graph: Graph) { self.graph = graph }

  func contains(_ name: String) -> Bool {
    graph.value(named: name) != nil || inner.contains(name)
  }

  private static func names(inBodiesOf graph: Graph) -> Set<String> {
    graph.nodeIDs.reduce(into: []) { set, id in
      for body in graph[id].bodies {
        set.formUnion(body.values.map { body[$0].name })
        set.formUnion(names(inBodiesOf: body))
      }
    }
  }
}

internal import FP8
package import IR
package import Support
internal import Targets

/// Folds multipliers and quantizations of lowered modules, where every result stays bit for bit.
///
/// Three folds, each noted as a remark:
///
/// * Two multipliers of one product become one where a scale is not aligned or is per channel: aligned
///   scales are applied by the hardware for nothing and stay on their operands.
/// * A multiplication by a constant power of two, the only reader of a product, moves into it.
/// * A tensor that is quantized both directly and behind a `Reshape` or `Transpose` is quantized once,
///   and the codes are moved instead; a quantizer right behind a dequantizer of the same scale goes.
///
/// Before, with scales 1/32 and 1/8, which are not aligned:
///
///     %p = "ai.fp8c.gaudi2"::Fp8MatMul(%x.fp8, @w, @"2^-5", @"2^-3") {out_dtype = 1} : f32[4, 3]
///     %y = Mul(%p, @half) : f32[4, 3]
///
/// After:
///
///     %y = "ai.fp8c.gaudi2"::Fp8MatMul(%x.fp8, @w, @one, @"2^-9") {out_dtype = 1} : f32[4, 3]
///
/// Only powers of two are multiplied. A sum of products of FP8 codes is zero or lies between 2^-32 and
/// 2^40 times the number of terms, so factors between 2^-60 and 2^60 keep every intermediate result in
/// float32's normal range, where a power of two changes the exponent and nothing else.
package struct FoldScales: Pass {
  package static let name = "fold-scales"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var fold = ScaleFold(graph: model.graph, context: context)
    for id in model.graph.nodeIDs where fold.graph.contains(id) { fold.foldProduct(id) }
    for id in model.graph.nodeIDs where fold.graph.contains(id) { fold.foldQuantizer(id) }
    model.graph = fold.graph
    for remark in fold.remarks { context.remark(remark) }
    context.count("folds", by: fold.remarks.count)
  }
}

private struct ScaleFold {
  var graph: Graph
  private let context: PassContext
  private(set) var remarks: [Diagnostic] = []
  /// The codes that a quantizer makes of a value, by the value and the quantizer's multiplier.
  private var codes: [Key: ValueID] = [:]

  /// The modules that have a value at a port, by their index.
  private var owners: [ValueID: [Int]] = [:]

  private struct Key: Hashable {
    let value: ValueID
    let factor: Float
    let op: String
  }

  init(graph: Graph, context: PassContext) {
    self.graph = graph
    self.context = context
    for (index, module) in graph.modules.enumerated() {
      for value in module.ports.compactMap(\.value) { owners[value, default: []].append(index) }
    }
  }

  // MARK: Products

  /// Merges the multipliers of a product of the target, then a constant multiplication behind it.
  mutating func foldProduct(_ id: NodeID) {
    let node = graph[id]
    guard node.domain == context.settings.target.domain,
      let op = TargetOperator(rawValue: node.op), op == .fp8MatMul || op == .fp8Conv,
      let first = factor(node.input(2)), let second = factor(node.input(3))
    else { return }
    let aligned = Set(context.settings.limits.alignedScales)
    let isAligned =
      aligned.contains(first[0]) && second.count == 1 && aligned.contains(second[0])
    if !isAligned, first.count == 1, first[0] != 1, let merged = product(second, first[0]) {
      setFactors(of: id, first: 1, second: merged)
      remark(id, "two multipliers are one")
    }
    foldMultiplication(behind: id)
  }

  private mutating func foldMultiplication(behind id: NodeID) {
    // float16 has less range than the argument above asks for.
    guard context.settings.hp != .fp16, let result = graph[id].outputs.first ?? nil,
      graph.useCount(of: result) == 1, !graph.isOutput(result),
      graph[result].type?.element != .float16,
      let reader = graph.users(of: result).first, graph[reader].isStandard("Mul"),
      let constant = graph[reader].inputs.compactMap({ $0 }).first(where: { $0 != result }),
      let number = factor(constant), number.count == 1,
      let shape = graph[constant].type?.tensor?.shape, shape.isEmpty,
      let second = factor(graph[id].input(3)), let merged = product(second, number[0]),
      let output = graph[reader].outputs.first ?? nil, !isNamed(result)
    else { return }
    setFactors(of: id, first: factor(graph[id].input(2))?.first ?? 1, second: merged)
    // The product takes the place of the multiplication, whose node keeps the result's name.
    let moved = graph[id]
    graph.update(reader) { node in
      node.op = moved.op
      node.domain = moved.domain
      node.inputs = moved.inputs
      node.attributes = moved.attributes
    }
    moveModule(from: id, to: reader, result: output)
    graph.removeNode(id)
    if graph.useCount(of: constant) == 0, !graph.inputs.contains(constant) {
      graph.removeValue(constant)
    }
    remark(reader, "a constant multiplication is part of the product")
  }

  /// True where a port has the value, so that it has to stay.
  private func isNamed(_ value: ValueID) -> Bool { owners[value] != nil }

  private mutating func moveModule(from old: NodeID, to new: NodeID, result: ValueID) {
    for index in graph.modules.indices where graph.modules[index].nodes.contains(old) {
      graph.updateModule(at: index) { module in
        module.nodes = module.nodes.map { $0 == old ? new : $0 }
        module.result = result
      }
    }
  }

  private mutating func setFactors(of id: NodeID, first: Float, second: [Float]) {
    let scalar = graph.sharedScalar("fp8c.mul.\(first)", first)
    let other: ValueID
    if second.count == 1 {
      other = graph.sharedScalar("fp8c.mul.\(second[0])", second[0])
    } else {
      let name = graph[id].input(3).map { graph[$0].name } ?? "fp8c.mul"
      other = graph.sharedLiteral(
        "\(name).merged", TensorType(.float32, sizes: [Int64(second.count)]),
        second.littleEndianBytes)
    }
    let old = graph[id].inputs
    graph.update(id) {
      $0.inputs[2] = scalar
      $0.inputs[3] = other
    }
    for value in old[2...3].compactMap({ $0 }) where graph.useCount(of: value) == 0 {
      graph.removeValue(value)
    }
  }

  /// The numbers of a float32 literal that is a scalar or a vector.
  private func factor(_ value: ValueID?) -> [Float]? {
    guard let value, let weight = graph[value].weight, weight.recipe.isEmpty,
      weight.stored.element == .float32, !weight.isOverridable,
      weight.stored.shape?.count ?? 2 <= 1, case .literal(let bytes, _) = weight.source,
      !bytes.isEmpty
    else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      var bits: UInt32 = 0
      for byte in 0..<4 { bits |= UInt32(bytes[start + byte]) << UInt32(8 * byte) }
      return Float(bitPattern: bits)
    }
  }

  /// Every number times a factor; `nil` where that is not certain to be exact.
  private func product(_ numbers: [Float], _ factor: Float) -> [Float]? {
    guard isModeratePower(factor) else { return nil }
    var result: [Float] = []
    for number in numbers {
      guard isModeratePower(number), isModeratePower(number * factor) else { return nil }
      result.append(number * factor)
    }
    return result
  }

  /// A power of two from 2^-60 to 2^60.
  private func isModeratePower(_ number: Float) -> Bool {
    number > 0 && number.isFinite && number.significand == 1 && abs(number.exponent) <= 60
  }

  // MARK: Quantizers

  /// Lets codes that exist be moved instead of making them again.
  mutating func foldQuantizer(_ id: NodeID) {
    guard let quantizer = quantizer(id) else { return }
    if let source = dequantized(quantizer.input, by: quantizer.factor) {
      replace(quantizer.result, by: source, "a quantizer behind a dequantizer of its scale is gone")
      return
    }
    if let known = codes[key(quantizer.input, quantizer)] {
      replace(quantizer.result, by: known, "a tensor is quantized once")
      return
    }
    if let moved = movedCodes(quantizer, before: id) {
      replace(quantizer.result, by: moved, "codes are moved instead of values")
      return
    }
    codes[key(quantizer.input, quantizer)] = quantizer.result
  }

  private struct Quantizer {
    /// What is quantized, before the clamp.
    let input: ValueID
    let factor: Float
    let op: String
    let result: ValueID
  }

  private func key(_ value: ValueID, _ quantizer: Quantizer) -> Key {
    Key(value: value, factor: quantizer.factor, op: quantizer.op)
  }

  /// A node that makes codes of the target's format: the target's cast, or a clamped quantizer.
  private func quantizer(_ id: NodeID) -> Quantizer? {
    let node = graph[id]
    guard let result = node.outputs.first ?? nil,
      graph[result].type?.element == context.settings.limits.encoding.element,
      let number = factor(node.input(1)), number.count == 1
    else { return nil }
    if node.domain == context.settings.target.domain,
      node.op == TargetOperator.castToFp8.rawValue, let input = node.input(0)
    {
      return Quantizer(input: input, factor: number[0], op: node.op, result: result)
    }
    guard node.isStandard("QuantizeLinear"), let input = node.input(0),
      let clamp = graph.producer(of: input), graph[clamp].isStandard("Min"),
      let inner = graph[clamp].input(0), let floor = graph.producer(of: inner),
      graph[floor].isStandard("Max"), let source = graph[floor].input(0)
    else { return nil }
    return Quantizer(input: source, factor: number[0], op: node.op, result: result)
  }

  /// The codes behind a value that a dequantizer of that scale made, where they come from a quantizer
  /// of the target's range.
  private func dequantized(_ value: ValueID, by scale: Float) -> ValueID? {
    if let codes = castCodes(value, by: scale) { return codes }
    guard let producer = graph.producer(of: value),
      graph[producer].isStandard("DequantizeLinear"), let source = graph[producer].input(0),
      let number = factor(graph[producer].input(1)), number == [scale],
      let maker = graph.producer(of: source), let quantizer = quantizer(maker),
      quantizer.op == "QuantizeLinear", quantizer.factor == scale
    else { return nil }
    return source
  }

  /// The codes behind a value that the target's cast made, which a cast by the inverse makes again: the
  /// product of a code and a power of two is a number of every high precision type but float16.
  private func castCodes(_ value: ValueID, by inverse: Float) -> ValueID? {
    guard context.settings.hp != .fp16, graph[value].type?.element != .float16,
      let producer = graph.producer(of: value),
      graph[producer].domain == context.settings.target.domain,
      graph[producer].op == TargetOperator.castFromFp8.rawValue,
      let source = graph[producer].input(0),
      graph[source].type?.element == context.settings.limits.encoding.element,
      let numbers = factor(graph[producer].input(1)), numbers.count == 1,
      isModeratePower(inverse), numbers[0] * inverse == 1
    else { return nil }
    return source
  }

  /// The codes of what a `Reshape` or `Transpose` reads, moved the same way.
  private mutating func movedCodes(_ quantizer: Quantizer, before id: NodeID) -> ValueID? {
    guard let producer = graph.producer(of: quantizer.input) else { return nil }
    let node = graph[producer]
    guard node.isStandard("Reshape") || node.isStandard("Transpose"), let source = node.input(0),
      let known = codes[key(source, quantizer)] ?? castCodes(source, by: quantizer.factor)
    else { return nil }
    var moved = node
    moved.name = ""
    moved.inputs[0] = known
    return graph.addNode(
      moved, result: "\(graph[quantizer.result].name).moved",
      type: graph[quantizer.result].type, before: id)
  }

  /// Lets everything that reads one value read another, and removes what nothing reads any more.
  private mutating func replace(_ old: ValueID, by new: ValueID, _ reason: String) {
    guard !graph.isOutput(old) else { return }
    graph.replaceUses(of: old, with: new)
    remark(graph.producer(of: new), reason)
    var pending = [old]
    while let value = pending.popLast() {
      guard graph.useCount(of: value) == 0, !isNamed(value) || yieldName(of: value) else {
        continue
      }
      guard let producer = graph.producer(of: value) else {
        if graph[value].weight != nil, !graph.inputs.contains(value) { graph.removeValue(value) }
        continue
      }
      let node = graph[producer]
      guard node.outputs.count == 1, isPartOfQuantizer(node) else { continue }
      graph.removeNode(producer)
      pending += Set(node.inputs.compactMap { $0 }).sorted()
    }
  }

  /// Lets the codes behind a cast that nothing reads any more take the place that it has in modules, and
  /// its name.
  private mutating func yieldName(of value: ValueID) -> Bool {
    guard let cast = graph.producer(of: value),
      graph[cast].domain == context.settings.target.domain,
      graph[cast].op == TargetOperator.castFromFp8.rawValue, let codes = graph[cast].input(0),
      graph[codes].weight == nil, !graph.isOutput(codes), !isNamed(codes)
    else { return false }
    let name = graph[value].name
    let modules = owners[value] ?? []
    for index in modules {
      graph.updateModule(at: index) { module in
        for position in module.ports.indices where module.ports[position].value == value {
          module.ports[position].value = codes
        }
        if module.result == value {
          module.result = codes
          module.nodes.removeAll { $0 == cast }
        }
      }
    }
    owners[codes] = modules
    owners[value] = nil
    graph.rename(value, to: graph.freshName("\(name).cast"))
    graph.rename(codes, to: name)
    return true
  }

  private func isPartOfQuantizer(_ node: Node) -> Bool {
    node.op == TargetOperator.castToFp8.rawValue
      || node.op == TargetOperator.castFromFp8.rawValue || node.isStandard("QuantizeLinear")
      || node.isStandard("Min") || node.isStandard("Max")
  }

  private mutating func remark(_ id: NodeID?, _ text: String) {
    let name = id.map { id in
      let node = graph[id]
      return node.origin.isEmpty
        ? node.outputs.first.flatMap { $0 }.map { graph[$0].name } ?? node.op : node.origin
    }
    remarks.append(.folded(text, at: name))
  }
}

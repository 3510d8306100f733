package import FP8
package import IR
package import Support
internal import Targets

/// Moves operators that are not FP8 to the high precision type, and leaves in place what belongs there.
///
/// Before, with `hp=bf16`:
///
///     graph @main(%x: f32[4, 64]) -> (%y) {
///       %h = Relu(%x) : f32[4, 64]
///       %y = Add(%h, @b) : f32[4, 64]
///
/// After:
///
///     graph @main(%x: f32[4, 64]) -> (%y) {
///       weight @b: bf16[64] stored … f32[64] | cast bf16
///       %x.bf16 = Cast(%x) {to = 16} : bf16[4, 64]
///       %h = Relu(%x.bf16) : bf16[4, 64]
///       %y.bf16 = Add(%h, @b) : bf16[4, 64]
///       %y = Cast(%y.bf16) {to = 1} : f32[4, 64]
///
/// Graph inputs and outputs keep their types, those of bodies too, and so does what a body captures. An
/// operator stays in the type it had where the opset gives it no other, where it is a call, where its
/// result becomes an integer or a shape, and in front of `Sin` and `Cos`, whose angles a short type
/// cannot hold (decisions.md, Output form). Constants beyond the range of the type are clamped to it.
package struct ConvertPrecision: Pass {
  package static let name = "convert-precision"

  /// The type to move to; the driver's choice where it is not given.
  package var hp: HighPrecision?

  /// True where weights keep their bytes and are cast by nodes: a twin for one run then needs no copy
  /// of them.
  package var castsWeightsAtRunTime = false

  package static let options = ["hp", "weights"]

  package init() {}

  package mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    if option == "weights" {
      guard value == "stored" || value == "at-run-time" else {
        throw .optionValue(
          value, of: option, pass: Self.name, expected: "one of 'stored', 'at-run-time'")
      }
      castsWeightsAtRunTime = value == "at-run-time"
      return
    }
    guard let hp = HighPrecision(rawValue: value) else {
      throw .optionValue(
        value, of: option, pass: Self.name, expected: "one of 'bf16', 'fp16', 'fp32'")
    }
    self.hp = hp
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var names = NameSource(model.graph)
    var conversion = PrecisionConversion(
      model.graph, to: (hp ?? context.settings.hp).element,
      opset: model.opset ?? context.settings.emittedOpset(from: 0), context: context)
    conversion.castsWeightsAtRunTime = castsWeightsAtRunTime
    conversion.run(&names)
    model.graph = conversion.graph
    context.count("converted", by: conversion.convertedCount)
    context.count("casts", by: conversion.castCount)
  }
}

/// One conversion of a graph and of the bodies in it.
private struct PrecisionConversion {
  var graph: Graph
  private(set) var convertedCount = 0
  private(set) var castCount = 0
  var castsWeightsAtRunTime = false

  /// How deep the graph lies in bodies, the main graph at 1.
  private let depth: Int
  private let target: ElementType
  private let opset: Int64
  private let context: PassContext
  private let targetDomain: String
  /// The type a value had before the pass, where that is a high precision type.
  private var before: [ValueID: ElementType] = [:]
  private var casts: [CastKey: ValueID] = [:]
  private var sensitive = SensitiveNodes()
  /// The values that modules name; they stay.
  private var ports: Set<ValueID> = []
  /// The modules that a cast is a part of, by their index.
  private var modulesOfCasts: [NodeID: [Int]] = [:]

  private struct CastKey: Hashable {
    let value: ValueID
    let element: ElementType
  }

  init(
    _ graph: Graph, to target: ElementType, opset: Int64, context: PassContext, depth: Int = 1
  ) {
    self.graph = graph
    self.target = target
    self.context = context
    self.opset = opset
    self.depth = depth
    targetDomain = context.settings.target.domain
  }

  mutating func run(_ names: inout NameSource) {
    for id in graph.values {
      if let element = graph[id].type?.element, element.isHighPrecision { before[id] = element }
    }
    // float32 holds all that was there before: nothing needs to stay.
    if target != .float32 { sensitive = SensitiveNodes(graph) }
    for (index, module) in graph.modules.enumerated() {
      ports.formUnion(module.ports.compactMap(\.value) + [module.result])
      for id in module.nodes where graph[id].isStandard("Cast") {
        modulesOfCasts[id, default: []].append(index)
      }
    }
    for id in graph.nodeIDs { convert(id) }
    restoreOutputs()
    dropUnusedWeights()
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs
    where graph[id].holdsRepeatableBodies && !sensitive.holders.contains(id) {
      var node = graph[id]
      node.mapBodies { convert(&$0, &names) }
      if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
    }
  }

  /// Converts a body where all its values have a known type; what it takes and gives stays as it is.
  private mutating func convert(_ body: inout Graph, _ names: inout NameSource) {
    for value in body.values where body[value].origin == .captured && body[value].type == nil {
      if let outer = graph.value(named: body[value].name) {
        body.setType(of: value, to: graph[outer].type)
      }
    }
    guard body.values.allSatisfy({ body[$0].type != nil }) else { return }
    let before = Set(body.values.map { body[$0].name })
    var conversion = PrecisionConversion(
      body, to: target, opset: opset, context: context, depth: depth + 1)
    conversion.castsWeightsAtRunTime = castsWeightsAtRunTime
    conversion.run(&names)
    body = conversion.graph
    names.separate(&body, from: before)
    convertedCount += conversion.convertedCount
    castCount += conversion.castCount
  }

  // MARK: Nodes

  /// What becomes of a node.
  private enum Treatment {
    case keep
    case cast
    case quantize
    case dequantize
    case target
    case convert(Plan)
  }

  private func treatment(of id: NodeID) -> Treatment {
    let node = graph[id]
    if node.domain == targetDomain, TargetOperator(rawValue: node.op) != nil { return .target }
    guard !sensitive.nodes.contains(id), node.domain.isEmpty, node.bodies.isEmpty,
      !holdsOthers(node)
    else { return .keep }
    switch node.op {
    case "Cast": return .cast
    case "QuantizeLinear": return opset >= 23 ? .quantize : .keep
    case "DequantizeLinear":
      // It gives the type of its scale, float32, where it says no other.
      let isTold = target != .float32 || node.int("output_dtype") != nil
      return opset >= 23 && isTold ? .dequantize : .keep
    default: return plan(for: node).map { .convert($0) } ?? .keep
    }
  }

  /// True where an operand or result is a sequence, an option or a map: what is in those keeps its type.
  private func holdsOthers(_ node: Node) -> Bool {
    (node.inputs + node.outputs).contains { value in
      switch value.flatMap({ graph[$0].type }) {
      case .sequence?, .optional?, .map?, .opaque?: true
      case .tensor?, .untyped?, .sparse?, nil: false
      }
    }
  }

  private mutating func convert(_ id: NodeID) {
    let node = graph[id]
    switch treatment(of: id) {
    case .keep: keep(id, node)
    case .cast: convertCast(id, node)
    case .quantize: convertQuantize(id, node)
    case .dequantize: convertDequantize(id, node)
    case .target: convertTargetOperator(id, node)
    case .convert(let plan): apply(plan, to: id)
    }
  }

  private func isKept(_ id: NodeID) -> Bool {
    if case .keep = treatment(of: id) { return true }
    return false
  }

  /// The operator runs as it did: every operand gets back the type it had.
  private mutating func keep(_ id: NodeID, _ node: Node) {
    var inputs = node.inputs
    for (position, input) in inputs.enumerated() {
      guard let input, let element = before[input] else { continue }
      inputs[position] = typed(input, element, before: id)
    }
    if inputs != node.inputs { graph.update(id) { $0.inputs = inputs } }
    for name in graph.captures(of: node) {
      guard let value = graph.value(named: name), let element = before[value],
        graph[value].type?.element != element
      else { continue }
      let original = typed(value, element, before: id)
      let newName = graph[original].name
      graph.update(id) { node in
        node.mapBodies { $0.renameCapture(name, to: newName) }
      }
    }
  }

  /// Which operands and results of a standard operator take the type.
  private struct Plan {
    var inputs: [Bool]
    var outputs: [Bool]
  }

  private func plan(for node: Node) -> Plan? {
    guard
      let signature = context.settings.operators.find(
        domain: "", op: node.op, opset: opset)
    else { return nil }
    var variables: Set<String> = []
    var plan = Plan(
      inputs: Array(repeating: false, count: node.inputs.count),
      outputs: Array(repeating: false, count: node.outputs.count))
    for (position, input) in node.inputs.enumerated() {
      guard let input, before[input] != nil else { continue }
      guard let formal = signature.input(position) else { return nil }
      guard case .variable(let variable) = formal.type else { continue }
      guard signature.accepts(target, atInput: position) else { return nil }
      variables.insert(variable)
      plan.inputs[position] = true
    }
    for (position, output) in node.outputs.enumerated() {
      guard let output, before[output] != nil else { continue }
      guard let formal = signature.output(position), case .variable(let variable) = formal.type
      else { continue }
      plan.outputs[position] = variables.contains(variable)
    }
    return variables.isEmpty ? nil : plan
  }

  private mutating func apply(_ plan: Plan, to id: NodeID) {
    let node = graph[id]
    var inputs = node.inputs
    for (position, input) in inputs.enumerated() {
      guard let input, let element = before[input] else { continue }
      inputs[position] = typed(input, plan.inputs[position] ? target : element, before: id)
    }
    graph.update(id) { $0.inputs = inputs }
    for (position, output) in node.outputs.enumerated() where plan.outputs[position] {
      if let output { setElement(of: output) }
    }
    convertedCount += 1
  }

  /// A cast to a high precision type becomes one to the target's.
  ///
  /// A cast to anything else reads what there is. One that only makes a graph output, or what kept
  /// operators read, is as it should be.
  private mutating func convertCast(_ id: NodeID, _ node: Node) {
    guard let output = node.outputs.first ?? nil, before[output] != nil else {
      keep(id, node)
      return
    }
    let readers = graph.users(of: output)
    if graph.isOutput(output) ? readers.isEmpty : readers.allSatisfy({ isKept($0) }) { return }
    convertedCount += 1
    if let input = node.input(0), graph[input].type?.element == target, !graph.isOutput(output),
      !ports.contains(output)
    {
      // Both sides have the type now, so nothing is left to cast.
      graph.replaceUses(of: output, with: input)
      for index in modulesOfCasts[id] ?? [] {
        graph.updateModule(at: index) { module in module.nodes.removeAll { $0 == id } }
      }
      graph.removeNode(id)
      return
    }
    let element = target
    graph.update(id) { $0.set("to", to: .int(Int64(element.rawValue))) }
    setElement(of: output)
  }

  /// From opset 23 on the scale may be float32 beside a shorter input.
  private mutating func convertQuantize(_ id: NodeID, _ node: Node) {
    guard let input = node.input(0), before[input] != nil else {
      keep(id, node)
      return
    }
    var inputs = node.inputs
    inputs[0] = typed(input, target, before: id)
    graph.update(id) { $0.inputs = inputs }
    convertedCount += 1
  }

  private mutating func convertDequantize(_ id: NodeID, _ node: Node) {
    guard let output = node.outputs.first ?? nil, before[output] != nil else {
      keep(id, node)
      return
    }
    let element = target
    graph.update(id) { $0.set("output_dtype", to: .int(Int64(element.rawValue))) }
    setElement(of: output)
    convertedCount += 1
  }

  /// The target's operators compute in float32 inside, read any type and write the one they are told.
  private mutating func convertTargetOperator(_ id: NodeID, _ node: Node) {
    guard node.int("out_dtype") != nil else {
      // A cast reads activations as they come; its factor stays float32.
      return
    }
    let element = target
    // Scales and the bias stay float32.
    var inputs = node.inputs
    for (position, input) in inputs.enumerated().dropFirst(2) {
      if let input, before[input] != nil { inputs[position] = typed(input, .float32, before: id) }
    }
    graph.update(id) {
      $0.inputs = inputs
      $0.set("out_dtype", to: .int(Int64(element.rawValue)))
    }
    for output in node.outputs {
      if let output { setElement(of: output) }
    }
    convertedCount += 1
  }

  private mutating func setElement(of value: ValueID) {
    guard case .tensor(var type)? = graph[value].type else { return }
    type.element = target
    graph.setType(of: value, to: .tensor(type))
  }

  // MARK: Values

  /// The value in a type: itself, a weight with one more step, or a cast that is shared.
  private mutating func typed(
    _ value: ValueID, _ element: ElementType, before node: NodeID
  ) -> ValueID {
    guard graph[value].type?.element != element else { return value }
    let key = CastKey(value: value, element: element)
    if let known = casts[key] { return known }
    let made: ValueID
    if var weight = graph[value].weight, !weight.isOverridable, !castsWeightsAtRunTime {
      weight.recipe.append(.cast(element, saturates: true))
      made = graph.addWeight(
        graph.freshName("\(graph[value].name).\(element.spelling)"), weight,
        annotations: graph[value].annotations)
    } else {
      made = graph.addNode(
        Node(
          op: "Cast", inputs: [value], outputs: [],
          attributes: [Attribute("to", .int(Int64(element.rawValue)))],
          origin: graph[node].origin),
        result: "\(graph[value].name).\(element.spelling)",
        type: .tensor(TensorType(element, graph[value].type?.tensor?.shape)),
        before: firstReader(of: value, node))
      castCount += 1
    }
    casts[key] = made
    return made
  }

  /// Where a cast of the value may stand so that every later reader can share it: right behind its
  /// maker, or in front of the first node.
  private func firstReader(of value: ValueID, _ node: NodeID) -> NodeID? {
    if let producer = graph.producer(of: value) { return graph.successor(of: producer) }
    return graph.firstNode ?? node
  }

  /// Graph outputs get back the types they had, and keep their names.
  private mutating func restoreOutputs() {
    var outputs = graph.outputs
    for output in graph.outputs {
      guard let element = before[output], graph[output].type?.element != element else { continue }
      let name = graph[output].name
      let annotations = graph[output].annotations
      let spelling = graph[output].type?.element?.spelling ?? "value"
      graph.rename(output, to: graph.freshName("\(name).\(spelling)"))
      let cast = graph.addNode(
        Node(
          op: "Cast", inputs: [output], outputs: [],
          attributes: [Attribute("to", .int(Int64(element.rawValue)))]),
        result: name, type: .tensor(TensorType(element, graph[output].type?.tensor?.shape)))
      graph.describe(cast, isDescribed: false, annotations: annotations)
      castCount += 1
      for index in outputs.indices where outputs[index] == output { outputs[index] = cast }
    }
    if outputs != graph.outputs { graph.setOutputs(outputs) }
  }

  /// A weight that only its cast copy replaces gives the copy its name.
  private mutating func dropUnusedWeights() {
    for (key, copy) in casts.sorted(by: { $0.value < $1.value }) {
      guard graph[key.value].weight != nil, graph.useCount(of: key.value) == 0 else { continue }
      let name = graph[key.value].name
      for index in graph.modules.indices where ports.contains(key.value) {
        graph.updateModule(at: index) { module in
          for position in module.ports.indices where module.ports[position].value == key.value {
            module.ports[position].value = copy
          }
        }
      }
      graph.removeValue(key.value)
      graph.rename(copy, to: name)
    }
  }
}

package import IR
package import Targets

/// How a model is brought to the form in which it is compared: without calls, at one opset, with constants
/// and fused operators in one spelling.
///
/// The compiler's passes do as much before they look for modules. This is written a second time and shares
/// nothing with them, so that a fault of theirs is a difference like any other. What comes out need not run:
/// what is not understood stays as it is.
package struct PlainForm {
  let functions: [FunctionKey: Function]
  let imports: [OpsetImport]
  let operators: OperatorTable
  /// The version of the standard operators that all nodes are brought to.
  let opset: Int64
  /// The attention operators that the written model has in parts; `nil` for that model itself.
  let attentionInParts: Set<String>?
  /// The full scales that quantizers may clamp at, and the elements of a small constant of the model.
  let fullscales: [Double]
  let numbers: (Weight) -> [Double]?
  let limit: Int

  /// The most nodes that calls may become: a chain of functions that call the next one twice doubles with
  /// every link.
  package static let nodeLimit = 1_000_000

  /// The graph of a written model; `nil` where calls would become more than `limit` nodes.
  ///
  /// `fullscales` and `numbers` are those of `StructuralProof`.
  package static func ofWritten(
    _ model: Model, _ operators: OperatorTable, fullscales: [Double],
    numbers: @escaping (Weight) -> [Double]?, limit: Int = nodeLimit
  ) -> Graph? {
    PlainForm(
      model, opset: model.opset, operators, limit: limit, attentionInParts: nil,
      fullscales: fullscales, numbers: numbers
    ).graph(of: model)
  }

  /// The graph of the source of a written one, at the opset of that.
  package static func ofSource(
    _ model: Model, of written: Graph, opset: Int64?, _ operators: OperatorTable
  ) -> Graph? {
    // What is older was not raised.
    let raised = opset.flatMap { $0 >= leastRaised ? max($0, model.opset ?? 0) : nil }
    return PlainForm(
      model, opset: raised ?? model.opset, operators,
      limit: nodeLimit, attentionInParts: attentionInParts(of: written)
    ).graph(of: model)
  }

  /// The least version that models are raised to.
  private static let leastRaised: Int64 = 21

  private init(
    _ model: Model, opset: Int64?, _ operators: OperatorTable, limit: Int,
    attentionInParts: Set<String>?, fullscales: [Double] = [],
    numbers: @escaping (Weight) -> [Double]? = { _ in nil }
  ) {
    functions = Dictionary(
      model.functions.filter { !StructuralProof.wholeFunctions.contains($0.key.name) }
        .map { ($0.key, $0) }
    ) { first, _ in first }
    imports = model.opsets
    self.operators = operators
    self.opset = opset ?? 0
    self.attentionInParts = attentionInParts
    self.fullscales = fullscales
    self.numbers = numbers
    self.limit = limit
  }

  private func graph(of model: Model) -> Graph? {
    var plain = PlainGraph(model.graph, self)
    plain.run(from: model.opset ?? opset)
    return plain.isTooLarge ? nil : plain.graph
  }

  /// The names in front of those that the parts of an attention are given.
  private static func attentionInParts(of graph: Graph) -> Set<String> {
    graph.nodeIDs.reduce(into: []) { names, id in
      let node = graph[id]
      // The parts are a product each but for the softmax, whatever is around them.
      if node.op == "MatMul" || node.op == "Softmax", let place = partPlace(in: node.name.utf8) {
        names.insert(String(node.name[..<place]))
      }
      for body in node.bodies { names.formUnion(attentionInParts(of: body)) }
    }
  }

  /// Where the name of a part begins, with the two strokes in front of it.
  private static func partPlace(in name: String.UTF8View) -> String.Index? {
    var rest = name[...]
    // All that calls were written out to has such strokes, so texts are compared behind them only.
    while let stroke = rest.firstIndex(of: 0x2F) {
      rest = rest[rest.index(after: stroke)...]
      guard rest.first == 0x2F else { continue }
      let part = rest.dropFirst()
      if parts.contains(where: { part.starts(with: $0.utf8) }) { return stroke }
    }
    return nil
  }

  private static let parts = ["matmul_qk", "softmax", "matmul_av"]

  var isSource: Bool { attentionInParts != nil }

  func version(of domain: String) -> Int64? {
    domain.isEmpty ? opset : imports.version(of: domain)
  }
}

/// One graph on its way to the form in which it is compared.
struct PlainGraph {
  var graph: Graph
  let form: PlainForm
  /// The constants of the graphs around, by name.
  private let outer: [String: Weight]
  private let depth: Int
  /// Nodes from here on came with functions, and are at the form's opset.
  private let firstRaised: Int
  /// Nodes that were put in front of the one that is looked at.
  private var made: [NodeID] = []
  /// What weights became, so that what was one stays one.
  private var moved: [Moved: ValueID] = [:]
  var functionWeights: [FunctionWeight: ValueID] = [:]
  /// Those weights, which stay for the next call.
  var ofFunctions: Set<ValueID> = []
  /// The body that the last call of each function was written out from: most calls are alike.
  var calledBodies: [FunctionKey: CalledBody] = [:]
  var nodeCount = 0
  /// How often a name was asked for that was taken.
  private var asked: [String: Int] = [:]

  private struct Moved: Hashable {
    let source: ValueID
    let steps: [Weight.Step]
  }

  /// A weight of a function, which is one for all calls.
  struct FunctionWeight: Hashable {
    let key: FunctionKey
    let name: String
    let weight: Weight
  }

  /// The body of a function as one call, or several that are alike, have it.
  struct CalledBody {
    let attributes: [Attribute]
    let graph: Graph
    let nodes: [NodeID]
    /// The weights of the body in the graph that it is written to, by the value's index.
    let weights: [ValueID?]
    /// All values of the last such call there, by the same index, and the types of its operands, which are known:
    /// those of the values follow from them.
    var last: (operands: [ValueType?], values: [ValueID?])?
  }

  var isTooLarge: Bool { nodeCount > form.limit }

  init(
    _ graph: Graph, _ form: PlainForm, outer: [String: Weight] = [:], depth: Int = 1,
    nodeCount: Int = 0
  ) {
    self.graph = graph
    firstRaised = graph.nodeLimit
    self.form = form
    self.outer = outer
    self.depth = depth
    self.nodeCount = nodeCount
  }

  /// Brings the body of a function, whose types follow from no call yet, to the form's opset.
  mutating func raiseAll(from opset: Int64) {
    for id in graph.nodeIDs {
      if graph[id].hasBodies, depth < Graph.depthLimit {
        var node = graph[id]
        node.mapBodies { body in
          var inner = PlainGraph(body, form, depth: depth + 1)
          inner.raiseAll(from: opset)
          body = inner.graph
        }
        let attributes = node.attributes
        graph.update(id) { $0.attributes = attributes }
      }
      raise(id, from: opset)
    }
  }

  mutating func run(from opset: Int64) {
    reserveForCalls()
    var next = graph.firstNode
    while let id = next, !isTooLarge {
      if let function = function(calledBy: id) {
        let after = graph.successor(of: id)
        // What the call becomes may hold calls itself.
        next = writeOut(id, function) ?? after
        continue
      }
      next = graph.successor(of: id)
      visit(id, from: Int(id.index) < firstRaised ? opset : form.opset)
    }
  }

  private mutating func visit(_ id: NodeID, from opset: Int64) {
    visitBodies(of: id, from: opset)
    guard !fold(id) else { return }
    raise(id, from: opset)
    if form.isSource { takeApart(id) }
    let made = self.made
    self.made = []
    for id in made where !fold(id) { giveTypes(to: id) }
    giveTypes(to: id)
  }

  private mutating func visitBodies(of id: NodeID, from opset: Int64) {
    guard graph[id].hasBodies, depth < Graph.depthLimit else { return }
    var node = graph[id]
    let visible = graph.visibleWeights(from: node, outer: outer)
    node.mapBodies { body in
      for value in body.values where body[value].origin == .captured && body[value].type == nil {
        body.setType(
          of: value, to: graph.value(named: body[value].name).flatMap { graph[$0].type })
      }
      var inner = PlainGraph(
        body, form, outer: visible, depth: depth + 1, nodeCount: nodeCount)
      inner.run(from: opset)
      nodeCount = inner.nodeCount
      body = inner.graph
    }
    let attributes = node.attributes
    graph.update(id) { $0.attributes = attributes }
  }

  /// The types that an operator gives its results, where the model gives none.
  private mutating func giveTypes(to id: NodeID) {
    let node = graph[id]
    guard node.outputs.contains(where: { $0.map { graph[$0].type == nil } ?? false }),
      let version = form.version(of: node.domain)
    else { return }
    let types = form.operators.resultTypes(of: node, in: graph, opset: version)
    for (output, type) in zip(node.outputs, types) {
      guard let output, graph[output].type == nil else { continue }
      graph.setType(of: output, to: type)
    }
  }

  // MARK: Constants

  /// The constant that a value is, here or in a graph around.
  func constant(_ value: ValueID) -> Weight? {
    graph.weight(of: value, outer: outer).flatMap { $0.isOverridable ? nil : $0 }
  }

  /// A constant moved by steps: the same one for whoever asks.
  mutating func constant(_ source: ValueID, _ weight: Weight, _ steps: [Weight.Step]) -> ValueID {
    guard !steps.isEmpty else { return source }
    let key = Moved(source: source, steps: steps)
    if let known = moved[key], graph.contains(known) { return known }
    var copy = weight
    copy.recipe += steps
    let value = graph.addWeight(fresh(graph[source].name), copy)
    moved[key] = value
    return value
  }

  /// Lets the readers of a node that gives a constant, or what it is given, read that.
  private mutating func fold(_ id: NodeID) -> Bool {
    let node = graph[id]
    guard node.domain.isEmpty, node.outputs.count == 1, let result = node.outputs[0] else {
      return false
    }
    let reading = ConstantReading(node, node.inputs.map { $0.flatMap { constant($0) } })
    let value: ValueID
    if let weight = reading.made {
      guard graph.isOutput(result) else {
        graph.replaceNode(id, with: weight)
        return true
      }
      value = graph.addWeight(fresh(graph[result].name), weight)
    } else if let operand = node.input(0),
      node.op == "Identity" || (node.op == "Concat" && node.inputs.count == 1)
    {
      value = operand
      if !graph.isOutput(result), graph[operand].type == nil, graph[operand].origin != .captured {
        graph.setType(of: operand, to: graph[result].type)
      }
    } else if let operand = node.input(0), let weight = constant(operand),
      let steps = reading.steps(castsToo: form.isSource)
    {
      value = constant(operand, weight, steps)
    } else {
      return false
    }
    graph.replaceReaders(of: result, with: value)
    guard graph.isOutput(result) else {
      graph.removeNode(id)
      // Else the recipes of a long chain of moves would all be kept.
      if let operand = node.input(0), constant(operand) != nil, graph[operand].weight != nil,
        graph.useCount(of: operand) == 0, !ofFunctions.contains(operand)
      {
        graph.removeValue(operand)
      }
      return true
    }
    graph.update(id) { node in
      node.op = "Identity"
      node.inputs = [value]
      node.attributes = []
    }
    giveTypes(to: id)
    return true
  }

  // MARK: Building

  /// A name that no value of the graph has.
  mutating func fresh(_ base: String) -> String {
    if graph.value(named: base) == nil { return base }
    while true {
      let count = asked[base, default: 0] + 1
      asked[base] = count
      let name = "\(base).\(count)"
      if graph.value(named: name) == nil { return name }
    }
  }

  /// The result of a new node in front of another one.
  mutating func put(
    _ op: String, _ inputs: [ValueID?], _ attributes: [Attribute] = [], before id: NodeID
  ) -> ValueID {
    let name = graph.label(of: id)
    let node = Node(name: name, op: op, inputs: inputs, outputs: [], attributes: attributes)
    let added = graph.addNode(
      node, results: [(fresh("\(name)/\(op)"), nil)], before: id)
    made.append(added)
    guard let result = graph[added].outputs[0] else {
      preconditionFailure("node '\(name)' was added with one result")
    }
    return result
  }

  /// A new constant.
  mutating func put(_ weight: Weight, of id: NodeID) -> ValueID {
    graph.addWeight(fresh("\(graph.label(of: id))/constant"), weight)
  }

  mutating func put(_ integers: [Int64], of id: NodeID) -> ValueID {
    put(Weight(integers, sizes: [Int64(integers.count)]), of: id)
  }

  /// A scalar of a float type; `nil` where the type is none.
  mutating func put(_ number: Float, as element: ElementType?, of id: NodeID) -> ValueID? {
    guard let element, element.isHighPrecision else { return nil }
    var weight = Weight([number], sizes: [])
    if element != .float32 { weight.recipe.append(.cast(element)) }
    return put(weight, of: id)
  }
}

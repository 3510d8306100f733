package import IR
package import Support
internal import Targets

/// Puts the bodies of local functions that could hold modules in the places of their calls.
///
/// Every call gets its own ranges and scales that way. Before:
///
///     function "local"::Block() { graph @Block(%x) -> (%y) { %y = MatMul(%x, @w) name "product" } }
///     %a = "local"::Block(%x) name "b0"
///
/// After:
///
///     weight @"Block.w": f32[16, 16]
///     %a = MatMul(%x, @"Block.w") name "b0//product"
///
/// A weight of the function becomes one weight of the graph, however often the function is called. The
/// node's name says where it comes from: the call's, two strokes, and its own. Attributes that refer to
/// the call's are resolved. A function of an older opset is raised to the model's; one that holds no
/// operator that could be a module stays a function, and so does one that is called from a body.
package struct InlineFunctions: Pass {
  package static let name = "inline-functions"

  /// The most nodes that calls may become together: a chain of functions that call the next one twice
  /// would double with every link.
  package static let limit = 1_000_000

  /// Functions that hold no module are inlined too, in bodies as well.
  private let takesAll: Bool

  package init() { takesAll = false }

  package init(takesAll: Bool) { self.takesAll = takesAll }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    guard !model.functions.isEmpty else { return }
    if takesAll { try inlineBodies(of: &model.graph, model, context, depth: 0) }
    var inliner = try FunctionInliner(model, context, takesAll: takesAll)
    try inliner.run(on: &model.graph)
    for item in inliner.opsets where model.opsets.version(of: item.domain) == nil {
      model.opsets.append(item)
    }
    let called = Model.calledFunctions(of: model)
    model.functions.removeAll { inliner.inlined.contains($0.key) && !called.contains($0.key) }
    context.count("calls", by: inliner.count)
  }
}

extension InlineFunctions {
  private func inlineBodies(
    of graph: inout Graph, _ model: Model, _ context: PassContext, depth: Int
  ) throws(Diagnostic) {
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs where graph[id].hasBodies {
      var node = graph[id]
      try node.mapBodies { (body) throws(Diagnostic) in
        try inlineBodies(of: &body, model, context, depth: depth + 1)
        var inliner = try FunctionInliner(model, context, takesAll: takesAll)
        try inliner.run(on: &body)
      }
      graph.update(id) { $0 = node }
    }
  }
}

extension Model {
  /// The functions that the main graph calls, with those that these call.
  fileprivate static func calledFunctions(of model: Model) -> Set<FunctionKey> {
    var called: Set<FunctionKey> = []
    var pending = [model.graph]
    while let graph = pending.popLast() {
      for id in graph.nodeIDs {
        pending += graph[id].bodies
        guard let function = model.function(graph[id].functionKey),
          called.insert(function.key).inserted
        else { continue }
        pending.append(function.body)
      }
    }
    return called
  }
}

private struct FunctionInliner {
  private let functions: [FunctionKey: Function]
  private let imports: [OpsetImport]
  private let operators: OperatorTable
  private var names: NameSource
  private var nodeNames = NameSource(Graph())
  /// The weights that functions brought into the graph.
  private var weights: [FunctionKey: [String: ValueID]] = [:]
  private(set) var inlined: Set<FunctionKey> = []
  /// What the functions import that the model may not.
  private(set) var opsets: [OpsetImport] = []
  private(set) var count = 0
  private var nodeCount = 0

  init(
    _ model: Model, _ context: PassContext, takesAll: Bool
  ) throws(Diagnostic) {
    imports = model.opsets
    operators = context.settings.operators
    names = NameSource(model.graph)
    let all = Dictionary(model.functions.map { ($0.key, $0) }) { first, _ in first }
    var chosen: [FunctionKey: Function] = [:]
    let roots = Set(Spellings.all.flatMap(\.roots).filter { $0 != OperatorName("Add") })
    var known: [FunctionKey: Bool] = [:]
    let raiser = OpsetRaiser(
      target: model.opset ?? 0, operators: context.settings.operators,
      opsets: try OpsetTable.embedded(), functions: Set(all.keys))
    for function in model.functions {
      let isChosen =
        takesAll
        || FunctionInliner.holdsModule(function, all, roots, &known, depth: 1)
      guard isChosen else { continue }
      var function = function
      if let version = function.opsets.version(of: ""), let opset = model.opset, version != opset {
        guard version < opset else { continue }
        var copy = raiser
        try copy.raise(&function.body, from: version)
      }
      chosen[function.key] = function
    }
    functions = chosen
  }

  /// True where the body, or that of a function it calls, ends a spelling.
  private static func holdsModule(
    _ function: Function, _ all: [FunctionKey: Function], _ roots: Set<OperatorName>,
    _ known: inout [FunctionKey: Bool], depth: Int
  ) -> Bool {
    if let answer = known[function.key] { return answer }
    known[function.key] = false
    var pending = [function.body]
    var answer = false
    while let graph = pending.popLast(), !answer {
      for id in graph.nodeIDs {
        let node = graph[id]
        pending += node.bodies
        if roots.contains(OperatorName(node.op, domain: node.domain)) { answer = true }
        if let called = all[node.functionKey], depth < Graph.depthLimit,
          holdsModule(called, all, roots, &known, depth: depth + 1)
        {
          answer = true
        }
      }
    }
    known[function.key] = answer
    return answer
  }

  mutating func run(on graph: inout Graph) throws(Diagnostic) {
    var next = graph.firstNode
    while let id = next {
      guard let function = functions[graph[id].functionKey] else {
        next = graph.successor(of: id)
        continue
      }
      // What the call becomes may hold calls itself: go on with the first of it.
      let first = try expand(id, function, in: &graph)
      next = first ?? next
    }
  }

  /// Replaces one call; gives the node to go on with.
  private mutating func expand(
    _ id: NodeID, _ function: Function, in graph: inout Graph
  ) throws(Diagnostic) -> NodeID? {
    let call = graph[id]
    let body = function.body
    nodeCount += body.nodeCount
    guard nodeCount <= InlineFunctions.limit else {
      throw .inlinedTooMuch(function.key.name, limit: InlineFunctions.limit)
    }
    inlined.insert(function.key)
    count += 1
    for item in function.opsets where opsets.version(of: item.domain) == nil {
      opsets.append(item)
    }
    let place = call.name.isEmpty ? graph.label(of: id) : call.name
    var values: [ValueID: ValueID?] = [:]
    for (index, formal) in body.inputs.enumerated() { values[formal] = call.input(index) }
    addWeights(of: function, to: &graph, &values)
    var renamed: [String: String] = [:]
    for (formal, actual) in values {
      if let actual { renamed[body[formal].name] = graph[actual].name }
    }
    var arguments: [String: AttributeValue] = [:]
    for item in function.defaults { arguments[item.name] = item.value }
    for item in call.attributes { arguments[item.name] = item.value }
    var first: NodeID?
    for inner in body.nodeIDs {
      var node = body[inner]
      node.resolve(arguments)
      node.mapBodies { $0.follow(renamed) }
      let gaps = node.inputs.count { $0 == nil }
      node.inputs = node.inputs.map { $0.flatMap { values[$0] ?? nil } }
      if node.inputs.count(where: { $0 == nil }) > gaps,
        let opset = imports.version(of: node.domain)
      {
        // What the call leaves out, the body may not do without.
        try operators.find(domain: node.domain, op: node.op, opset: opset)?
          .check(node, at: graph.location(of: id))
      }
      node.name = nodeNames.fresh("\(place)//\(node.name.isEmpty ? "/\(node.op)" : node.name)")
      node.origin = node.name
      let results = node.outputs.map { output -> (name: String, type: ValueType?)? in
        output.map { (names.fresh("\(place)//\(body[$0].name)"), body[$0].type) }
      }
      let added = graph.addNode(node, results: results, before: id)
      first = first ?? added
      for (old, new) in zip(node.outputs, graph[added].outputs) {
        guard let old, let new else { continue }
        values[old] = new
        renamed[body[old].name] = graph[new].name
      }
    }
    try connect(call, id, to: body, values, in: &graph)
    let after = graph.successor(of: id)
    graph.removeNode(id)
    return first ?? after
  }

  /// The function's weights, once for all of its calls.
  private mutating func addWeights(
    of function: Function, to graph: inout Graph, _ values: inout [ValueID: ValueID?]
  ) {
    let body = function.body
    var known = weights[function.key] ?? [:]
    for value in body.weights {
      guard let weight = body[value].weight else { continue }
      let name = body[value].name
      let id =
        known[name]
        ?? graph.addWeight(
          names.fresh("\(function.key.name).\(name)"), weight, annotations: body[value].annotations)
      known[name] = id
      values[value] = id
    }
    weights[function.key] = known
  }

  /// Lets what read the call's results read those of the body.
  private mutating func connect(
    _ call: Node, _ id: NodeID, to body: Graph, _ values: [ValueID: ValueID?],
    in graph: inout Graph
  ) throws(Diagnostic) {
    for (index, output) in call.outputs.enumerated() {
      guard let output else { continue }
      guard let value = values[body.outputs[index]] ?? nil else {
        throw .resultLeftOut(graph[output].name, at: graph.location(of: id))
      }
      // An output that is an operand of the call, or that is given twice, needs a value of its own.
      let isMade = body.producer(of: body.outputs[index]) != nil
      let isShared = body.outputs[..<index].contains(body.outputs[index])
      if graph.isOutput(output), !isMade || isShared || graph.isOutput(value) {
        let copy = graph.addNode(
          Node(op: "Identity", inputs: [value], outputs: [], origin: graph.label(of: id)),
          result: names.fresh("\(graph[output].name).copy"), type: graph[value].type, before: id)
        graph.replaceUses(of: output, with: copy)
      } else {
        if graph[value].type == nil { graph.setType(of: value, to: graph[output].type) }
        graph.replaceUses(of: output, with: value)
      }
    }
  }
}

extension Node {
  /// Puts a call's attributes in the places of references to them, in bodies too; what the call leaves out
  /// is left out.
  fileprivate mutating func resolve(_ arguments: [String: AttributeValue], depth: Int = 1) {
    attributes = attributes.compactMap { attribute in
      guard case .reference(let name, _) = attribute.value else { return attribute }
      return arguments[name].map { Attribute(attribute.name, $0, docString: attribute.docString) }
    }
    guard depth < Graph.depthLimit else { return }
    mapBodies { body in
      for id in body.nodeIDs {
        var node = body[id]
        node.resolve(arguments, depth: depth + 1)
        if node != body[id] { body.update(id) { $0.attributes = node.attributes } }
      }
    }
  }
}

extension Graph {
  /// Lets a body take the values of the graph that its function's body went into.
  fileprivate mutating func follow(_ renamed: [String: String]) {
    let captured = values.filter { self[$0].origin == .captured }.map { self[$0].name }
    let moves = captured.enumerated().compactMap { index, name in
      renamed[name].map { (old: name, between: freshName("fp8c.capture.\(index)"), new: $0) }
    }
    // In two steps, since a new name may be another's old one.
    for move in moves { renameCapture(move.old, to: move.between) }
    for move in moves { renameCapture(move.between, to: move.new) }
  }
}

package import IR
package import Support
internal import Targets

/// Gives values without a type the element type that their operator gives them.
///
/// Before:
///
///     %h = MatMul(%x, @w)
///     %y = Cast(%h) {to = 7}
///
/// After:
///
///     %h = MatMul(%x, @w) : f32[?]…
///     %y = Cast(%h) {to = 7} : i64[?]…
///
/// Types come from the table of operator signatures (`schemas/operators.json`). Types that the model
/// gives stay as they are; shapes are never inferred. Operands and results that an operator declares to be
/// of one type, and are of two, are an error. What bodies capture has the type that it has
/// outside; a call has the types of its function's body for the types of its operands. Operators that
/// no table knows leave their results without a type.
package struct InferTypes: Pass {
  package static let name = "infer-types"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var inference = TypeInference(
      functions: model.functions, operators: context.settings.operators)
    try inference.infer(in: &model.graph, opsets: model.opsets)
    context.count("types", by: inference.count)
  }
}

/// One inference over a model; the verifier bounds how deep bodies and calls nest.
private struct TypeInference {
  private let functions: [FunctionKey: Function]
  private let operators: OperatorTable
  /// What a call gave before, so that calls of calls take linear time.
  private var known: [Call: [ValueType?]] = [:]
  private(set) var count = 0

  private struct Call: Hashable {
    let key: FunctionKey
    let operands: [ValueType?]
  }

  init(functions: [Function], operators: OperatorTable) {
    self.functions = Dictionary(functions.map { ($0.key, $0) }) { first, _ in first }
    self.operators = operators
  }

  mutating func infer(in graph: inout Graph, opsets: [OpsetImport]) throws(Diagnostic) {
    for id in graph.nodeIDs {
      let node = graph[id]
      if !node.bodies.isEmpty { try inferBodies(of: id, in: &graph, opsets) }
      try operators.checkTypes(of: node, in: graph, opsets, at: graph.location(of: id))
      guard node.outputs.contains(where: { $0.map { graph[$0].type == nil } ?? false }) else {
        continue
      }
      for (output, type) in zip(node.outputs, try results(of: graph[id], in: graph, opsets)) {
        guard let output, let type, graph[output].type == nil else { continue }
        graph.setType(of: output, to: type)
        count += 1
      }
    }
  }

  private mutating func inferBodies(
    of id: NodeID, in graph: inout Graph, _ opsets: [OpsetImport]
  ) throws(Diagnostic) {
    var node = graph[id]
    let outer = graph
    try node.mapBodies { (body) throws(Diagnostic) in
      for value in body.values where body[value].origin == .captured && body[value].type == nil {
        let type = outer.value(named: body[value].name).flatMap { outer[$0].type }
        body.setType(of: value, to: type)
      }
      try infer(in: &body, opsets: opsets)
    }
    if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
  }

  private mutating func results(
    of node: Node, in graph: Graph, _ opsets: [OpsetImport]
  ) throws(Diagnostic) -> [ValueType?] {
    guard let function = functions[node.functionKey] else {
      guard let version = opsets.version(of: node.domain) else { return [] }
      return operators.resultTypes(of: node, in: graph, opset: version)
    }
    let operands = node.inputs.map { input in
      input.flatMap { graph[$0].type?.element }.map { ValueType.tensor(TensorType($0, nil)) }
    }
    let call = Call(key: node.functionKey, operands: operands)
    if let result = known[call] { return result }
    var body = function.body
    for (formal, type) in zip(body.inputs, operands) { body.setType(of: formal, to: type) }
    let before = count
    try infer(in: &body, opsets: function.opsets)
    count = before
    let result = body.outputs.map { body[$0].type }
    known[call] = result
    return result
  }
}

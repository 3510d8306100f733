package import IR
package import Support
package import Targets

/// Refuses nodes that are not as the standard declares their operators, wherever in a model they stand.
///
/// This is what the checker of ONNX asks of the domains that it knows; operators of others, and those that a
/// function of the model defines, are not judged.
package struct OperatorCheck {
  /// The domains whose operators are all in the table.
  private static let closedDomains: Set<String> = ["", "ai.onnx.ml"]

  private let operators: OperatorTable

  package init(_ operators: OperatorTable) { self.operators = operators }

  package func check(_ model: Model) throws(Diagnostic) {
    let functions = Set(model.functions.map(\.key))
    try check(model.graph, model.opsets, functions)
    for function in model.functions { try check(function.body, function.opsets, functions) }
  }

  private func check(
    _ graph: Graph, _ opsets: [OpsetImport], _ functions: Set<FunctionKey>
  ) throws(Diagnostic) {
    for id in graph.nodeIDs {
      let node = graph[id]
      if OperatorCheck.closedDomains.contains(node.domain), !functions.contains(node.functionKey),
        let version = opsets.version(of: node.domain)
      {
        let location = graph.location(of: id)
        let signature: OperatorSignature
        do throws(Diagnostic) {
          signature = try operators.signature(domain: node.domain, op: node.op, opset: version)
        } catch {
          throw error.atNode(graph.label(of: id))
        }
        try signature.check(node, at: location)
      }
      for body in node.bodies { try check(body, opsets, functions) }
    }
  }
}

package import IR
package import Support
internal import Targets

/// Lets collectives give back what they get, so that one rank can run alone.
///
/// Before:
///
///     %s = "com.microsoft"::AllReduce(%p) : f32[2, 8]
///
/// After:
///
///     %s = Identity(%p) : f32[2, 8]
///
/// For measuring only: the sum over one rank is the rank's own (decisions.md, Measuring). Which operators
/// are collectives the target's description says.
package struct EraseCollectives: Pass {
  package static let name = "erase-collectives"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    let collectives = Set(context.settings.target.collectives)
    var count = 0
    model.graph.mapAll { graph in
      for id in graph.nodeIDs {
        let node = graph[id]
        guard collectives.contains(OperatorName(node.op, domain: node.domain)),
          node.outputs.count == 1, node.input(0) != nil
        else { continue }
        graph.update(id) { node in
          node.op = "Identity"
          node.domain = ""
          node.overload = ""
          node.inputs = Array(node.inputs.prefix(1))
          node.attributes = []
        }
        count += 1
      }
    }
    context.count("collectives", by: count)
  }
}

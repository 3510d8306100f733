package import IR
internal import Support

/// What every module costs, for Model Explorer to colour the nodes of the written model by.
///
/// The format is that of its custom node data (`node_data_builder.py` of ai-edge-model-explorer 0.1.34): for
/// each graph the values by the identifiers of nodes, here decibels. Its adapter for ONNX
/// (model-explorer-onnx 0.4.2) identifies a node by its name; those without one, which lowering adds beside
/// the module's own, get none.
package struct NodeData {
  package let text: String

  /// `graph` is that of the written model, whose nodes say their modules.
  package init(_ graph: Graph, costs: [ModuleCost]) {
    let decibels = Dictionary(costs.map { ($0.path, $0.total) }) { first, _ in first }
    var results: [JSON.Member] = []
    var names: Set<String> = []
    for id in graph.nodeIDs {
      let node = graph[id]
      guard !node.name.isEmpty,
        let module = node.annotations.metadata.first(where: { $0.key == Metadata.module })?.value,
        // Without an error there is nothing to colour by.
        let value = decibels[module], value.isFinite, names.insert(node.name).inserted
      else { continue }
      let rounded = (value * 10).rounded() / 10
      results.append(JSON.Member(node.name, .object(["value": .number(rounded)])))
    }
    let gradient = NodeData.gradient.map { stop, color in
      JSON.object(["stop": .number(stop), "bgColor": .string(color)])
    }
    let data = JSON.object([
      "results": .object(results), "name": .string("SQNR in dB"), "gradient": .array(gradient),
    ])
    text = JSON.object([JSON.Member(graph.name, data)]).text(indent: 2) + "\n"
  }

  /// From the least ratio to the largest: red, yellow, green.
  private static let gradient: KeyValuePairs = [0.0: "#d73027", 0.5: "#fee08b", 1.0: "#66bd63"]
}

/// What changed from one model to another, in words.
///
/// Weights and results are told apart by their names, modules by their paths. The models are equal where
/// their texts are; what no line puts into words is said as the first line of text that differs.
package struct ModelDifference {
  /// One change a line, in the order of the graphs.
  package private(set) var lines: [String] = []

  private var old: Writer
  private var new: Writer

  /// `digests` says what stands in the ranges of the two models' files.
  package init(
    from old: Model, to new: Model,
    digests: (old: [StoredRange: String], new: [StoredRange: String]) = ([:], [:])
  ) {
    self.old = Writer(elides: true, digests: digests.old)
    self.new = Writer(elides: true, digests: digests.new)
    let texts = (
      Printer(elide: true, digests: digests.old).text(of: old),
      Printer(elide: true, digests: digests.new).text(of: new)
    )
    guard texts.0 != texts.1 else { return }
    compareHeaders(old, new)
    compareFunctions(old, new)
    compare(old.graph, new.graph, in: "")
    guard lines.isEmpty else { return }
    let pairs = zip(texts.0.split(separator: "\n"), texts.1.split(separator: "\n"))
    if let (first, second) = pairs.first(where: { $0 != $1 }) {
      lines.append("text: '\(first)' -> '\(second)'")
    } else {
      lines.append("text: one is longer")
    }
  }

  // MARK: The model around its graph

  private mutating func compareHeaders(_ old: Model, _ new: Model) {
    note("IR version", String(old.irVersion), String(new.irVersion))
    note("producer", producer(old), producer(new))
    note("domain", old.domain, new.domain)
    note("model version", number(old.modelVersion), number(new.modelVersion))
    note("doc string", old.annotations.docString, new.annotations.docString)
    note("metadata", text(old.annotations.metadata), text(new.annotations.metadata))
    let domains = merged(old.opsets.map(\.domain), new.opsets.map(\.domain))
    for domain in domains {
      note(
        "opset '\(domain)'", number(old.opsets.version(of: domain)),
        number(new.opsets.version(of: domain)))
    }
  }

  private func producer(_ model: Model) -> String {
    "\(model.producerName) \(model.producerVersion)"
  }

  private func number(_ value: Int64?) -> String { value.map(String.init) ?? "none" }

  private func text(_ metadata: [Metadata]) -> String {
    metadata.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
  }

  private mutating func compareFunctions(_ old: Model, _ new: Model) {
    for key in merged(old.functions.map(\.key), new.functions.map(\.key)) {
      let name = "function '\(key.name)' of '\(key.domain)'"
      switch (old.function(key), new.function(key)) {
      case (let first?, let second?): compare(first.body, second.body, in: "\(name): ")
      case (nil, _?): lines.append("\(name): added")
      case (_, nil): lines.append("\(name): removed")
      }
    }
  }

  // MARK: Graphs

  private mutating func compare(_ old: Graph, _ new: Graph, in place: String) {
    let before = lines.count
    self.old.enter(old)
    self.new.enter(new)
    note(
      "\(place)inputs", names(old.inputs, of: old), names(new.inputs, of: new))
    note(
      "\(place)outputs", names(old.outputs, of: old), names(new.outputs, of: new))
    compareInputs(old, new, in: place)
    compareModules(old, new, in: place)
    compareWeights(old, new, in: place)
    compareNodes(old, new, in: place)
    self.old.leave()
    self.new.leave()
    if lines.count == before, order(of: old) != order(of: new) {
      lines.append("\(place)operators stand in another order")
    }
  }

  private func order(of graph: Graph) -> [String] { graph.nodeIDs.map { key(of: $0, in: graph) } }

  private func names(_ values: [ValueID], of graph: Graph) -> String {
    values.map { graph[$0].name }.joined(separator: ", ")
  }

  private mutating func compareInputs(_ old: Graph, _ new: Graph, in place: String) {
    for id in old.inputs {
      let name = old[id].name
      guard let other = new.value(named: name), new.inputs.contains(other) else { continue }
      note("\(place)input '\(name)': type", type(of: id, in: old), type(of: other, in: new))
    }
  }

  private func type(of id: ValueID, in graph: Graph) -> String {
    graph[id].type.map { old.text($0) } ?? "unknown"
  }

  // MARK: Modules

  private mutating func compareModules(_ old: Graph, _ new: Graph, in place: String) {
    let (first, second) = (byPath(old), byPath(new))
    for path in merged(old.modules.map(\.path), new.modules.map(\.path)) {
      let name = "\(place)module '\(path)'"
      switch (first[path], second[path]) {
      case (let first?, let second?):
        note("\(name): kind", first.kind, second.kind)
        note("\(name): type", first.type, second.type)
        note("\(name): evidence", first.evidence.rawValue, second.evidence.rawValue)
        compare(first, second, name)
      case (nil, let added?): lines.append("\(name) (\(added.kind)): added")
      case (let removed?, nil): lines.append("\(name) (\(removed.kind)): removed")
      case (nil, nil): break
      }
    }
  }

  private func byPath(_ graph: Graph) -> [String: QuantizedModule] {
    Dictionary(graph.modules.map { ($0.path, $0) }) { first, _ in first }
  }

  private mutating func compare(
    _ first: QuantizedModule, _ second: QuantizedModule, _ name: String
  ) {
    for port in merged(first.ports.map(\.name), second.ports.map(\.name)) {
      let place = "\(name): port '\(port)'"
      guard let left = first.port(port) else {
        lines.append("\(place): added")
        continue
      }
      guard let right = second.port(port) else {
        lines.append("\(place): removed")
        continue
      }
      note("\(place): range", list(left.maxAbs), list(right.maxAbs))
      note("\(place): scale", text(left.scale), text(right.scale))
      note("\(place): axis", axis(left.channelAxis), axis(right.channelAxis))
      note("\(place): value", value(left, old), value(right, new))
    }
  }

  private func list(_ values: [Float]?) -> String {
    values.map { $0.count == 1 ? FloatText.text($0[0]) : old.list($0) } ?? "none"
  }

  private func text(_ scale: Scale?) -> String {
    scale.map { String(old.text($0).dropFirst("scale ".count)) } ?? "none"
  }

  private func axis(_ axis: Int?) -> String { axis.map { String($0) } ?? "none" }

  private func value(_ port: Port, _ writer: Writer) -> String {
    port.value.map { writer.name($0) } ?? "none"
  }

  // MARK: Weights

  private mutating func compareWeights(_ old: Graph, _ new: Graph, in place: String) {
    for name in merged(weights(of: old), weights(of: new)) {
      let label = "\(place)weight '\(name)'"
      let first = old.value(named: name).flatMap { old[$0].weight }
      let second = new.value(named: name).flatMap { new[$0].weight }
      switch (first, second) {
      case (let first?, let second?):
        let texts = (self.old.text(first), self.new.text(second))
        guard texts.0 != texts.1 else { continue }
        let types = (self.old.text(first.type()), self.new.text(second.type()))
        if types.0 != types.1 {
          lines.append("\(label): \(types.0) -> \(types.1)")
        } else if case .literal = first.source, case .literal = second.source {
          lines.append("\(label): \(texts.0) -> \(texts.1)")
        } else if first.recipe != second.recipe {
          lines.append("\(label): \(recipe(first)) -> \(recipe(second))")
        } else {
          lines.append("\(label): other elements (\(types.0))")
        }
      case (nil, let added?): lines.append("\(label) (\(self.new.text(added.type()))): added")
      case (let removed?, nil):
        lines.append("\(label) (\(self.old.text(removed.type()))): removed")
      case (nil, nil): break
      }
    }
  }

  private func weights(of graph: Graph) -> [String] { graph.weights.map { graph[$0].name } }

  private func recipe(_ weight: Weight) -> String {
    let steps = weight.recipe.map { old.text($0) }
    return steps.isEmpty ? "as stored" : steps.joined(separator: ", ")
  }

  // MARK: Nodes

  /// What tells a node apart: its first result, or its name where it has none.
  private func key(of id: NodeID, in graph: Graph) -> String {
    graph[id].outputs.compactMap { $0 }.first.map { graph[$0].name } ?? graph.label(of: id)
  }

  private mutating func compareNodes(_ old: Graph, _ new: Graph, in place: String) {
    let first = Dictionary(old.nodeIDs.map { (key(of: $0, in: old), $0) }) { first, _ in first }
    let second = Dictionary(new.nodeIDs.map { (key(of: $0, in: new), $0) }) { first, _ in first }
    for name in merged(order(of: old), order(of: new)) {
      let label = "\(place)operator '\(name)'"
      switch (first[name], second[name]) {
      case (let left?, let right?): compare(left, right, label)
      case (nil, let added?): lines.append("\(label) (\(new[added].op)): added")
      case (let removed?, nil): lines.append("\(label) (\(old[removed].op)): removed")
      case (nil, nil): break
      }
    }
  }

  private mutating func compare(_ left: NodeID, _ right: NodeID, _ label: String) {
    let (first, second) = (old.graph[left], new.graph[right])
    note(label, op(first), op(second))
    note("\(label): reads", operands(first.inputs, old), operands(second.inputs, new))
    note("\(label): gives", operands(first.outputs, old), operands(second.outputs, new))
    for name in merged(first.attributes.map(\.name), second.attributes.map(\.name)) {
      let values = (first[attribute: name], second[attribute: name])
      if case (.graph(let left)?, .graph(let right)?) = values {
        compare(left, right, in: "\(label): \(name): ")
        continue
      }
      note(
        "\(label): attribute '\(name)'", values.0.map { old.text($0) } ?? "none",
        values.1.map { new.text($0) } ?? "none")
    }
    for (index, pair) in zip(first.outputs, second.outputs).enumerated() {
      guard let before = pair.0, let after = pair.1 else { continue }
      note(
        "\(label): type" + (index == 0 ? "" : " of result \(index)"),
        type(of: before, in: old.graph), type(of: after, in: new.graph))
    }
    note("\(label): name", first.name, second.name)
    note(
      "\(label): metadata", text(first.annotations.metadata), text(second.annotations.metadata))
    note("\(label): doc string", first.annotations.docString, second.annotations.docString)
  }

  private func op(_ node: Node) -> String {
    node.domain.isEmpty ? node.op : "\(node.domain)::\(node.op)"
  }

  private func operands(_ values: [ValueID?], _ writer: Writer) -> String {
    "(\(values.map { $0.map { writer.name($0) } ?? "_" }.joined(separator: ", ")))"
  }

  // MARK: Lines

  private mutating func note(_ what: String, _ old: String, _ new: String) {
    guard old != new else { return }
    lines.append("\(what): \(old.isEmpty ? "none" : old) -> \(new.isEmpty ? "none" : new)")
  }

  /// All of the first in their order, then what only the second has.
  private func merged<Name: Hashable>(_ first: [Name], _ second: [Name]) -> [Name] {
    var seen: Set<Name> = []
    return (first + second).filter { seen.insert($0).inserted }
  }
}

/// Writes a model as IR text; reading that text gives an equal model.
///
/// `elide` shortens long lists for people, and `digests` says what stands in a range of a file instead
/// of where it lies; such text cannot be read back.
package struct Printer: Sendable {
  private let elides: Bool
  private let digests: [StoredRange: String]

  package init(elide: Bool = false, digests: [StoredRange: String] = [:]) {
    elides = elide
    self.digests = digests
  }

  package func text(of model: Model) -> String {
    var writer = Writer(elides: elides, digests: digests)
    writer.write(model)
    return writer.text
  }

  /// One weight: its type, what is stored and the steps of its recipe.
  package func text(of weight: Weight) -> String {
    Writer(elides: elides, digests: digests).text(weight)
  }

  /// One graph without the model around it.
  package func text(of graph: Graph) -> String {
    var writer = Writer(elides: elides, digests: digests)
    writer.line(writer.text(graph))
    return writer.text
  }
}

extension Model {
  /// The model as IR text, complete.
  package var text: String { Printer().text(of: self) }
}

/// The text so far, and where in it we are.
struct Writer {
  let elides: Bool
  let digests: [StoredRange: String]
  private(set) var text = ""
  private var indentation = ""
  /// The graphs around the one that is written, outermost first.
  private var scopes: [Graph] = []

  init(elides: Bool, digests: [StoredRange: String] = [:]) {
    self.elides = elides
    self.digests = digests
  }

  mutating func line(_ content: String) { text += indentation + content + "\n" }

  // MARK: Model and functions

  mutating func write(_ model: Model) {
    if needsHeader(model) {
      line("model {")
      line("  ir \(model.irVersion)")
      for opset in model.opsets { line("  " + text(opset)) }
      if !model.producerName.isEmpty || !model.producerVersion.isEmpty {
        line("  producer \(quoted(model.producerName)) \(quoted(model.producerVersion))")
      }
      if !model.domain.isEmpty { line("  domain \(quoted(model.domain))") }
      if let version = model.modelVersion { line("  version \(version)") }
      for detail in details(model.annotations) { line("  " + detail) }
      if !model.carried.isEmpty { line("  carried \(Spelling.bytes(model.carried))") }
      line("}")
    }
    for function in model.functions { write(function) }
    line(text(model.graph))
  }

  private func needsHeader(_ model: Model) -> Bool {
    var bare = Model(graph: model.graph, functions: model.functions)
    bare.graph = model.graph
    return bare.irVersion != model.irVersion || bare.opsets != model.opsets
      || !model.producerName.isEmpty || !model.producerVersion.isEmpty || !model.domain.isEmpty
      || model.modelVersion != nil || !model.annotations.isEmpty || !model.carried.isEmpty
  }

  private func text(_ opset: OpsetImport) -> String {
    "opset \(quoted(opset.domain)) \(opset.version)"
  }

  private mutating func write(_ function: Function) {
    let key = function.key
    var head = "function \(quoted(key.domain))::\(Spelling.word(key.name))"
    if !key.overload.isEmpty { head += "::\(quoted(key.overload))" }
    let names = function.attributes.map(Spelling.word)
    let attributes = names + function.defaults.map { text($0) }
    line("\(head)(\(attributes.joined(separator: ", "))) {")
    indentation += "  "
    for opset in function.opsets { line(text(opset)) }
    for detail in details(function.annotations) { line(detail) }
    line(text(function.body))
    indentation.removeLast(2)
    line("}")
  }

  // MARK: Graphs

  /// The graph without the indentation of its first line and without the end of its last one.
  mutating func text(_ graph: Graph) -> String {
    var inner = self
    inner.text = ""
    inner.indentation += "  "
    inner.scopes.append(graph)
    let inputs = graph.inputs.map { inner.input($0, of: graph) }.joined(separator: ", ")
    let outputs = graph.outputs.map { inner.name($0) }.joined(separator: ", ")
    let head =
      (["graph \(Spelling.graph(graph.name))(\(inputs)) -> (\(outputs))"]
      + details(graph.annotations) + ["{\n"]).joined(separator: " ")
    let listed = graph.inputs.filter { graph[$0].weight != nil }
    let isListed = Set(listed)
    for id in listed + graph.weights.filter({ !isListed.contains($0) }) { inner.writeWeight(id) }
    for id in graph.nodeIDs { inner.write(graph[id]) }
    for module in graph.modules { inner.write(module) }
    return head + inner.text + indentation + "}"
  }

  /// The graph that is written.
  var graph: Graph { scopes[scopes.count - 1] }

  /// Goes on with a graph inside the one that is written.
  mutating func enter(_ graph: Graph) { scopes.append(graph) }

  mutating func leave() { scopes.removeLast() }

  /// The name behind its sign.
  ///
  /// A captured value has the sign that it has where it is defined.
  func name(_ id: ValueID) -> String {
    let value = graph[id]
    var isWeight = value.weight != nil
    if value.origin == .captured {
      for outer in scopes.dropLast().reversed() {
        guard let known = outer.value(named: value.name) else { break }
        isWeight = outer[known].weight != nil
        if outer[known].origin != .captured { break }
      }
    }
    return Spelling.value(value.name, isWeight: isWeight)
  }

  private func input(_ id: ValueID, of graph: Graph) -> String {
    let value = graph[id]
    guard value.weight == nil else { return name(id) }
    let type = value.type.map { ": \(text($0))" } ?? ""
    return name(id) + type + parenthesized(details(of: value))
  }

  private mutating func writeWeight(_ id: ValueID) {
    let value = graph[id]
    guard let weight = value.weight else { return }
    let flags = weight.isOverridable ? ["overridable"] : []
    line("weight \(name(id)): \(text(weight))" + parenthesized(flags + details(of: value)))
  }

  private mutating func write(_ node: Node) {
    var text = "run "
    if !node.outputs.isEmpty {
      text = node.outputs.map { $0.map { name($0) } ?? "_" }.joined(separator: ", ") + " = "
    }
    if !node.domain.isEmpty || !node.overload.isEmpty { text += quoted(node.domain) + "::" }
    text += Spelling.word(node.op)
    if !node.overload.isEmpty { text += "::" + quoted(node.overload) }
    let operands = node.inputs.map { $0.map { name($0) } ?? "_" }
    text += "(\(operands.joined(separator: ", ")))"
    if !node.attributes.isEmpty {
      text += " {\(node.attributes.map { self.text($0) }.joined(separator: ", "))}"
    }
    let types = node.outputs.map { output -> String in
      guard let output else { return "?" }
      let value = graph[output]
      return (value.type.map { self.text($0) } ?? "?") + parenthesized(details(of: value))
    }
    if types.contains(where: { $0 != "?" }) { text += " : \(types.joined(separator: ", "))" }
    if !node.name.isEmpty { text += " name \(quoted(node.name))" }
    if node.origin != node.name { text += " origin \(quoted(node.origin))" }
    line(([text] + details(node.annotations)).joined(separator: " "))
  }

  // MARK: Modules

  private mutating func write(_ module: QuantizedModule) {
    let ports = module.ports.map(text).joined(separator: ", ")
    var values = module.nodes.dropLast().compactMap { id in
      graph.contains(id) ? graph[id].outputs.compactMap { $0 }.first : nil
    }
    values.append(module.result)
    line(
      "module \(Spelling.word(module.kind)) \(quoted(module.path)) \(Spelling.word(module.type))"
        + " by \(module.evidence.rawValue) (\(ports)) = "
        + values.map { name($0) }.joined(separator: ", "))
  }

  private func text(_ port: Port) -> String {
    let value = port.value.map { name($0) } ?? "_"
    var text = "\(Spelling.word(port.name)): \(port.role.rawValue) \(value)"
    if let axis = port.channelAxis { text += " axis \(axis)" }
    if let maxAbs = port.maxAbs {
      text += " maxabs " + (maxAbs.count == 1 ? FloatText.text(maxAbs[0]) : list(maxAbs))
    }
    if let scale = port.scale { text += " " + self.text(scale) }
    return text
  }
}

/// One operator application.
///
/// A value of Swift in one word: a copy shares its parts until one of them is changed, as graphs of many
/// thousand nodes are copied, compared and walked all the time.
package struct Node: Equatable, Sendable {
  /// One element, which an array shares between copies and copies before one of them is changed.
  private var parts: [Parts]

  package init(
    name: String = "", op: String, domain: String = "", overload: String = "",
    inputs: [ValueID?], outputs: [ValueID?], attributes: [Attribute] = [],
    annotations: Annotations = Annotations(), origin: String? = nil
  ) {
    parts = [
      Parts(
        op: op, inputs: inputs, outputs: outputs, name: name, domain: domain, overload: overload,
        attributes: attributes, annotations: annotations, origin: origin ?? name)
    ]
  }

  package var name: String {
    _read { yield parts[0].name }
    _modify { yield &parts[0].name }
  }

  package var op: String {
    _read { yield parts[0].op }
    _modify { yield &parts[0].op }
  }

  /// Empty for the standard operators, however the file spells that domain.
  package var domain: String {
    _read { yield parts[0].domain }
    _modify { yield &parts[0].domain }
  }

  /// Tells apart local functions of one name.
  package var overload: String {
    _read { yield parts[0].overload }
    _modify { yield &parts[0].overload }
  }

  /// `nil` where an optional input is left out.
  package var inputs: [ValueID?] {
    _read { yield parts[0].inputs }
    _modify { yield &parts[0].inputs }
  }

  package var outputs: [ValueID?] {
    _read { yield parts[0].outputs }
    _modify { yield &parts[0].outputs }
  }

  package var attributes: [Attribute] {
    _read { yield parts[0].attributes }
    _modify { yield &parts[0].attributes }
  }

  package var annotations: Annotations {
    _read { yield parts[0].annotations }
    _modify { yield &parts[0].annotations }
  }

  /// The name of the source's node this one came from, for diagnostics and tables.
  package var origin: String {
    _read { yield parts[0].origin }
    _modify { yield &parts[0].origin }
  }

  package subscript(attribute name: String) -> AttributeValue? {
    attributes.first { $0.name == name }?.value
  }

  package func int(_ name: String) -> Int64? {
    if case .int(let value)? = self[attribute: name] { return value }
    return nil
  }

  package func ints(_ name: String) -> [Int64]? {
    if case .ints(let values)? = self[attribute: name] { return values }
    return nil
  }

  package func float(_ name: String) -> Float? {
    if case .float(let value)? = self[attribute: name] { return value }
    return nil
  }

  /// The attribute's text, where it is valid UTF-8.
  package func string(_ name: String) -> String? {
    if case .string(let bytes)? = self[attribute: name] {
      return String(validating: bytes, as: UTF8.self)
    }
    return nil
  }

  /// Sets an attribute in place, or appends it.
  package mutating func set(_ name: String, to value: AttributeValue) {
    if let index = attributes.firstIndex(where: { $0.name == name }) {
      attributes[index].value = value
    } else {
      attributes.append(Attribute(name, value))
    }
  }

  package mutating func removeAttribute(_ name: String) {
    attributes.removeAll { $0.name == name }
  }

  /// True where the operator is standard and named so.
  package func isStandard(_ op: String) -> Bool { domain.isEmpty && self.op == op }

  /// The input at `index`, where it is given.
  package func input(_ index: Int) -> ValueID? {
    index < inputs.count ? inputs[index] : nil
  }

  package var hasBodies: Bool {
    attributes.contains { attribute in
      switch attribute.value {
      case .graph, .graphs: true
      default: false
      }
    }
  }

  /// The graphs this node holds, in attribute order.
  package var bodies: [Graph] {
    guard hasBodies else { return [] }
    return attributes.flatMap { attribute -> [Graph] in
      switch attribute.value {
      case .graph(let graph): [graph]
      case .graphs(let graphs): graphs
      case .float, .int, .string, .tensor, .sparse, .type, .floats, .ints, .strings, .tensors,
        .sparses, .types, .reference:
        []
      }
    }
  }

  /// Rewrites every graph this node holds.
  package mutating func mapBodies<E>(_ body: (inout Graph) throws(E) -> Void) throws(E) {
    for index in attributes.indices {
      switch attributes[index].value {
      case .graph(var graph):
        try body(&graph)
        attributes[index].value = .graph(graph)
      case .graphs(var graphs):
        for position in graphs.indices { try body(&graphs[position]) }
        attributes[index].value = .graphs(graphs)
      case .float, .int, .string, .tensor, .sparse, .type, .floats, .ints, .strings, .tensors,
        .sparses, .types, .reference:
        break
      }
    }
  }
}

/// What a node is made of; those that differ most come first, as they are compared in this order.
private struct Parts: Equatable {
  var op: String
  var inputs: [ValueID?]
  var outputs: [ValueID?]
  var name: String
  var domain: String
  var overload: String
  var attributes: [Attribute]
  var annotations: Annotations
  var origin: String
}

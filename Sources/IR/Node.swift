/// One operator application.
///
/// A value of Swift in one word: a copy shares its parts until one of them is changed, as graphs of many
/// thousand nodes are copied, compared and walked all the time.
package struct Node: Equatable, Sendable {
  private var parts: Parts

  package init(
    name: String = "", op: String, domain: String = "", overload: String = "",
    inputs: [ValueID?], outputs: [ValueID?], attributes: [Attribute] = [],
    annotations: Annotations = Annotations(), origin: String? = nil
  ) {
    parts = Parts(
      name: name, op: op, domain: domain, overload: overload, inputs: inputs, outputs: outputs,
      attributes: attributes, annotations: annotations, origin: origin ?? name)
  }

  package var name: String {
    _read { yield parts.name }
    _modify {
      own()
      yield &parts.name
    }
  }

  package var op: String {
    _read { yield parts.op }
    _modify {
      own()
      yield &parts.op
    }
  }

  /// Empty for the standard operators, however the file spells that domain.
  package var domain: String {
    _read { yield parts.domain }
    _modify {
      own()
      yield &parts.domain
    }
  }

  /// Tells apart local functions of one name.
  package var overload: String {
    _read { yield parts.overload }
    _modify {
      own()
      yield &parts.overload
    }
  }

  /// `nil` where an optional input is left out.
  package var inputs: [ValueID?] {
    _read { yield parts.inputs }
    _modify {
      own()
      yield &parts.inputs
    }
  }

  package var outputs: [ValueID?] {
    _read { yield parts.outputs }
    _modify {
      own()
      yield &parts.outputs
    }
  }

  package var attributes: [Attribute] {
    _read { yield parts.attributes }
    _modify {
      own()
      yield &parts.attributes
    }
  }

  package var annotations: Annotations {
    _read { yield parts.annotations }
    _modify {
      own()
      yield &parts.annotations
    }
  }

  /// The name of the source's node this one came from, for diagnostics and tables.
  package var origin: String {
    _read { yield parts.origin }
    _modify {
      own()
      yield &parts.origin
    }
  }

  /// Makes the parts this node's alone, before one is changed.
  private mutating func own() {
    if !isKnownUniquelyReferenced(&parts) { parts = Parts(parts) }
  }

  package static func == (left: Node, right: Node) -> Bool {
    left.parts === right.parts || left.parts.isEqual(to: right.parts)
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
    attributes.flatMap { attribute -> [Graph] in
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

/// What nodes that were copied from one another share.
///
/// Sendable, as only a node that has it alone ever changes it.
private final class Parts: @unchecked Sendable {
  var name: String
  var op: String
  var domain: String
  var overload: String
  var inputs: [ValueID?]
  var outputs: [ValueID?]
  var attributes: [Attribute]
  var annotations: Annotations
  var origin: String

  init(
    name: String, op: String, domain: String, overload: String, inputs: [ValueID?],
    outputs: [ValueID?], attributes: [Attribute], annotations: Annotations, origin: String
  ) {
    self.name = name
    self.op = op
    self.domain = domain
    self.overload = overload
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.annotations = annotations
    self.origin = origin
  }

  convenience init(_ other: Parts) {
    self.init(
      name: other.name, op: other.op, domain: other.domain, overload: other.overload,
      inputs: other.inputs, outputs: other.outputs, attributes: other.attributes,
      annotations: other.annotations, origin: other.origin)
  }

  func isEqual(to other: Parts) -> Bool {
    op == other.op && inputs == other.inputs && outputs == other.outputs && name == other.name
      && domain == other.domain && overload == other.overload && attributes == other.attributes
      && annotations == other.annotations && origin == other.origin
  }
}

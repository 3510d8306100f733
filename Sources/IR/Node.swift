/// One operator application.
package struct Node: Equatable, Sendable {
  package var name: String
  package var op: String
  /// Empty for the standard operators, however the file spells that domain.
  package var domain: String
  /// Tells apart local functions of one name.
  package var overload: String
  /// `nil` where an optional input is left out.
  package var inputs: [ValueID?]
  package var outputs: [ValueID?]
  package var attributes: [Attribute]
  package var annotations: Annotations
  /// The name of the source's node this one came from, for diagnostics and tables.
  package var origin: String

  package init(
    name: String = "", op: String, domain: String = "", overload: String = "",
    inputs: [ValueID?], outputs: [ValueID?], attributes: [Attribute] = [],
    annotations: Annotations = Annotations(), origin: String? = nil
  ) {
    self.name = name
    self.op = op
    self.domain = domain
    self.overload = overload
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.annotations = annotations
    self.origin = origin ?? name
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

/// A named attribute.
package struct Attribute: Equatable, Sendable {
  package var name: String
  package var value: AttributeValue
  package var docString: String
  package var unknown: [UInt8]

  package init(
    _ name: String, _ value: AttributeValue, docString: String = "", unknown: [UInt8] = []
  ) {
    self.name = name
    self.value = value
    self.docString = docString
    self.unknown = unknown
  }
}

package enum AttributeValue: Equatable, Sendable {
  case float(Float)
  case int(Int64)
  case string([UInt8])
  case tensor(TensorAttribute)
  case sparse(SparseAttribute)
  case type(ValueType)
  case graph(Graph)
  case floats([Float])
  case ints([Int64])
  case strings([[UInt8]])
  case tensors([TensorAttribute])
  case sparses([SparseAttribute])
  case types([ValueType])
  case graphs([Graph])
  /// Inside a function: the caller's attribute of that name; `kind` is its `AttributeType`.
  case reference(String, kind: Int32)

  package static func string(_ text: String) -> AttributeValue { .string(Array(text.utf8)) }
}

/// A tensor held by an attribute.
package struct TensorAttribute: Equatable, Sendable {
  package var name: String
  package var weight: Weight
  package var annotations: Annotations

  package init(name: String = "", weight: Weight, annotations: Annotations = Annotations()) {
    self.name = name
    self.weight = weight
    self.annotations = annotations
  }
}

/// A sparse tensor: the values that are not zero, and where they stand.
package struct SparseAttribute: Equatable, Sendable {
  package var values: TensorAttribute
  package var indices: TensorAttribute
  package var sizes: [Int64]
  package var unknown: [UInt8]

  package init(
    values: TensorAttribute, indices: TensorAttribute, sizes: [Int64], unknown: [UInt8] = []
  ) {
    self.values = values
    self.indices = indices
    self.sizes = sizes
    self.unknown = unknown
  }
}

/// What a file says beside the computation: kept, never interpreted but for `metadata`.
package struct Annotations: Equatable, Hashable, Sendable {
  package var docString: String
  package var metadata: [Metadata]
  /// Fields this version does not know, encoded.
  package var unknown: [UInt8]

  package init(docString: String = "", metadata: [Metadata] = [], unknown: [UInt8] = []) {
    self.docString = docString
    self.metadata = metadata
    self.unknown = unknown
  }

  package var isEmpty: Bool { docString.isEmpty && metadata.isEmpty && unknown.isEmpty }

  package subscript(key: String) -> String? { metadata.first { $0.key == key }?.value }
}

/// One key and value of `metadata_props`.
package struct Metadata: Equatable, Hashable, Sendable {
  package var key: String
  package var value: String

  package init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

/// A whole model: its main graph, its local functions, and what the file says of itself.
package struct Model: Equatable, Sendable {
  package var irVersion: Int64
  package var opsets: [OpsetImport]
  package var graph: Graph
  package var functions: [Function]
  package var producerName: String
  package var producerVersion: String
  package var domain: String
  package var modelVersion: Int64?
  package var annotations: Annotations
  /// `training_info`, `configuration` and unknown fields that stand before `annotations.unknown`.
  package var carried: [UInt8]

  package init(
    irVersion: Int64 = 10, opsets: [OpsetImport] = [OpsetImport(domain: "", version: 21)],
    graph: Graph = Graph(), functions: [Function] = [], producerName: String = "",
    producerVersion: String = "", domain: String = "", modelVersion: Int64? = nil,
    annotations: Annotations = Annotations(), carried: [UInt8] = []
  ) {
    self.irVersion = irVersion
    self.opsets = opsets
    self.graph = graph
    self.functions = functions
    self.producerName = producerName
    self.producerVersion = producerVersion
    self.domain = domain
    self.modelVersion = modelVersion
    self.annotations = annotations
    self.carried = carried
  }

  /// What differs between two states of a model whose graphs or imports a pass has changed.
  package struct Revision: Equatable, Sendable {
    let graphs: [Int]
    let functions: [FunctionKey]
    let opsets: [[OpsetImport]]
  }

  package var revision: Revision {
    Revision(
      graphs: [graph.revision] + functions.map(\.body.revision), functions: functions.map(\.key),
      opsets: [opsets] + functions.map(\.opsets))
  }

  /// The version of the standard operators, where the model imports them.
  package var opset: Int64? { opsets.version(of: "") }

  package func function(_ key: FunctionKey) -> Function? { functions.first { $0.key == key } }
}

/// One `opset_import`; the domain `ai.onnx` is spelled as the empty one.
package struct OpsetImport: Equatable, Hashable, Sendable {
  package var domain: String
  package var version: Int64

  package init(domain: String, version: Int64) {
    self.domain = domain
    self.version = version
  }
}

extension [OpsetImport] {
  package func version(of domain: String) -> Int64? { first { $0.domain == domain }?.version }

  package mutating func set(_ domain: String, to version: Int64) {
    if let index = firstIndex(where: { $0.domain == domain }) {
      self[index].version = version
    } else {
      append(OpsetImport(domain: domain, version: version))
    }
  }
}

/// What a call names: domain, name and overload.
package struct FunctionKey: Hashable, Sendable {
  package var domain: String
  package var name: String
  package var overload: String

  package init(domain: String, name: String, overload: String = "") {
    self.domain = domain
    self.name = name
    self.overload = overload
  }
}

/// A local function: a graph over formal inputs that takes attributes too.
package struct Function: Equatable, Sendable {
  package var key: FunctionKey
  /// Attributes without a default, then those with one.
  package var attributes: [String]
  package var defaults: [Attribute]
  package var opsets: [OpsetImport]
  package var body: Graph
  package var annotations: Annotations

  package init(
    key: FunctionKey, attributes: [String] = [], defaults: [Attribute] = [],
    opsets: [OpsetImport], body: Graph, annotations: Annotations = Annotations()
  ) {
    self.key = key
    self.attributes = attributes
    self.defaults = defaults
    self.opsets = opsets
    self.body = body
    self.annotations = annotations
  }
}

extension Node {
  package var functionKey: FunctionKey {
    FunctionKey(domain: domain, name: op, overload: overload)
  }
}

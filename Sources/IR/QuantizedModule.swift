/// A part of the graph that runs as one FP8 operator: an annotation on nodes that stay as they are.
///
/// Erase it and the model computes the same. Ranges and scales hang on its ports and not on values,
/// because INC measures every module for itself and lets each have its own method.
package struct QuantizedModule: Equatable, Sendable {
  /// A row of `schemas/modules.json`, such as `linear`.
  package var kind: String
  /// INC's class name, such as `FalconLinear`.
  package var type: String
  /// The module's path in PyTorch's spelling, unique in the model.
  package var path: String
  package var evidence: Evidence
  package var ports: [Port]
  /// The nodes that make up the module, in graph order; the last one makes `result`.
  package var nodes: [NodeID]
  package var result: ValueID

  package init(
    kind: String, type: String, path: String, evidence: Evidence, ports: [Port], nodes: [NodeID],
    result: ValueID
  ) {
    self.kind = kind
    self.type = type
    self.path = path
    self.evidence = evidence
    self.ports = ports
    self.nodes = nodes
    self.result = result
  }

  /// What a module's path was read from (cli.md section 5, in that order).
  package enum Evidence: String, CaseIterable, Sendable {
    case metadata
    case weightName = "weight-name"
    case scope
    case function
    case nodeName = "node-name"
    case index
  }

  package func port(_ name: String) -> Port? { ports.first { $0.name == name } }
}

/// One operand or result of a module.
package struct Port: Equatable, Sendable {
  package var name: String
  package var role: Role
  /// `nil` for a range inside an operator, which no value of the graph shows.
  package var value: ValueID?
  /// The output-channel axis of a weight, where its spelling has one.
  package var channelAxis: Int?
  /// The measured largest magnitude: one number, or one for each channel.
  package var maxAbs: [Float]?
  package var scale: Scale?

  package init(
    _ name: String, _ role: Role, _ value: ValueID?, channelAxis: Int? = nil,
    maxAbs: [Float]? = nil, scale: Scale? = nil
  ) {
    self.name = name
    self.role = role
    self.value = value
    self.channelAxis = channelAxis
    self.maxAbs = maxAbs
    self.scale = scale
  }

  package enum Role: String, CaseIterable, Sendable {
    case activation
    case weight
    case output
    case unquantized
  }
}

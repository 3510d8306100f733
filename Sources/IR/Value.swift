/// Names a value of one graph.
package struct ValueID: Hashable, Comparable, Sendable {
  package let index: Int32
  package init(index: Int32) { self.index = index }
  package static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
}

/// Names a node of one graph; stays valid while other nodes come and go.
package struct NodeID: Hashable, Comparable, Sendable {
  package let index: Int32
  package init(index: Int32) { self.index = index }
  package static func < (left: NodeID, right: NodeID) -> Bool { left.index < right.index }
}

/// A tensor of the graph: an input, a weight, a node's result, or one captured from outside.
package struct Value: Equatable, Sendable {
  package var name: String
  /// `nil` where nothing is known.
  package var type: ValueType?
  package var origin: Origin
  package var annotations: Annotations
  /// True where the file describes the value in `value_info`.
  package var isDescribed: Bool

  package init(
    name: String, type: ValueType?, origin: Origin, annotations: Annotations = Annotations(),
    isDescribed: Bool = false
  ) {
    self.name = name
    self.type = type
    self.origin = origin
    self.annotations = annotations
    self.isDescribed = isDescribed
  }

  package enum Origin: Equatable, Sendable {
    case input
    indirect case weight(Weight)
    case result(of: NodeID, at: Int)
    /// Defined by a graph around this one, under the same name.
    case captured
    /// No longer defined: its node or weight was removed.
    case removed
  }

  package var weight: Weight? {
    if case .weight(let weight) = origin { return weight }
    return nil
  }

  /// True where the value is result number `index` of the node.
  package func isResult(_ index: Int, of node: NodeID) -> Bool {
    if case .result(let maker, let place) = origin { return maker == node && place == index }
    return false
  }

  package var isRemoved: Bool {
    if case .removed = origin { return true }
    return false
  }

  /// The node that makes the value.
  package var producer: NodeID? {
    if case .result(let node, _) = origin { return node }
    return nil
  }
}

package import IR

extension Graph {
  /// A weight of the given bytes and name: the one that is there, or a new one.
  ///
  /// A weight of that name with other contents leaves the name to itself; the new one gets another.
  package mutating func sharedLiteral(
    _ name: String, _ type: TensorType, _ bytes: [UInt8]
  ) -> ValueID {
    let weight = Weight(stored: type, source: .literal(bytes, encoding: .raw))
    if let known = value(named: name), self[known].weight == weight { return known }
    return addWeight(freshName(name), weight)
  }

  /// A float32 scalar.
  package mutating func sharedScalar(_ name: String, _ value: Float) -> ValueID {
    sharedLiteral(name, TensorType(.float32, sizes: []), value.littleEndianBytes)
  }

  /// Adds a node with one result and gives that.
  package mutating func addNode(
    _ node: Node, result: String, type: ValueType?, before: NodeID? = nil
  ) -> ValueID {
    let id = addNode(node, results: [(freshName(result), type)], before: before)
    guard let output = self[id].outputs.first ?? nil else {
      preconditionFailure("node '\(node.name)' was added with one result")
    }
    return output
  }
}

extension Float {
  /// The number's four bytes as `raw_data` holds them.
  package var littleEndianBytes: [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: bitPattern >> UInt32(8 * $0)) }
  }
}

extension [Int64] {
  package var littleEndianBytes: [UInt8] {
    flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64(8 * $0)) }
    }
  }
}

extension [Float] {
  package var littleEndianBytes: [UInt8] { flatMap(\.littleEndianBytes) }
}

internal import IR

/// What a node says beside its operands.
extension StructuralProof {
  /// The attributes of one operator on both sides.
  mutating func compareAttributes(
    _ first: Node, _ second: Node, _ pair: Pair, _ order: Int, _ place: String
  ) {
    let padding = first.domain.isEmpty ? ["auto_pad", "pads"] : []
    if !padding.isEmpty { comparePadding(first, second, pair, order, place) }
    for attribute in second.attributes
    where first[attribute: attribute.name] == nil && !padding.contains(attribute.name)
      && !isImplied(attribute, by: first)
    {
      note(order, place, "has an attribute '\(attribute.name)', expected none")
    }
    for attribute in first.attributes where !padding.contains(attribute.name) {
      guard let other = second[attribute: attribute.name] else {
        if !isImplied(attribute, by: second) {
          note(order, place, "has no attribute '\(attribute.name)'")
        }
        continue
      }
      if case .graph(let body) = attribute.value, case .graph(let copy) = other {
        let scopes = (
          add(body, to: .source, parent: pair.source.scope),
          add(copy, to: .written, parent: pair.written.scope)
        )
        pairOutputs(scopes.0, scopes.1)
      } else if case .tensor(let tensor) = attribute.value, case .tensor(let copy) = other {
        if !claim(pair, attribute.name, tensor.weight, copy.weight) {
          note(order, place, "attribute '\(attribute.name)' is another")
        }
      } else if case .float(let value) = attribute.value, case .float(let number) = other,
        value.isNaN, number.isNaN
      {
        continue
      } else if ["to", "dtype", "output_dtype"].contains(attribute.name),
        isHighPrecision(attribute.value), isHighPrecision(other)
      {
        continue
      } else if attribute.name == "is_causal", case .int(let value) = attribute.value,
        case .int(let number) = other, (value == 1) == (number == 1)
      {
        continue
      } else if attribute.value != other {
        note(order, place, "attribute '\(attribute.name)' is another")
      }
    }
  }

  /// True for what a node does without the attribute as well, which lowering writes out: a softmax's last axis, and the
  /// float type of a dequantized number.
  private func isImplied(_ attribute: Attribute, by node: Node) -> Bool {
    node.isStandard("Softmax") && attribute.name == "axis" && attribute.value == .int(-1)
      || node.isStandard("DequantizeLinear") && attribute.name == "output_dtype"
        && isHighPrecision(attribute.value)
  }

  /// True where an attribute names a float type, which the written model may have another of.
  private func isHighPrecision(_ value: AttributeValue) -> Bool {
    guard case .int(let number) = value else { return false }
    return ElementType(rawValue: Int32(clamping: number))?.isHighPrecision ?? false
  }
}

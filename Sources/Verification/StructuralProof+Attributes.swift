internal import IR

/// What a node says beside its operands.
extension StructuralProof {
  /// Attributes that lowering writes out or moves elsewhere; compared where both sides give them.
  private static let derived: Set<String> = [
    "auto_pad", "pads", "kernel_shape", "axis", "output_dtype",
  ]

  mutating func compareAttributes(
    _ first: Node, _ second: Node, _ pair: Pair, _ order: Int, _ place: String
  ) {
    let isOne = first.op == second.op
    for attribute in second.attributes
    where isOne && !StructuralProof.derived.contains(attribute.name)
      && first[attribute: attribute.name] == nil
    {
      note(order, place, "has an attribute '\(attribute.name)', expected none")
    }
    let padsItself = first.string("auto_pad").map { $0 != "NOTSET" } ?? false
    for attribute in first.attributes where !padsItself || attribute.name != "pads" {
      if attribute.name == "pads",
        let moved = movedPadding(of: first, pair.source.scope, to: second, pair.written.scope)
      {
        if attribute.value != .ints(moved.amounts) { note(order, place, "has another padding") }
        continue
      }
      guard let other = second[attribute: attribute.name] else {
        if !isOne || StructuralProof.derived.contains(attribute.name) { continue }
        note(order, place, "has no attribute '\(attribute.name)'")
        continue
      }
      if case .graph(let body) = attribute.value, case .graph(let copy) = other {
        let scopes = (
          add(body, to: .source, parent: pair.source.scope),
          add(copy, to: .written, parent: pair.written.scope)
        )
        pairOutputs(scopes.0, scopes.1)
      } else if case .tensor = attribute.value {
        continue
      } else if case .float(let value) = attribute.value, case .float(let number) = other,
        value.isNaN, number.isNaN
      {
        continue
      } else if ["to", "dtype", "output_dtype"].contains(attribute.name),
        isHighPrecision(attribute.value), isHighPrecision(other)
      {
        continue
      } else if attribute.name == "is_causal", case .int(let value) = attribute.value,
        case .int(let number) = other, (value != 0) == (number != 0)
      {
        continue
      } else if attribute.value != other {
        note(order, place, "attribute '\(attribute.name)' is another")
      }
    }
  }

  /// True where an attribute names a float type, which the written model may have another of.
  private func isHighPrecision(_ value: AttributeValue) -> Bool {
    guard case .int(let number) = value else { return false }
    return ElementType(rawValue: Int32(clamping: number))?.isHighPrecision ?? false
  }
}

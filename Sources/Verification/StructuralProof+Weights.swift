internal import IR

/// Weights become claims, and the equations that their scales close.
extension StructuralProof {
  mutating func claim(_ pair: Pair, _ weight: Weight, _ copy: Weight) {
    let name = value(pair.written, .written).name
    let isCode = copy.type().element.isFloat8 && !weight.type().element.isFloat8
    if isCode, pair.channels == nil {
      return note(
        pair.order, pair.place, "weight '\(name)' is quantized, expected in high precision")
    }
    let rank = copy.type().shape?.count ?? 0
    let axis =
      switch pair.channels {
      case .first, nil: 0
      case .second: min(1, max(rank - 1, 0))
      case .last: max(rank - 1, 0)
      case .secondLast: max(rank - 2, 0)
      }
    if isCode, let found = erased(.written, pair.written.scope).scaleAxes[pair.written.value],
      found != axis, found + rank != axis
    {
      note(
        pair.order, pair.place, "weight '\(name)' has scales along axis \(found), expected \(axis)")
    }
    let claim = Claim(
      sourceName: value(pair.source, .source).name, source: weight, writtenName: name,
      written: copy, permutation: pair.isTransposed ? [1, 0] : nil, channelAxis: axis)
    let index = add(claim, of: pair)
    guard isCode else { return }
    let first = codeClaims[pair.written] ?? index
    codeClaims[pair.written] = first
    if first != index { sameCodes[index] = first }
  }

  /// The elements of a tensor that a node has as an attribute; `false` where it is no tensor of that type.
  mutating func claim(_ pair: Pair, _ attribute: String, _ tensor: Weight, _ copy: Weight) -> Bool {
    let (type, other) = (tensor.type(), copy.type())
    guard type.shape == other.shape,
      type.element == other.element || type.element.isHighPrecision && other.element.isHighPrecision
    else { return false }
    let name = "\(value(pair.source, .source).name).\(attribute)"
    _ = add(
      Claim(
        sourceName: name, source: tensor, writtenName: name, written: copy, permutation: nil,
        channelAxis: 0), of: pair)
    return true
  }

  private mutating func add(_ claim: Claim, of pair: Pair) -> Int {
    let key = Claimed(source: pair.source, claim: claim)
    let index = claimed[key] ?? claims.count
    if claimed.updateValue(index, forKey: key) == nil {
      claims.append(claim)
      claimSources.append(pair.source)
    }
    return index
  }

  /// One weight of the source that is written twice alike was untied.
  mutating func compareTies() {
    var first: [Tie: Int] = [:]
    for (index, claim) in claims.enumerated() where !claim.written.type().element.isFloat8 {
      let tie = Tie(
        source: claimSources[index], permutation: claim.permutation, type: claim.written.type())
      if let known = first[tie], claims[known].writtenName != claim.writtenName {
        note(
          Int.max, "weight '\(claim.sourceName)'",
          "is stored twice, as '\(claims[known].writtenName)' and '\(claim.writtenName)'")
      }
      first[tie] = first[tie] ?? index
    }
  }

  private struct Tie: Hashable {
    let source: Reference
    let permutation: [Int]?
    let type: TensorType
  }

  mutating func closeBalances() {
    for item in open.sorted(by: { $0.order < $1.order }) {
      let claims = item.codes.compactMap { codeClaims[$0] }
      // Codes that were in the source have their scales there too.
      balances.append(
        Balance(
          place: item.place, claims: claims, source: item.source, written: item.written,
          tolerance: tolerance, apart: apart))
    }
  }
}

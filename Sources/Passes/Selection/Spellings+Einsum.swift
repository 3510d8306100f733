internal import IR

private let input = Pattern.activation(Capture("input"))
private let other = Pattern.activation(Capture("other"))

extension Spellings {
  /// A sum of products over named axes; which of them are channels its equation says, so a weight has
  /// one scale.
  static let einsum = Spellings(of: "einsum", consent: .typeNamed) {
    (1...4).flatMap { rank -> [Pattern] in
      let weight = Pattern.weight(Capture("weight"), rank: rank)
      return [.op("Einsum", [input, weight]), .op("Einsum", [weight, input])]
    }
    Pattern.op("Einsum", [input, other])
  }
}

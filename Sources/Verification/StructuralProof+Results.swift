package import IR

/// What a comparison leaves to be said and to be done.
extension StructuralProof {
  /// An operator, or an output of the graph, that the two models do not have in common.
  package struct Difference: Equatable, Sendable {
    /// The source's node, or the output.
    package let place: String
    package let message: String
  }

  /// Two weights that are one as far as the graphs tell.
  package struct Claim: Hashable, Sendable {
    package let sourceName: String
    package let source: Weight
    package let writtenName: String
    package let written: Weight
    /// How the source's axes stand in what was written.
    package let permutation: [Int]?
    /// Where channels of codes have scales of their own, the axis that they are on.
    package let channelAxis: Int
  }

  /// An equation of what an operator reads: the constants are known, the scales of codes are not.
  package struct Balance: Sendable {
    package let place: String
    /// Indices of claims whose scales the written side is to be divided by.
    package let claims: [Int]
    let source: Factor
    let written: Factor
    let tolerance: Double
    let apart: Double

    /// The constants, among which the scales of the claims are, where none was merged with another.
    package var constants: [[Double]] { written.constants }

    /// What the scale of the one claim that is left has to be, where those of the others are known.
    ///
    /// It went through float32, so its neighbours may be meant.
    package func remainder(scales: [[Double]]) -> [[Double]] {
      let rest = scales.reduce(written.times(source.inverted)) { $0.times(Factor($1).inverted) }
      let vectors = rest.channels.keys.sorted().compactMap { count -> [Double]? in
        guard let values = rest.channels[count], let first = values.first,
          values.contains(where: { abs($0 - first) > tolerance * abs(first) })
        else { return nil }
        return values
      }
      var whole = [rest.number]
      for count in rest.channels.keys.sorted() {
        guard let values = rest.channels[count], !vectors.contains(values) else { continue }
        whole[0] *= values[0]
      }
      if vectors.count == 1 { return [vectors[0].map { $0 * whole[0] }] }
      guard vectors.isEmpty else { return [] }
      let number = Float(whole[0])
      let near = [
        number, number.nextUp, number.nextDown, number.nextUp.nextUp, number.nextDown.nextDown,
      ]
      return near.map { [Double($0)] }
    }

    /// True where the written side comes to the source's, with a scale or one for each channel for each claim.
    package func holds(scales: [[Double]]) -> Bool {
      let divided = scales.reduce(written) { $0.times(Factor($1).inverted) }
      return divided.isNear(source, within: tolerance, apart: apart)
    }

    /// `2.0, expected 1.0`.
    package func text(scales: [[Double]]) -> String {
      let divided = scales.reduce(written) { $0.times(Factor($1).inverted) }
      return "\(divided.text), expected \(source.text)"
    }
  }
}

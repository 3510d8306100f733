/// How the scales of one side of a scale method, weights or activations, are chosen.
///
/// A row of a method table; the thirteen that INC names are listed in inc-fp8.md section 4.1.
package struct ScaleChoice: Hashable, Sendable {
  package enum Granularity: String, CaseIterable, Sendable {
    case perTensor = "per-tensor"
    case perChannel = "per-channel"
  }

  /// Where a scale comes from before it is rounded.
  package enum Value: String, CaseIterable, Sendable {
    /// maxabs over the backoff's share of full scale.
    case maxabs
    /// A number that `rounding` fixes, whatever the tensor holds.
    case fixed
    /// The candidate with the least error over the tensor (inc-fp8.md section 4.7).
    case search
  }

  package enum Rounding: String, CaseIterable, Sendable {
    case identity
    /// Up to a power of two.
    case pow2
    /// Up to an aligned scale of the target; as a fixed value, the largest of them.
    case aligned
    /// As a fixed value, 1.
    case unit
  }

  /// What a search over a whole tensor makes small.
  package enum Objective: String, CaseIterable, Sendable {
    /// The sum of squared errors, as INC has it, which is nearly flat in a format whose steps are relative.
    case squaredError = "squared-error"
    /// The mean of the channels' squared errors over their sums of squares: small channels count as much
    /// as large ones.
    case relativePerChannel = "relative-per-channel"
  }

  package var granularity: Granularity
  package var value: Value
  package var rounding: Rounding
  /// The share of full scale that the largest magnitude is mapped to.
  package var backoff: Double
  /// The scales to try, or per channel the multiples of the maxabs scale; `nil` for INC's own.
  package var candidates: [Double]?
  package var objective = Objective.squaredError

  /// The share of full scale of a scale that is computed when the model runs, whatever the method's own
  /// backoff (inc-fp8.md section 3.5).
  package static let dynamicBackoff = 0.5

  package init(
    granularity: Granularity = .perTensor, value: Value = .maxabs,
    rounding: Rounding = .identity, backoff: Double = 1, candidates: [Double]? = nil
  ) {
    self.granularity = granularity
    self.value = value
    self.rounding = rounding
    self.backoff = backoff
    self.candidates = candidates
  }
}

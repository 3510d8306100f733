/// What a range gives as a scale.
package enum ScaleResult: Equatable, Sendable {
  case scale(Float)
  /// The range is zero, or too small for a scale, and the scale is 1: worth a warning ([R-12]).
  case unitForZero
  /// The range is infinite, NaN, or too large for a scale: an error for the caller to report.
  case notFinite

  /// The scale to use; `nil` where there is none.
  package var value: Float? {
    switch self {
    case .scale(let scale): scale
    case .unitForZero: 1
    case .notFinite: nil
    }
  }
}

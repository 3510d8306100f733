internal import Glibc

/// Ratios of sums of squares as engineers read them.
package enum Decibels {
  /// 10 · log10(signal / error): infinite where there is no error, minus infinity where it is no number.
  package static func ratio(signal: Double, error: Double) -> Double {
    if error == 0 { return .infinity }
    return error.isNaN ? -.infinity : 10 * log10(signal / error)
  }

  /// With one digit behind the point.
  package static func text(_ value: Double) -> String {
    value.isFinite ? "\((value * 10).rounded() / 10)" : "\(value)"
  }
}

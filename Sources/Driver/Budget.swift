internal import Reports
package import Support

/// What `--budget` asks of the quantized model, such as `sqnr>=30` or `accuracy>=0.97`.
package struct Budget: Equatable, Sendable {
  package enum Measure: String, CaseIterable, Sendable {
    /// The least SQNR of an output, in dB.
    case sqnr
    /// The share of right answers; needs labels.
    case accuracy
  }

  package let measure: Measure
  package let minimum: Double

  package init(_ text: String) throws(Diagnostic) {
    let parts = text.split(separator: ">=", omittingEmptySubsequences: false).map {
      String($0).filter { $0 != " " }
    }
    guard parts.count == 2, let measure = Measure(rawValue: parts[0]),
      let minimum = Double(parts[1]), minimum.isFinite
    else { throw .badBudget(text) }
    self.measure = measure
    self.minimum = minimum
  }

  /// The number as people read it.
  func text(_ value: Double) -> String {
    switch measure {
    case .sqnr: "\(Decibels.text(value)) dB"
    case .accuracy: "accuracy \((value * 1e4).rounded() / 1e4)"
    }
  }
}

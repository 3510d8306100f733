/// What a measurement records of the values that modules read and make (inc-fp8.md section 5.2).
package enum ObserverKind: String, CaseIterable, Sendable {
  /// The largest magnitude of a tensor.
  case maxabs
  /// The largest magnitude of each of its channels.
  case maxabsPerChannel = "maxabs_per_channel"
  /// The tensor itself.
  case save
  /// Its shape.
  case shape

  /// True where scales follow from what is recorded.
  package var recordsRanges: Bool { self == .maxabs || self == .maxabsPerChannel }
}

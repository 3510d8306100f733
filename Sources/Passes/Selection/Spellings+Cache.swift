internal import IR

private let input = Pattern.activation(Capture("input"))
private let past = Pattern.value(Capture("past"))

extension Spellings {
  /// New keys or values that go behind or into those of earlier tokens.
  static let cache = Spellings(
    of: "kv_cache", consent: .evidence(reason: "does not lead from a graph input to an output")
  ) {
    Pattern.op("Concat", [past, input])
    Pattern.call("TensorScatter", [past, input])
    Pattern.call("ScatterND", [past, .any, input])
    Pattern.call("ScatterElements", [past, .any, input])
  }
}

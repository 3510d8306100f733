internal import IR

private let input = Pattern.activation(Capture("input"))
private let other = Pattern.activation(Capture("other"))
private let query = Pattern.activation(Capture("query"))
private let key = Pattern.activation(Capture("key"))
private let value = Pattern.activation(Capture("value"))
private let mask = Pattern.value(Capture("mask"))
private let amax = Capture("amax")

extension Spellings {
  /// A product of two activations.
  static let matmul = Spellings(
    of: "matmul", consent: .evidence(reason: "no softmax beside it and no scope of a matmul")
  ) {
    Pattern.matMul(input, other)
    gemms { transA, transB, _ in Pattern.gemm(input, other, transA: transA, transB: transB) }
  }

  static let softmax = Spellings(
    of: "softmax", consent: .evidence(reason: "no product of activations reads it")
  ) {
    Pattern.softmax(.value(Capture("input")))
  }

  /// Attention as one operator, of ONNX or of ONNX Runtime.
  static let attention = Spellings(of: "fused_sdpa") {
    Pattern.call("Attention", [query, key, value])
    Pattern.call("MultiHeadAttention", domain: "com.microsoft", [query, key, value])
    Pattern.call("GroupQueryAttention", domain: "com.microsoft", [query, key, value])
  }

  /// Attention in small operators, from the query and the key as they are before anything scales them.
  static let decomposedAttention = Spellings(of: "fused_sdpa", consent: .insteadOf("Matmul")) {
    Pattern.matMul(.through(["Cast", "Dropout", "Identity"], inner: probabilities), value)
  }

  /// The softmax, and what keeps rows without a key at zero.
  private static let probabilities = Pattern.either([
    .op("Where", [.op("IsNaN", [.value(amax)]), .any, .named(amax, normalized)]),
    .named(amax, normalized),
  ])

  private static let normalized = Pattern.softmax(
    .through(
      ["Cast"],
      inner: .either([
        .add(capped, mask), .op("Where", [mask, capped, .any]), .op("Where", [mask, .any, capped]),
        capped,
      ])))

  private static let capped = Pattern.either([
    .mul(.op("Tanh", [scaled(scores)]), .scalar), scaled(scores),
  ])

  private static let scores = Pattern.matMul(
    scaled(query), .either([scaled(transposed(key)), transposed(scaled(key))]))

  /// The value times or divided by a number, or as it is.
  private static func scaled(_ value: Pattern) -> Pattern {
    .either([.mul(value, .scalar), .op("Div", [value, .scalar]), value])
  }

  /// The two last axes exchanged, behind an exchange of heads and rows too, or in three dimensions.
  private static func transposed(_ value: Pattern) -> Pattern {
    func exchange(_ value: Pattern, _ axes: [Int64]) -> Pattern {
      .op("Transpose", [value], [Pattern.Requirement("perm", .ints(axes))])
    }
    return .either([
      exchange(value, [0, 1, 3, 2]), exchange(value, [0, 2, 3, 1]),
      .op("Reshape", [exchange(.op("Reshape", [value, .any]), [0, 2, 1]), .any]),
      exchange(value, [0, 2, 1]),
    ])
  }
}

internal import IR

/// Which operands of an attention operator are past keys and values; present ones are its second and
/// third result.
enum AttentionCaches {
  static let places: [OperatorName: (key: Int, value: Int)] = [
    OperatorName("Attention"): (4, 5),
    OperatorName("GroupQueryAttention", domain: "com.microsoft"): (3, 4),
    OperatorName("MultiHeadAttention", domain: "com.microsoft"): (6, 7),
  ]
}

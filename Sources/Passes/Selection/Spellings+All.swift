package import IR

extension Spellings {
  /// Every spelling, in the order in which they are tried where several end with one operator.
  package static let all =
    [decomposedAttention, attention, linear, experts, vectors, batched, matmul, softmax, conv2d]
    + [conv1d, conv3d] + transposedConvolutions + [cache, einsum]
}

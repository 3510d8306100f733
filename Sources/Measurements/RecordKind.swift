/// What a module's record means: which of its ranges become which scales (inc-fp8.md section 3.1).
package enum RecordKind: String, CaseIterable, Sendable {
  case linear
  case rowParallelLinear = "row_parallel_linear"
  case matmul
  /// The products that map between batches and blocks of a paged cache.
  case blockMatmul = "b2b_matmul"
  case softmax
  case kvCache = "kv_cache"
  case fusedAttention = "fused_sdpa"
  case mixtureOfExperts = "dynamic_moe"

  /// The kind that a record's shape shows, where no model says it; `nil` for none.
  ///
  /// A weight means linear, with two outputs row-parallel; two inputs mean a product, three a fused
  /// attention; one input alone a cache. One input with one output is a softmax, unless the name says
  /// that it is a cache whose output was measured too; with more outputs it is a mixture of experts.
  package init?(of node: MeasuredNode) {
    switch (node.weight != nil, node.inputs.count, node.outputs.count) {
    case (true, 1, ...1): self = .linear
    case (true, 1, _): self = .rowParallelLinear
    case (false, 3, 2): self = .fusedAttention
    case (false, 2, ...1):
      let isBlock = node.name.contains("batch2block") || node.name.contains("block2batch")
      self = isBlock ? .blockMatmul : .matmul
    case (false, 1, 0): self = .kvCache
    case (false, 1, 1): self = node.name.contains("cache") ? .kvCache : .softmax
    case (false, 0, 1): self = .softmax
    case (false, 1, _): self = .mixtureOfExperts
    default: return nil
    }
  }
}

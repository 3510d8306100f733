internal import IR

/// What an operator is by what stands around it, whatever it is called.
struct Role {
  /// The part of an attention that it is, such as `matmul_qk`.
  var part: String?
  /// INC's class for a module in such a place.
  var type: String?
  /// Why no module is made of it.
  var obstacle: String?
  /// The first layer of a LoRA adapter beside the operator.
  var adapter: NodeID?
  /// What was seen, for `--explain`.
  var evidence: String
  /// The nodes behind the spelling that belong to the module, in graph order.
  var followers: [NodeID] = []
  /// What the last follower adds.
  var bias: ValueID?
  /// Said where the model seems wrong.
  var warning: String?
}

internal import FP8
internal import IR
internal import Support
internal import Targets

extension FP8Operands {
  /// An activation under a scale of its own: all of it or row by row.
  struct DynamicKey: Hashable {
    let value: ValueID
    let reducing: Int?
    let isTransposed: Bool
    let choice: ScaleChoice
  }

  /// The codes of a module's activation and the value that holds their scale; the operator that casts.
  mutating func operand(
    _ port: Port, of module: QuantizedModule, isTransposed: Bool = false, before node: NodeID
  ) throws(Diagnostic) -> (codes: ValueID, factor: ValueID, operators: TargetOperator) {
    guard let value = port.value else { throw .portNotRead(port.name, of: module.path) }
    switch port.scale {
    case .perTensor(let scale)?:
      let codes = quantizedActivation(
        value, scale: scale, isTransposed: isTransposed, before: node)
      return (codes, graph.sharedScalar("fp8c.mul.\(scale)", scale), .castToFp8)
    case .dynamic(let axis)?:
      let choice = context.settings.method(of: module).activation
      let key = DynamicKey(
        value: value, reducing: axis, isTransposed: isTransposed, choice: choice)
      let operand = dynamicActivations[key] ?? dynamicOperand(key, before: node)
      dynamicActivations[key] = operand
      return (operand.codes, operand.factor, .dynamicCastToFp8)
    case .perChannel?, nil: throw .unmeasuredPort(port.name, of: module.path)
    }
  }

  private mutating func dynamicOperand(_ key: DynamicKey, before node: NodeID) -> DynamicCast.Result
  {
    let source = key.isTransposed ? transposed(key.value, before: node) : key.value
    // A transposed matrix has its two axes, -1 and -2, exchanged.
    let axis = key.reducing.map { key.isTransposed ? -3 - $0 : $0 }
    return DynamicCast(key.choice, context.settings).add(
      of: source, reducing: axis, named: graph[key.value].name, to: &graph,
      origin: graph[node].origin, before: node)
  }
}

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

  /// Codes, and what they are multiplied by.
  struct DynamicOperand {
    let codes: ValueID
    let factor: ValueID
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

  private mutating func dynamicOperand(
    _ key: DynamicKey, before node: NodeID
  ) -> DynamicOperand {
    let name = graph[key.value].name
    let source = key.isTransposed ? transposed(key.value, before: node) : key.value
    // A transposed matrix has its two axes, -1 and -2, exchanged.
    let axis = key.reducing.map { key.isTransposed ? -3 - $0 : $0 }
    let shape = graph[source].type?.tensor?.shape
    let axes = graph.sharedLiteral(
      axis.map { "fp8c.axes.\($0)" } ?? "fp8c.axes.all",
      TensorType(.int64, sizes: [axis == nil ? 0 : 1]),
      axis.map { [Int64($0)].littleEndianBytes } ?? [])
    let reduced = shape.map { shape in
      shape.indices.map { index in
        axis == nil || index == shape.count + (axis ?? 0) ? Dimension.size(1) : shape[index]
      }
    }
    // float16 holds few of the scales (inc-fp8.md section 9.2, A20).
    let element: ElementType = context.settings.hp == .bf16 ? .bfloat16 : .float32
    let reach = limits.fullscale * Float(ScaleChoice.dynamicBackoff)
    let cast = graph.addNode(
      Node(
        op: TargetOperator.dynamicCastToFp8.rawValue, domain: context.settings.target.domain,
        inputs: [source, axes], outputs: [],
        attributes: [
          Attribute("is_pow2", .int(key.choice.rounding == .pow2 ? 1 : 0)),
          Attribute("reach", .float(reach)),
          Attribute("scale_dtype", .int(Int64(element.rawValue))),
        ] + castAttributes, origin: graph[node].origin),
      results: [
        (graph.freshName("\(name).fp8"), .tensor(TensorType(limits.encoding.element, shape))),
        (graph.freshName("\(name).scale"), .tensor(TensorType(.float32, reduced))),
      ], before: node)
    let outputs = graph[cast].outputs.compactMap { $0 }
    return DynamicOperand(codes: outputs[0], factor: outputs[1])
  }
}

internal import FP8
internal import IR
internal import Targets

/// The target's cast of a value under a scale that it computes when the model runs.
struct DynamicCast {
  private let domain: String
  private let code: ElementType
  private let attributes: [Attribute]

  /// Codes, and what they are multiplied by.
  struct Result {
    let codes: ValueID
    let factor: ValueID
  }

  init(_ choice: ScaleChoice, _ settings: PassSettings) {
    domain = settings.target.domain
    code = settings.limits.encoding.element
    // float16 holds few of the scales (inc-fp8.md section 9.2, A20).
    let element: ElementType = settings.hp == .bf16 ? .bfloat16 : .float32
    let fullscale = settings.limits.fullscale
    attributes = [
      Attribute("is_pow2", .int(choice.rounding == .pow2 ? 1 : 0)),
      Attribute("reach", .float(fullscale * Float(ScaleChoice.dynamicBackoff))),
      Attribute("scale_dtype", .int(Int64(element.rawValue))),
      Attribute("saturate_at", .float(fullscale)), Attribute("to", .int(Int64(code.rawValue))),
    ]
  }

  /// Adds the cast; `axis`, counted from the end, is the one that the scale is the same along, and `nil` for
  /// one scale of all.
  func add(
    of value: ValueID, reducing axis: Int?, named name: String, to graph: inout Graph,
    origin: String? = nil, before node: NodeID?
  ) -> Result {
    let shape = graph[value].type?.tensor?.shape
    let axes = graph.sharedLiteral(
      axis.map { "fp8c.axes.\($0)" } ?? "fp8c.axes.all",
      TensorType(.int64, sizes: [axis == nil ? 0 : 1]),
      axis.map { [Int64($0)].littleEndianBytes } ?? [])
    let reduced = shape.map { shape in
      shape.indices.map { index in
        axis == nil || index == shape.count + (axis ?? 0) ? Dimension.size(1) : shape[index]
      }
    }
    let cast = graph.addNode(
      Node(
        op: TargetOperator.dynamicCastToFp8.rawValue, domain: domain, inputs: [value, axes],
        outputs: [], attributes: attributes, origin: origin),
      results: [
        (graph.freshName("\(name).fp8"), .tensor(TensorType(code, shape))),
        (graph.freshName("\(name).scale"), .tensor(TensorType(.float32, reduced))),
      ], before: node)
    let outputs = graph[cast].outputs.compactMap { $0 }
    return Result(codes: outputs[0], factor: outputs[1])
  }
}

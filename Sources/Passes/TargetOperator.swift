internal import IR

/// The target's operators that this version emits, each defined by standard ones.
///
/// The names and what they multiply by mirror the device's (fp8-and-gaudi2.md section 3): `quant_mul`
/// is an inverse scale, `dequant_mul` a scale. Bodies compute in float32, as the matrix engine
/// accumulates, and round once to `out_dtype`; so they run in any runtime that inlines functions.
enum TargetOperator: String, CaseIterable {
  case castToFp8 = "CastToFp8"
  case castFromFp8 = "CastFromFp8"
  case fp8MatMul = "Fp8MatMul"
  case fp8Conv = "Fp8Conv"
  case fp8Softmax = "Fp8Softmax"

  /// The operator as a local function over the standard operators of `opset`.
  func definition(domain: String, opset: Int64) -> Function {
    var body = FunctionBody(name: rawValue)
    let attributes: [String]
    switch self {
    case .castToFp8: attributes = body.castToFp8()
    case .castFromFp8: attributes = body.castFromFp8()
    case .fp8MatMul: attributes = body.fp8MatMul()
    case .fp8Conv: attributes = body.fp8Conv()
    case .fp8Softmax: attributes = body.fp8Softmax()
    }
    return Function(
      key: FunctionKey(domain: domain, name: rawValue), attributes: attributes,
      opsets: [OpsetImport(domain: "", version: opset)], body: body.graph)
  }
}

/// Builds the body of one operator.
private struct FunctionBody {
  var graph: Graph

  init(name: String) { graph = Graph(name: name) }

  /// `to`'s nearest code of clamp(x * quant_mul, -saturate_at, saturate_at).
  mutating func castToFp8() -> [String] {
    let x = graph.addInput("x", nil)
    let factor = graph.addInput("quant_mul", nil)
    let wide = toFloat(x)
    graph.setOutputs([quantized(wide, by: factor)])
    return ["saturate_at", "to"]
  }

  /// The codes of softmax(x) along `axis`.
  mutating func fp8Softmax() -> [String] {
    let x = graph.addInput("x", nil)
    let factor = graph.addInput("out_quant_mul", nil)
    let wide = toFloat(x)
    let shares = add("Softmax", [wide], "shares", [Attribute("axis", .reference("axis", kind: 2))])
    graph.setOutputs([quantized(shares, by: factor)])
    return ["axis", "saturate_at", "to"]
  }

  /// Nearest codes of a float32 value times a factor, within `saturate_at`.
  private mutating func quantized(_ value: ValueID, by factor: ValueID) -> ValueID {
    let scaled = add("Mul", [value, factor], "scaled")
    let high = add(
      "Constant", [], "high",
      [Attribute("value_float", .reference("saturate_at", kind: 1))])
    let low = add("Neg", [high], "low")
    let floored = add("Max", [scaled, low], "floored")
    let clamped = add("Min", [floored, high], "clamped")
    return add("Cast", [clamped], "y", [Attribute("to", .reference("to", kind: 2))])
  }

  /// `to`'s nearest of q * dequant_mul.
  mutating func castFromFp8() -> [String] {
    let q = graph.addInput("q", nil)
    let factor = graph.addInput("dequant_mul", nil)
    let wide = toFloat(q)
    let scaled = add("Mul", [wide, factor], "scaled")
    graph.setOutputs([
      add("Cast", [scaled], "y", [Attribute("to", .reference("to", kind: 2))])
    ])
    return ["to"]
  }

  /// `out_dtype`'s nearest of (a · b) * a_dequant_mul * b_dequant_mul.
  mutating func fp8MatMul() -> [String] {
    let a = graph.addInput("a", nil)
    let b = graph.addInput("b", nil)
    let first = graph.addInput("a_dequant_mul", nil)
    let second = graph.addInput("b_dequant_mul", nil)
    let left = toFloat(a)
    let right = toFloat(b)
    let product = add("MatMul", [left, right], "product")
    let half = add("Mul", [product, first], "half")
    let scaled = add("Mul", [half, second], "scaled")
    graph.setOutputs([toOutput(scaled)])
    return ["out_dtype"]
  }

  /// The convolution of x * x_dequant_mul with w * w_dequant_mul, plus the float32 bias.
  mutating func fp8Conv() -> [String] {
    let x = graph.addInput("x", nil)
    let w = graph.addInput("w", nil)
    let first = graph.addInput("x_dequant_mul", nil)
    let second = graph.addInput("w_dequant_mul", nil)
    let bias = graph.addInput("bias", nil)
    let wideInput = toFloat(x)
    let input = add("Mul", [wideInput, first], "input")
    let wideWeight = toFloat(w)
    let weight = add("Mul", [wideWeight, second], "weight")
    let lists = ["dilations", "kernel_shape", "pads", "strides"]
    var attributes = lists.map { Attribute($0, .reference($0, kind: 7)) }
    attributes.append(Attribute("group", .reference("group", kind: 2)))
    let convolved = add("Conv", [input, weight, bias], "convolved", attributes)
    graph.setOutputs([toOutput(convolved)])
    return lists + ["group", "out_dtype"]
  }

  private mutating func toFloat(_ value: ValueID) -> ValueID {
    add(
      "Cast", [value], "\(graph[value].name)_float",
      [Attribute("to", .int(Int64(ElementType.float32.rawValue)))])
  }

  private mutating func toOutput(_ value: ValueID) -> ValueID {
    add("Cast", [value], "y", [Attribute("to", .reference("out_dtype", kind: 2))])
  }

  private mutating func add(
    _ op: String, _ inputs: [ValueID], _ result: String, _ attributes: [Attribute] = []
  ) -> ValueID {
    graph.addNode(
      Node(op: op, inputs: inputs, outputs: [], attributes: attributes), result: result, type: nil)
  }
}

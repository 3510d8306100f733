internal import IR

/// The target's operators that this version emits, each defined by standard ones.
///
/// The names and what they multiply by mirror the device's (fp8-and-gaudi2.md section 3): `quant_mul`
/// is an inverse scale, `dequant_mul` a scale. Bodies compute in float32, as the matrix engine
/// accumulates, and round once to `out_dtype`; so they run in any runtime that inlines functions.
enum TargetOperator: String, CaseIterable {
  case castToFp8 = "CastToFp8"
  case castFromFp8 = "CastFromFp8"
  case dynamicCastToFp8 = "DynamicCastToFp8"
  case fp8MatMul = "Fp8MatMul"
  case fp8Conv = "Fp8Conv"
  case fp8Softmax = "Fp8Softmax"
  case fp8Attention = "Fp8Attention"
  case fp8KVUpdate = "Fp8KVUpdate"

  /// The operator as a local function over the standard operators of `opset`.
  func definition(domain: String, opset: Int64) -> Function {
    var body = FunctionBody(name: rawValue)
    let attributes: [String]
    switch self {
    case .castToFp8: attributes = body.castToFp8()
    case .castFromFp8: attributes = body.castFromFp8()
    case .dynamicCastToFp8: attributes = body.dynamicCastToFp8()
    case .fp8MatMul: attributes = body.fp8MatMul()
    case .fp8Conv: attributes = body.fp8Conv()
    case .fp8Softmax: attributes = body.fp8Softmax()
    case .fp8Attention: attributes = body.fp8Attention()
    case .fp8KVUpdate: attributes = body.fp8KVUpdate()
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

  /// Codes of x under scales of its own, and those scales: the largest magnitudes along `axes`, or of
  /// all of x where there are none, over `reach`, which is full scale times backoff.
  ///
  /// The scale is the next power of two where `is_pow2`, else the nearest number of `scale_dtype`, and at
  /// least 2^-126 (inc-fp8.md sections 3.5 and 4.6).
  mutating func dynamicCastToFp8() -> [String] {
    let x = graph.addInput("x", nil)
    let axes = graph.addInput("axes", nil)
    let wide = toFloat(x)
    let largest = add("ReduceMax", [add("Abs", [wide], "magnitudes"), axes], "largest")
    let share = add("Div", [largest, number("reach")], "share")
    let quotient = add("Max", [share, literal(0x1p-126)], "quotient")
    let flag = add(
      "Constant", [], "pow2_int", [Attribute("value_int", .reference("is_pow2", kind: 2))])
    let isPow2 = add("Cast", [flag], "wants_pow2", [Attribute("to", .int(9))])
    let short = add(
      "Cast", [quotient], "short", [Attribute("to", .reference("scale_dtype", kind: 2))])
    let scale = add("Where", [isPow2, powerOfTwo(atLeast: quotient), toFloat(short)], "scale")
    let inverse = add("Reciprocal", [scale], "inverse")
    let factor = add(
      "Cast", [inverse], "inverse_short", [Attribute("to", .reference("scale_dtype", kind: 2))])
    graph.setOutputs([quantized(wide, by: toFloat(factor)), scale])
    return ["is_pow2", "reach", "saturate_at", "scale_dtype", "to"]
  }

  /// The least power of two that is not below a float32 of at least 2^-126.
  ///
  /// The one not above a number p is q - (1 - 2^-24) q with q = (2^23 + 1) p, in float32 and rounded at
  /// every step: Rump, Ogita and Oishi, "Accurate floating-point summation, part I", algorithm 3.6. Large
  /// numbers are made small for it, so that q is finite.
  private mutating func powerOfTwo(atLeast value: ValueID) -> ValueID {
    let isLarge = add("Greater", [value, literal(0x1p64)], "is_large")
    let small = add("Mul", [value, literal(0x1p-64)], "made_small")
    let p = add("Where", [isLarge, small, value], "p")
    let q = add("Mul", [p, literal(0x1p23 + 1)], "q")
    let lower = add("Sub", [q, add("Mul", [q, literal(1 - 0x1p-24)], "q_lower")], "power_lower")
    let isExact = add("Equal", [lower, p], "is_exact")
    let upper = add("Add", [lower, lower], "power_upper")
    let power = add("Where", [isExact, lower, upper], "power_small")
    let large = add("Mul", [power, literal(0x1p64)], "power_large")
    return add("Where", [isLarge, large, power], "power")
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

  /// Attention over codes [batch, heads, rows, depth] with a quantized softmax and output.
  ///
  /// The scores are multiplied by `scale`, bent at `softcap` where that is above zero, and `mask` is
  /// added. Rows that see nothing give zeros. Groups of query heads share a head of k and v.
  mutating func fp8Attention() -> [String] {
    let q = graph.addInput("q", nil)
    let k = graph.addInput("k", nil)
    let v = graph.addInput("v", nil)
    let mask = graph.addInput("mask", nil)
    let factors = [
      "q_dequant_mul", "k_dequant_mul", "v_dequant_mul", "softmax_quant_mul", "softmax_dequant_mul",
      "out_quant_mul",
    ].map { graph.addInput($0, nil) }
    let sizes = attentionSizes(q, k)
    let query = add("Mul", [toFloat(q), factors[0]], "query")
    let key = eachHead(add("Mul", [toFloat(k), factors[1]], "key"), sizes, depthOf: k)
    let value = eachHead(add("Mul", [toFloat(v), factors[2]], "value"), sizes, depthOf: v)
    let turned = add("Transpose", [key], "key_turned", [Attribute("perm", .ints([0, 1, 3, 2]))])
    let product = add("MatMul", [query, turned], "product")
    let scale = number("scale")
    let scores = add("Mul", [product, scale], "scores")
    let cap = number("softcap")
    let relative = add("Tanh", [add("Div", [scores, cap], "relative")], "bent_relative")
    let bent = add("Mul", [relative, cap], "bent")
    let isCapped = add("Greater", [cap, literal(0)], "is_capped")
    let capped = add("Where", [isCapped, bent, scores], "capped")
    let masked = add("Add", [capped, toFloat(mask)], "masked")
    let isSeen = add("Or", [notCausal(), noLater(sizes)], "is_seen")
    let seen = add("Where", [isSeen, masked, literal(-.infinity)], "seen")
    let shares = add("Softmax", [seen], "shares", [Attribute("axis", .int(-1))])
    let blind = add("IsNaN", [shares], "blind")
    let weights = add("Where", [blind, literal(0), shares], "weights")
    let codes = quantized(weights, by: factors[3], "softmax")
    let probabilities = add("Mul", [toFloat(codes), factors[4]], "probabilities")
    let mixed = add("MatMul", [probabilities, value], "mixed")
    graph.setOutputs([quantized(mixed, by: factors[5])])
    return ["is_causal", "scale", "softcap", "saturate_at", "to"]
  }

  /// Batch, heads of the queries and of the keys, rows of each, all as vectors of one number.
  private struct AttentionSizes {
    let batch: ValueID
    let heads: ValueID
    let groups: ValueID
    let queries: ValueID
    let keys: ValueID
  }

  private mutating func attentionSizes(_ q: ValueID, _ k: ValueID) -> AttentionSizes {
    let query = add("Shape", [q], "q_shape")
    let key = add("Shape", [k], "k_shape")
    return AttentionSizes(
      batch: size(key, 0, "batch"), heads: size(query, 1, "heads"), groups: size(key, 1, "groups"),
      queries: size(query, 2, "queries"), keys: size(key, 2, "keys"))
  }

  private mutating func size(_ shape: ValueID, _ axis: Int64, _ name: String) -> ValueID {
    add("Gather", [shape, integers([axis])], name)
  }

  /// A head of k or v for each head of the queries.
  private mutating func eachHead(
    _ value: ValueID, _ sizes: AttentionSizes, depthOf codes: ValueID
  ) -> ValueID {
    let name = graph[value].name
    let depth = size(add("Shape", [codes], "\(name)_shape"), 3, "\(name)_depth")
    let share = add("Div", [sizes.heads, sizes.groups], "\(name)_share")
    let apart = add("Unsqueeze", [value, integers([2])], "\(name)_apart")
    func shape(_ parts: [ValueID], _ suffix: String) -> ValueID {
      add("Concat", parts, "\(name)_\(suffix)", [Attribute("axis", .int(0))])
    }
    let repeated = add(
      "Expand",
      [apart, shape([sizes.batch, sizes.groups, share, sizes.keys, depth], "repeated_shape")],
      "\(name)_repeated")
    return add(
      "Reshape", [repeated, shape([sizes.batch, sizes.heads, sizes.keys, depth], "full_shape")],
      "\(name)_full")
  }

  /// True unless `is_causal`.
  private mutating func notCausal() -> ValueID {
    let flag = add(
      "Constant", [], "causal_int", [Attribute("value_int", .reference("is_causal", kind: 2))])
    let isCausal = add("Cast", [flag], "causal", [Attribute("to", .int(9))])
    return add("Not", [isCausal], "not_causal")
  }

  /// True where a key stands no later than the query.
  private mutating func noLater(_ sizes: AttentionSizes) -> ValueID {
    func range(_ count: ValueID, _ name: String) -> ValueID {
      let end = add("Squeeze", [count, integers([0])], "\(name)_end")
      return add("Range", [scalar(0), end, scalar(1)], name)
    }
    let rows = add("Unsqueeze", [range(sizes.queries, "rows"), integers([1])], "rows_column")
    let columns = add("Unsqueeze", [range(sizes.keys, "columns"), integers([0])], "columns_row")
    return add("LessOrEqual", [columns, rows], "no_later")
  }

  /// The codes of earlier tokens with those of new ones behind them along `axis`.
  mutating func fp8KVUpdate() -> [String] {
    let past = graph.addInput("past", nil)
    let new = graph.addInput("new", nil)
    let factor = graph.addInput("quant_mul", nil)
    let codes = quantized(toFloat(new), by: factor, "new")
    let joined = add(
      "Concat", [toFloat(past), toFloat(codes)], "joined",
      [Attribute("axis", .reference("axis", kind: 2))])
    // Every number is a code's, so that casting it back changes nothing.
    graph.setOutputs([
      add("Cast", [joined], "present", [Attribute("to", .reference("to", kind: 2))])
    ])
    return ["axis", "saturate_at", "to"]
  }

  private mutating func number(_ attribute: String) -> ValueID {
    add("Constant", [], attribute, [Attribute("value_float", .reference(attribute, kind: 1))])
  }

  private mutating func literal(_ value: Float) -> ValueID {
    add("Constant", [], "number", [Attribute("value_float", .float(value))])
  }

  private mutating func scalar(_ value: Int64) -> ValueID {
    add("Constant", [], "integer", [Attribute("value_int", .int(value))])
  }

  private mutating func integers(_ values: [Int64]) -> ValueID {
    add("Constant", [], "integers", [Attribute("value_ints", .ints(values))])
  }

  /// Nearest codes of a float32 value times a factor, within `saturate_at`.
  private mutating func quantized(
    _ value: ValueID, by factor: ValueID, _ name: String? = nil
  ) -> ValueID {
    let prefix = name.map { "\($0)_" } ?? ""
    let scaled = add("Mul", [value, factor], "\(prefix)scaled")
    let high = add(
      "Constant", [], "\(prefix)high",
      [Attribute("value_float", .reference("saturate_at", kind: 1))])
    let low = add("Neg", [high], "\(prefix)low")
    let floored = add("Max", [scaled, low], "\(prefix)floored")
    let clamped = add("Min", [floored, high], "\(prefix)clamped")
    return add("Cast", [clamped], "\(prefix)y", [Attribute("to", .reference("to", kind: 2))])
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

internal import FP8
internal import IR
internal import Support
internal import Targets

/// The operands of lowered modules: quantized once, shared by whoever reads them alike.
struct FP8Operands {
  var graph: Graph
  let context: PassContext
  private(set) var loweredCount = 0

  private var activations: [ActivationKey: ValueID] = [:]
  /// The activations whose scales are computed when the model runs.
  var dynamicActivations: [DynamicKey: DynamicCast.Result] = [:]
  /// The codes of weights, which all graphs of the model share.
  var codeLibrary: CodeLibrary
  /// The dequantized values of codes.
  private var dequantized: [ValueID: ValueID] = [:]
  /// The values that the target's cast makes of codes.
  var decoded: [ValueID: ValueID] = [:]
  private var paddings: [PaddingKey: ValueID] = [:]

  private struct ActivationKey: Hashable {
    let value: ValueID
    let scale: Float
    let isTransposed: Bool
  }

  private struct PaddingKey: Hashable {
    let value: ValueID
    let pads: [Int64]
  }

  /// The modules that have a value for an operand, by their index.
  var readers: [ValueID: [Int]] = [:]

  /// The version of the standard operators that the model imports.
  let opset: Int64

  init(graph: Graph, context: PassContext, codeLibrary: CodeLibrary, opset: Int64) {
    self.graph = graph
    self.opset = opset
    self.context = context
    self.codeLibrary = codeLibrary
    for (index, module) in graph.modules.enumerated() {
      for port in module.ports where port.role != .output {
        if let value = port.value { readers[value, default: []].append(index) }
      }
    }
  }

  var limits: FormatLimits { context.settings.limits }

  mutating func markLowered() { loweredCount += 1 }

  // MARK: Weights

  /// The FP8 codes of a weight, transposed where the operator wants the other orientation; the module's
  /// port names them from now on.
  mutating func quantizedWeight(
    _ port: Port, ofModuleAt index: Int, isTransposed: Bool = false
  ) throws(Diagnostic) -> ValueID {
    guard let scale = port.scale, let value = port.value,
      let weight = graph.weight(of: value, outer: codeLibrary.weights)
    else { throw .notAWeight(graph.name(of: port)) }
    var placed = scale
    if isTransposed, case .perChannel(let values, let axis) = scale {
      placed = .perChannel(values, axis: 1 - axis)
    }
    let key = CodeLibrary.Key(
      weight: graph[value].name, scale: scale, isTransposed: isTransposed)
    let id: ValueID
    if let known = codeLibrary.codes[key] {
      id = graph.value(named: known) ?? capture(known)
    } else {
      id = addCodes(key, of: weight, placed, annotations: graph[value].annotations)
    }
    graph.updateModule(at: index) { module in
      for position in module.ports.indices where module.ports[position].name == port.name {
        module.ports[position].value = id
        module.ports[position].scale = placed
        if isTransposed { module.ports[position].channelAxis = port.channelAxis.map { 1 - $0 } }
      }
    }
    return id
  }

  private mutating func addCodes(
    _ key: CodeLibrary.Key, of weight: Weight, _ scale: Scale, annotations: Annotations
  ) -> ValueID {
    var weight = weight
    if key.isTransposed { weight.recipe.append(.transpose([1, 0])) }
    weight.recipe.append(
      .quantize(
        Quantization(
          element: limits.encoding.element, scale: scale, fullscale: limits.fullscale,
          via: context.settings.weightsVia?.element)))
    let name = codeLibrary.add(key, weight, annotations)
    return codeLibrary.isBody
      ? capture(name) : graph.addWeight(name, weight, annotations: annotations)
  }

  /// Codes that the main graph has.
  private mutating func capture(_ name: String) -> ValueID {
    let id = graph.capture(name)
    if let weight = codeLibrary.made.first(where: { $0.name == name })?.weight {
      graph.setType(of: id, to: .tensor(weight.type()))
    }
    return id
  }

  // MARK: Activations in the target's operators

  /// The activation as FP8 codes.
  mutating func quantizedActivation(
    _ value: ValueID, scale: Float, isTransposed: Bool = false, before node: NodeID
  ) -> ValueID {
    let key = ActivationKey(value: value, scale: scale, isTransposed: isTransposed)
    if let known = activations[key] { return known }
    var source = value
    if isTransposed {
      source = transposed(value, before: node)
    }
    let inverse = graph.sharedScalar("fp8c.mul.\(1 / scale)", 1 / scale)
    let type = graph[source].type?.tensor.map {
      ValueType.tensor(TensorType(limits.encoding.element, $0.shape))
    }
    let codes = graph.addNode(
      Node(
        op: TargetOperator.castToFp8.rawValue, domain: context.settings.target.domain,
        inputs: [source, inverse], outputs: [],
        attributes: castAttributes, origin: graph[node].origin),
      result: "\(graph[value].name).fp8", type: type, before: node)
    activations[key] = codes
    return codes
  }

  /// The input with zeros around it; zero is an FP8 number, so padding commutes with quantizing.
  mutating func padded(_ value: ValueID, _ pads: [Int64], before node: NodeID) -> ValueID {
    let key = PaddingKey(value: value, pads: pads)
    if let known = paddings[key] { return known }
    let half = pads.count / 2
    let all: [Int64] = [0, 0] + pads[..<half] + [0, 0] + pads[half...]
    let amounts = graph.sharedLiteral(
      "fp8c.pads.\(all.map(String.init).joined(separator: "."))",
      TensorType(.int64, sizes: [Int64(all.count)]), all.littleEndianBytes)
    let type = graph[value].type?.tensor
    let shape = type?.shape.map { $0.enumerated().map { axis, size in size.padded(all, axis) } }
    let result = graph.addNode(
      Node(op: "Pad", inputs: [value, amounts], outputs: [], origin: graph[node].origin),
      result: "\(graph[value].name).padded",
      type: type.map { .tensor(TensorType($0.element, shape)) }, before: node)
    paddings[key] = result
    return result
  }

  /// A matrix with rows and columns exchanged.
  mutating func transposed(_ value: ValueID, before node: NodeID) -> ValueID {
    let type = graph[value].type?.tensor
    var shape = type?.shape
    if let known = shape, known.count == 2 { shape = [known[1], known[0]] }
    return graph.addNode(
      Node(
        op: "Transpose", inputs: [value], outputs: [],
        attributes: [Attribute("perm", .ints([1, 0]))], origin: graph[node].origin),
      result: "\(graph[value].name).transposed",
      type: type.map { .tensor(TensorType($0.element, shape)) }, before: node)
  }

  // MARK: Activations between quantizers

  /// The activation clamped, quantized and dequantized, in the type it had.
  mutating func fakeQuantizedActivation(
    _ value: ValueID, element: ElementType, scale: Float, before node: NodeID
  ) -> ValueID {
    let key = ActivationKey(value: value, scale: scale, isTransposed: false)
    if let known = activations[key] { return known }
    let codes = linearCodes(of: value, element: element, scale: scale, before: node)
    let current = linearValue(
      of: codes, scale: scale, to: element, named: graph[value].name, before: node)
    activations[key] = current
    return current
  }

  /// The activation clamped and quantized.
  mutating func linearCodes(
    of value: ValueID, element: ElementType, scale: Float, before node: NodeID
  ) -> ValueID {
    let name = graph[value].name
    let origin = graph[node].origin
    let shape = graph[value].type?.tensor?.shape
    let wide = ValueType.tensor(TensorType(.float32, shape))
    let limit = limits.fullscale * scale
    let low = graph.sharedScalar("fp8c.min.\(-limit)", -limit)
    let high = graph.sharedScalar("fp8c.max.\(limit)", limit)
    let factor = graph.sharedScalar("fp8c.scale.\(scale)", scale)
    let zero = zeroPoint()
    var current = value
    func add(_ op: String, _ inputs: [ValueID], _ suffix: String, _ type: ValueType?) {
      current = graph.addNode(
        Node(op: op, inputs: inputs, outputs: [], origin: origin), result: "\(name).\(suffix)",
        type: type, before: node)
    }
    if element != .float32 { current = cast(current, to: .float32, before: node) }
    add("Max", [current, low], "floored", wide)
    add("Min", [current, high], "clamped", wide)
    add(
      "QuantizeLinear", [current, factor, zero], "quantized",
      .tensor(TensorType(limits.encoding.element, shape)))
    return current
  }

  /// Codes dequantized, in the type that the operators of the model read.
  mutating func linearValue(
    of codes: ValueID, scale: Float, to element: ElementType, named name: String,
    before node: NodeID
  ) -> ValueID {
    let value = graph.addNode(
      Node(
        op: "DequantizeLinear",
        inputs: [codes, graph.sharedScalar("fp8c.scale.\(scale)", scale)], outputs: [],
        origin: graph[node].origin),
      result: "\(name).dequantized",
      type: .tensor(TensorType(.float32, graph[codes].type?.tensor?.shape)), before: node)
    return element == .float32 ? value : cast(value, to: element, before: node)
  }

  /// A weight dequantized at run time, in the type it had.
  mutating func dequantizedWeight(
    _ port: Port, ofModuleAt index: Int, element: ElementType, before node: NodeID
  ) throws(Diagnostic) -> ValueID {
    let codes = try quantizedWeight(port, ofModuleAt: index)
    if let known = dequantized[codes] { return known }
    let name = graph.name(of: port)
    var attributes: [Attribute] = []
    let factor: ValueID
    switch port.scale {
    case .perChannel(let values, let axis)?:
      attributes = [Attribute("axis", .int(Int64(axis)))]
      factor = graph.sharedLiteral(
        "\(name).scale", TensorType(.float32, sizes: [Int64(values.count)]),
        values.littleEndianBytes)
    case .perTensor(let value)?: factor = graph.sharedScalar("fp8c.scale.\(value)", value)
    case .dynamic?, nil: throw .notAWeight(name)
    }
    let shape = graph[codes].type?.tensor?.shape
    let wide = graph.addNode(
      Node(
        op: "DequantizeLinear", inputs: [codes, factor], outputs: [], attributes: attributes,
        origin: graph[node].origin),
      result: "\(name).dequantized", type: .tensor(TensorType(.float32, shape)), before: node)
    let value = element == .float32 ? wide : cast(wide, to: element, before: node)
    dequantized[codes] = value
    return value
  }

  mutating func cast(_ value: ValueID, to element: ElementType, before node: NodeID) -> ValueID {
    graph.addNode(
      Node(
        op: "Cast", inputs: [value], outputs: [],
        attributes: [Attribute("to", .int(Int64(element.rawValue)))], origin: graph[node].origin),
      result: "\(graph[value].name).\(element.spelling)",
      type: .tensor(TensorType(element, graph[value].type?.tensor?.shape)), before: node)
  }

  private mutating func zeroPoint() -> ValueID {
    let element = limits.encoding.element
    return graph.sharedLiteral(
      "fp8c.zero.\(element.spelling)", TensorType(element, sizes: []), [0])
  }
}

extension Dimension {
  /// The size with what `Pad` adds at both ends of an axis; unknown where a number is not known.
  fileprivate func padded(_ amounts: [Int64], _ axis: Int) -> Dimension {
    let half = amounts.count / 2
    guard let size, axis < half else { return .unknown }
    let (front, overflow) = size.addingReportingOverflow(amounts[axis])
    let (sum, again) = front.addingReportingOverflow(amounts[half + axis])
    return overflow || again || sum < 0 ? .unknown : .size(sum)
  }
}

internal import FP8
package import IR
package import Support
internal import Targets

/// Replaces modules by FP8 operators, and their weights by FP8 codes.
///
/// Before, with scales assigned:
///
///     %y = MatMul(%x, @w) : f32[4, 10]
///     module linear "fc" Linear …
///       (input: activation %x scale 1.0, weight: weight @w axis 1 scale 0.0625) = %y
///
/// After, in the target's operators (decisions.md, Output form), where `CastToFp8` multiplies by the
/// inverse scale, saturates and rounds, and `Fp8MatMul` multiplies the sum by both scales:
///
///     weight @w: f8e4m3fn[64, 10] stored … f32[64, 10] | quantize f8e4m3fn scale 0.0625 …
///     %x.fp8 = "ai.fp8c.gaudi2"::CastToFp8(%x, @one) {saturate_at = 240.0, to = 17}
///     %y = "ai.fp8c.gaudi2"::Fp8MatMul(%x.fp8, @w, @one, @sixteenth) {out_dtype = 1} : f32[4, 10]
///
/// With `form=qdq`, quantized and dequantized operands of the same operator instead. The clamp before
/// `QuantizeLinear` is a `Max` and a `Min`, never a `Clip`, which a default session of ONNX Runtime
/// refuses or removes (engineering.md section 5):
///
///     %x.clamped = Min(Max(%x, -240.0), 240.0)
///     %x.dequantized = DequantizeLinear(QuantizeLinear(%x.clamped, @one, @zero), @one)
///     %w.dequantized = DequantizeLinear(@w, @sixteenth)
///     %y = MatMul(%x.dequantized, %w.dequantized) : f32[4, 10]
///
/// A tensor that several modules read with one scale is quantized once. A weight that something else
/// reads too keeps its high precision copy beside the codes.
package struct LowerToFP8: Pass {
  package static let name = "lower-to-fp8"

  /// `target` or `qdq`; the driver's choice where it is not given.
  package var form: OutputForm?

  package static let options = ["form"]

  package init() {}

  package mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    guard let form = OutputForm(rawValue: value) else {
      throw .optionValue(value, of: option, pass: Self.name, expected: "one of 'target', 'qdq'")
    }
    self.form = form
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    guard model.hasModules else { return }
    let opset = model.opset ?? context.settings.emittedOpset(from: 0)
    var lowering = Lowering(
      form: form ?? context.settings.form, CodeLibrary(of: model.graph), opset: opset)
    try lowering.run(on: &model.graph, in: &context)
    lowering.codeLibrary.settle(in: &model.graph)
    context.count("lowered", by: lowering.count)
    guard !lowering.used.isEmpty else { return }
    model.opsets.set(context.settings.target.domain, to: 1)
    for op in TargetOperator.allCases where lowering.used.contains(op) {
      let function = op.definition(domain: context.settings.target.domain, opset: opset)
      if model.function(function.key) == nil { model.functions.append(function) }
    }
  }
}

/// One run over a graph and the bodies in it.
private struct Lowering {
  let form: OutputForm
  let opset: Int64
  var codeLibrary: CodeLibrary
  private(set) var used: Set<TargetOperator> = []
  private(set) var count = 0

  init(form: OutputForm, _ codeLibrary: CodeLibrary, opset: Int64) {
    self.form = form
    self.opset = opset
    self.codeLibrary = codeLibrary
  }

  /// The graph's own modules, then those of its bodies, whose codes the main graph gets.
  mutating func run(
    on graph: inout Graph, in context: inout PassContext, depth: Int = 1
  ) throws(Diagnostic) {
    try lower(&graph, &context)
    guard depth < Graph.depthLimit else { return }
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      codeLibrary.isBody = true
      try node.mapBodies { body throws(Diagnostic) in
        let before = Set(body.values.map { body[$0].name })
        try run(on: &body, in: &context, depth: depth + 1)
        codeLibrary.separate(&body, from: before)
      }
      codeLibrary.isBody = depth > 1
      if depth == 1 { codeLibrary.place(in: &graph) }
      if node != graph[id] { graph.update(id) { $0.attributes = node.attributes } }
    }
  }

  private mutating func lower(
    _ graph: inout Graph, _ context: inout PassContext
  ) throws(Diagnostic) {
    guard !graph.modules.isEmpty else { return }
    var operands = FP8Operands(
      graph: graph, context: context, codeLibrary: codeLibrary, opset: opset)
    var left: Set<String> = []
    for index in pending(in: graph) {
      let module = operands.graph.modules[index]
      // Codes that leave the graph need a scale that is known outside.
      if module.kind == "kv_cache", context.settings.hasFP8Cache, !codeLibrary.isBody,
        !context.settings.isDynamic
      {
        switch try operands.lowerCacheInterface(moduleAt: index, form: form) {
        case .done(let operators, let note):
          used.formUnion(operators)
          context.warn(note)
          continue
        case .left(let reason): context.warn(.cacheKept(module.path, reason))
        }
      }
      // The new keys and values of an attention operator are quantized already as its operands.
      if module.kind == "kv_cache", !module.reads(operandsIn: operands.graph) { continue }
      switch form {
      case .qdq where module.kind == "softmax": try operands.lowerSoftmaxToQDQ(moduleAt: index)
      case .qdq: try operands.lowerToQDQ(moduleAt: index)
      case .target:
        if let operators = try operands.lowerToTarget(moduleAt: index) {
          used.formUnion(operators)
        } else {
          context.warn(.paddingUnknown(module.path))
          context.leave(
            module, of: operands.graph, because: "its padding depends on a size that is not known")
          left.insert(module.path)
        }
      }
    }
    operands.graph.removeModules { left.contains($0.path) }
    codeLibrary = operands.codeLibrary
    graph = operands.graph
    if codeLibrary.isBody { dropUnread(in: &graph) }
    count += operands.loweredCount
  }

  /// Captured values that a body reads no more: what they name stays outside for others.
  private func dropUnread(in body: inout Graph) {
    let named = Set(body.modules.flatMap { $0.ports.compactMap(\.value) })
    for value in body.values
    where body[value].origin == .captured && body.useCount(of: value) == 0
      && !named.contains(value)
    {
      body.removeValue(value)
    }
  }

  /// The modules to lower, in the order of their operators: what the first one quantizes stands in front
  /// of all that share it.
  private func pending(in graph: Graph) -> [Int] {
    var places: [NodeID: Int] = [:]
    for (place, id) in graph.nodeIDs.enumerated() { places[id] = place }
    func place(_ index: Int) -> Int { graph.modules[index].nodes.first.flatMap { places[$0] } ?? 0 }
    return graph.modules.indices
      .filter { graph.modules[$0].isScaled && graph.modules[$0].reads(operandsIn: graph) }
      .sorted { place($0) < place($1) }
  }
}

/// How quantized modules are written.
package enum OutputForm: String, CaseIterable, Sendable {
  /// Operators of the target, each with a definition in standard ones.
  case target
  /// `QuantizeLinear` and `DequantizeLinear` around the operators of the source.
  case qdq
}

extension QuantizedModule {
  var quantizedPorts: [Port] {
    ports.filter { $0.role == .activation || $0.role == .weight }
  }

  /// True where every quantized operand has a scale, and activations one for the whole tensor.
  fileprivate var isScaled: Bool {
    quantizedPorts.allSatisfy { port in
      guard let scale = port.scale else { return false }
      return port.role == .weight || scale.axis == nil
    }
  }

  /// True before the module is lowered: its operator reads the values of its ports themselves.
  fileprivate func reads(operandsIn graph: Graph) -> Bool {
    if kind == "softmax" {
      return nodes.count == 1 && nodes.allSatisfy { graph[$0].isStandard("Softmax") }
    }
    // What the target updates itself reads the new keys as they are.
    if nodes.contains(where: { graph[$0].op == TargetOperator.fp8KVUpdate.rawValue }) {
      return false
    }
    return quantizedPorts.allSatisfy { port in
      nodes.contains { graph[$0].inputs.contains(port.value) }
    }
  }
}

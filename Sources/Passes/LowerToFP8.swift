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
    guard !model.graph.modules.isEmpty else { return }
    let form = form ?? context.settings.form
    var operands = FP8Operands(graph: model.graph, context: context)
    var used: Set<TargetOperator> = []
    var left: Set<String> = []
    for index in pending(in: model.graph) {
      let module = operands.graph.modules[index]
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
          left.insert(module.path)
        }
      }
    }
    operands.graph.removeModules { left.contains($0.path) }
    operands.settleWeights()
    model.graph = operands.graph
    context.count("lowered", by: operands.loweredCount)
    guard !used.isEmpty else { return }
    let opset = model.opset ?? context.settings.emittedOpset(from: 0)
    model.opsets.set(context.settings.target.domain, to: 1)
    for op in TargetOperator.allCases where used.contains(op) {
      let function = op.definition(domain: context.settings.target.domain, opset: opset)
      if model.function(function.key) == nil { model.functions.append(function) }
    }
  }
}

extension LowerToFP8 {
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
    return quantizedPorts.allSatisfy { port in
      nodes.contains { graph[$0].inputs.contains(port.value) }
    }
  }
}

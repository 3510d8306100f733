package import IR
package import Support
internal import Targets

/// Adds graph outputs that report what every quantized port sees.
///
/// Before:
///
///     graph @main(%x: f32[4, 64]) -> (%y) {
///       %y = MatMul(%x, @w) : f32[4, 10]
///       module linear "fc" Linear … (input: activation %x, weight: weight @w axis 1) = %y
///
/// After, in front of `MatMul`, three scalars that are outputs of the graph too:
///
///     %"fp8c.observe/fc/input" = max(|x|, 0) over all elements
///     %"fp8c.observe/fc/input/flag" = the sum of x · 0: NaN where an element is NaN or infinite
///     %"fp8c.observe/fc/input/count" = 1
///
/// The maximum is taken inside the graph, so memory grows neither with batches nor with tensors
/// (decisions.md, Measuring). A value that several ports read is observed once and its scalars are
/// given under each port's name. A zero stands beside the elements: it floors the maximum at 0, and a
/// tensor without elements reports 0. Only the standard operators of opset 7 are used.
package struct InsertObservers: Pass {
  package static let name = "insert-observers"

  package init() {}

  /// The graph output that reports a port's largest magnitude.
  package static func outputName(path: String, port: String) -> String {
    "fp8c.observe/\(path)/\(port)"
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var graph = model.graph
    var observers: [ValueID: Observer] = [:]
    var outputs = graph.outputs
    for module in graph.modules {
      for port in module.ports where isObserved(port, of: module, context) {
        let name = InsertObservers.outputName(path: module.path, port: port.name)
        guard let value = port.value, graph.value(named: name) == nil else { continue }
        let element = try elementType(of: port, module, in: graph)
        let observer: Observer
        if let known = observers[value] {
          observer = known
        } else {
          observer = Observer(of: value, element: element, in: &graph)
          observers[value] = observer
        }
        for (suffix, value) in [
          ("", observer.maximum), ("/flag", observer.flag), ("/count", observer.count),
        ] {
          let node = graph.addNode(
            Node(op: "Identity", inputs: [value], outputs: []),
            results: [(name + suffix, graph[value].type)])
          outputs += graph[node].outputs.compactMap { $0 }
        }
        context.count("observers")
      }
    }
    if outputs.count != graph.outputs.count { graph.setOutputs(outputs) }
    model.graph = graph
  }

  private func isObserved(
    _ port: Port, of module: QuantizedModule, _ context: PassContext
  ) -> Bool {
    switch context.settings.modules.kind(named: module.kind)?.port(port.name)?.measured {
    case .inputs?: true
    case .outputs?:
      context.settings.measuresOutputs
        || context.settings.modules.alwaysMeasuresOutput(of: module.kind)
    case .params?, nil: false
    }
  }

  /// The element type of a port's value; a module's weight has the type of its activations.
  private func elementType(
    of port: Port, _ module: QuantizedModule, in graph: Graph
  ) throws(Diagnostic) -> ElementType {
    if let type = graph.type(of: port)?.element { return type }
    for other in module.ports {
      if let type = graph.type(of: other)?.element { return type }
    }
    throw .untypedPort(port.name, of: module.path)
  }
}

/// The scalars of one observed value.
private struct Observer {
  let maximum: ValueID
  let flag: ValueID
  let count: ValueID

  init(of value: ValueID, element: ElementType, in graph: inout Graph) {
    let name = graph[value].name
    let scalar = ValueType.tensor(TensorType(element, []))
    let vector = ValueType.tensor(TensorType(element, [.unknown]))
    func node(
      _ op: String, _ inputs: [ValueID], _ suffix: String, _ type: ValueType?,
      _ attributes: [Attribute] = []
    ) -> ValueID {
      graph.addNode(
        Node(op: op, inputs: inputs, outputs: [], attributes: attributes),
        result: "\(name).\(suffix)", type: type)
    }
    func constant(_ base: String, _ type: TensorType, _ bytes: [UInt8]) -> ValueID {
      graph.sharedLiteral("fp8c.observe.\(base)", type, bytes)
    }
    let zero = [UInt8](repeating: 0, count: element.byteCount(of: 1) ?? 0)
    let zeroVector = constant("zero.\(element.spelling)", TensorType(element, sizes: [1]), zero)
    let zeroScalar = constant("scalar.\(element.spelling)", TensorType(element, sizes: []), zero)
    let flat = constant(
      "flat", TensorType(.int64, sizes: [1]), [UInt8](repeating: 0xFF, count: 8))
    let magnitude = node("Abs", [value], "abs", graph[value].type)
    let elements = node("Reshape", [magnitude, flat], "flat", vector)
    let floored = node(
      "Concat", [elements, zeroVector], "floored", vector, [Attribute("axis", .int(0))])
    let keep = [Attribute("keepdims", .int(0))]
    maximum = node("ReduceMax", [floored], "max", scalar, keep)
    let nothing = node("Mul", [floored, zeroScalar], "nothing", vector)
    flag = node("ReduceSum", [nothing], "flag", scalar, keep)
    count = constant("one", TensorType(.float32, sizes: []), [0, 0, 0x80, 0x3F])
  }
}

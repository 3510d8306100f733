internal import IR
internal import Support

extension FP8Operands {
  /// Puts quantizers and dequantizers in front of what a module's operators read, which stay as they
  /// are.
  mutating func lowerToQDQ(moduleAt index: Int) throws(Diagnostic) {
    try replaceOperands(ofModuleAt: index) { operands, port, element, node throws(Diagnostic) in
      if port.role == .weight {
        return try operands.dequantizedWeight(
          port, ofModuleAt: index, element: element, before: node)
      }
      guard case .perTensor(let scale)? = port.scale, let value = port.value else { return nil }
      return operands.fakeQuantizedActivation(
        value, element: element, scale: scale, before: node)
    }
  }

  /// Lets the operators of a module read something else than the values of its quantized ports.
  mutating func replaceOperands(
    ofModuleAt index: Int,
    by replacement: (
      inout FP8Operands, Port, _ element: ElementType, _ reader: NodeID
    ) throws(Diagnostic) -> ValueID?
  ) throws(Diagnostic) {
    let module = graph.modules[index]
    let element = elementType(of: module)
    for port in module.ports where port.role == .activation || port.role == .weight {
      guard let value = port.value,
        let reader = module.nodes.first(where: { graph[$0].inputs.contains(value) }),
        let position = graph[reader].inputs.firstIndex(of: value)
      else { throw .portNotRead(port.name, of: module.path) }
      guard let new = try replacement(&self, port, element, reader) else { continue }
      graph.update(reader) { $0.inputs[position] = new }
    }
    markLowered()
  }

  /// The type a module computes in: that of its weight, or of an operand.
  func elementType(of module: QuantizedModule) -> ElementType {
    for port in module.ports where port.role == .weight {
      if let value = port.value, let weight = graph.weight(of: value, outer: codeLibrary.weights) {
        return weight.type(after: weight.recipe.count - (weight.quantization == nil ? 0 : 1))
          .element
      }
    }
    for port in module.ports {
      if let type = graph.type(of: port)?.element { return type }
    }
    return .float32
  }
}

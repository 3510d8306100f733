internal import IR
internal import Support

extension FP8Operands {
  /// Puts quantizers in front of a module's operator, which stays as it is.
  mutating func lowerToQDQ(moduleAt index: Int) throws(Diagnostic) {
    let module = graph.modules[index]
    guard let node = module.nodes.first else { return }
    var inputs = graph[node].inputs
    var replaced: Set<Int> = []
    let element = elementType(of: module)
    for port in module.ports where port.role == .activation || port.role == .weight {
      guard
        let position = inputs.indices.first(where: {
          inputs[$0] == port.value && !replaced.contains($0)
        })
      else { throw .portNotRead(port.name, of: module.path) }
      replaced.insert(position)
      if port.role == .weight {
        inputs[position] = try dequantizedWeight(
          port, ofModuleAt: index, element: element, before: node)
      } else if case .perTensor(let scale)? = port.scale, let value = port.value {
        inputs[position] = fakeQuantizedActivation(
          value, element: element, scale: scale, before: node)
      }
    }
    graph.update(node) { $0.inputs = inputs }
    markLowered()
  }

  /// The type a module computes in: that of its weight, or of an operand.
  func elementType(of module: QuantizedModule) -> ElementType {
    for port in module.ports where port.role == .weight {
      if let weight = graph.weight(of: port) {
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

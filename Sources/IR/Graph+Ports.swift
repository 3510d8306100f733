extension Graph {
  /// The constant that a port reads.
  package func weight(of port: Port) -> Weight? { port.value.flatMap { self[$0].weight } }

  package func type(of port: Port) -> TensorType? {
    port.value.flatMap { self[$0].type?.tensor }
  }

  /// The name of the port's value, the port's own where it has none.
  package func name(of port: Port) -> String { port.value.map { self[$0].name } ?? port.name }
}

/// What was measured of one module: a node of INC's measurement file.
package struct MeasuredNode: Equatable, Sendable {
  /// The module path: `layers.0.self_attn.q_proj`.
  package var name: String
  package var inputs: [RangeTable]
  /// Empty where outputs were not measured.
  package var outputs: [RangeTable]
  /// By parameter name, in the file's order; the weight of INC's modules is `weight`.
  package var parameters: [Parameter]

  package struct Parameter: Equatable, Sendable {
    package var name: String
    package var table: RangeTable

    package init(name: String, table: RangeTable) {
      self.name = name
      self.table = table
    }
  }

  package init(
    name: String, inputs: [RangeTable] = [], outputs: [RangeTable] = [], weight: RangeTable? = nil
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    parameters = weight.map { [Parameter(name: "weight", table: $0)] } ?? []
  }

  package var weight: RangeTable? { parameters.first { $0.name == "weight" }?.table }
}

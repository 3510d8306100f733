/// The scales of one module: a node of INC's scale file.
package struct ScaleRecord: Equatable, Sendable {
  package var name: String
  package var inputs: [Float]
  package var outputs: [RecordedScale]
  package var weight: RecordedScale?

  package init(
    name: String, inputs: [Float], outputs: [RecordedScale], weight: RecordedScale? = nil
  ) {
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.weight = weight
  }
}

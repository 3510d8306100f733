/// A named pair of choices; code sees the choices, never the name.
package struct ScaleMethod: Hashable, Sendable {
  package var name: String
  package var weight: ScaleChoice
  package var activation: ScaleChoice

  package init(name: String, weight: ScaleChoice, activation: ScaleChoice) {
    self.name = name
    self.weight = weight
    self.activation = activation
  }
}

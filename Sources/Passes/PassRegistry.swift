package import Support

/// Every pass, in the order in which the default pipeline runs them.
package enum PassRegistry {
  package static let passes: [any Pass.Type] = [
    InferTypes.self, Canonicalize.self, RaiseOpset.self, InlineFunctions.self,
    ExpandFused.self, ExpandAttention.self,
    HoistWeights.self,
    SelectModules.self,
    EraseCollectives.self, InsertObservers.self,
    BindMeasurements.self, AssignScales.self, LowerToFP8.self, FoldScales.self,
    ClampQuantizers.self,
    ConvertPrecision.self, AnnotateNodes.self, ObserveErrors.self,
  ]

  /// The pass of that name with default options.
  package static func pass(named name: String) throws(Diagnostic) -> any Pass {
    guard let type = passes.first(where: { $0.name == name }) else {
      throw .unknownPass(name, known: passes.map { $0.name })
    }
    return type.init()
  }
}

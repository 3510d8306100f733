package import FP8
package import Support

/// Which scale method each module has: one for all, or INC's object form (inc-fp8.md section 4.8).
package struct MethodPlan: Equatable, Sendable {
  /// What modules have that no other rule names.
  package var standard: ScaleMethod
  private var nodes: [String: ScaleMethod] = [:]
  private var layers: [Int: ScaleMethod] = [:]
  private var types: [String: ScaleMethod] = [:]

  package init(_ standard: ScaleMethod) { self.standard = standard }

  /// Every method of the plan: the standard one first, then by rule and key.
  package var methods: [ScaleMethod] {
    [standard] + nodes.sorted { $0.key < $1.key }.map(\.value)
      + layers.sorted { $0.key < $1.key }.map(\.value)
      + types.sorted { $0.key < $1.key }.map(\.value)
  }

  /// False where every scale is fixed, whatever was measured.
  package var needsRanges: Bool {
    methods.contains { $0.activation.value != .fixed || $0.weight.value != .fixed }
  }

  /// The method of a module: by its exact path, else by the number behind `layers.` or `layers/` in it,
  /// else by its class, else the standard one.
  package func method(path: String, type: String?) -> ScaleMethod {
    if let method = nodes[path] { return method }
    if !layers.isEmpty, let layer = MethodPlan.layer(in: path), let method = layers[layer] {
      return method
    }
    return type.flatMap { types[$0] } ?? standard
  }

  /// The number of the first `layers.N` in a path, else of the first `layers/N`.
  private static func layer(in path: String) -> Int? {
    for mark in ["layers.", "layers/"] {
      var rest = path[...]
      while let found = rest.firstRange(of: mark) {
        let digits = rest[found.upperBound...].prefix { ("0"..."9").contains($0) }
        if !digits.isEmpty { return Int(digits) }
        rest = rest[found.upperBound...]
      }
    }
    return nil
  }

  /// Refuses methods that have no scales of the kind asked for: computed when the model runs, or fixed
  /// beforehand (inc-fp8.md section 1.3, rows 12 and 14).
  package func check(isDynamic: Bool, _ table: MethodTable) throws(Diagnostic) {
    for method in methods {
      if !isDynamic, table.isDynamic(method.name) { throw .dynamicMethod(method.name) }
      let isFixed = method.activation.value == .fixed && method.weight.value == .fixed
      if isDynamic, isFixed || method.activation.rounding == .aligned {
        let usable = table.methods.filter {
          $0.activation.value != .fixed && $0.activation.rounding != .aligned
        }
        throw .staticMethod(method.name, dynamic: usable.map(\.name))
      }
    }
  }

  // MARK: INC's object form

  /// Reads the object form; every entry must be one of the named methods in all but backoff and
  /// candidates.
  package init(_ object: JSONReader, _ table: MethodTable) throws(Diagnostic) {
    try object.onlyKeys(["default", "nodes", "layers", "layer_types"])
    let base = try MethodPlan.entry(
      try object.member("default"), weight: ScaleChoice(), activation: ScaleChoice(), table)
    self.init(base.method)
    // Every entry has a list of candidates of its own ([R-11]).
    var (weight, activation) = (base.weight, base.activation)
    weight.candidates = nil
    activation.candidates = nil
    let (ownWeight, ownActivation) = (weight, activation)
    func entries(_ key: String) throws(Diagnostic) -> [(String, ScaleMethod)] {
      guard let section = try object.optional(key) else { return [] }
      var entries: [(String, ScaleMethod)] = []
      for (name, row) in try section.members() {
        let entry = try MethodPlan.entry(
          row, weight: ownWeight, activation: ownActivation, table)
        entries.append((name, entry.method))
      }
      return entries
    }
    for (name, method) in try entries("nodes") { nodes[name] = method }
    for (name, method) in try entries("layer_types") { types[name] = method }
    for (name, method) in try entries("layers") {
      guard let layer = Int(name), layer >= 0 else {
        throw try object.member("layers").wrongType("an object whose keys are numbers of layers")
      }
      layers[layer] = method
    }
  }

  private struct Entry {
    /// As written, which overrides build on.
    let weight: ScaleChoice
    let activation: ScaleChoice
    /// With the name and the candidates of the method that it is like.
    let method: ScaleMethod
  }

  private static func entry(
    _ row: JSONReader, weight: ScaleChoice, activation: ScaleChoice, _ table: MethodTable
  ) throws(Diagnostic) -> Entry {
    try row.onlyKeys(["weight", "activation"])
    var (weight, activation) = (weight, activation)
    if let side = try row.optional("weight") { weight = try table.choice(side, base: weight) }
    if let side = try row.optional("activation") {
      activation = try table.choice(side, base: activation)
    }
    guard let named = table.method(weight: weight, activation: activation) else {
      let near = table.nearest(weight: weight, activation: activation)
      throw .unsupportedMethod(at: row.path, file: row.file, nearest: near)
    }
    var method = ScaleMethod(name: named.name, weight: weight, activation: activation)
    method.weight.candidates = weight.candidates ?? named.weight.candidates
    return Entry(weight: weight, activation: activation, method: method)
  }
}

package import FP8
package import Support

/// The named scale methods as choices (inc-fp8.md section 4.1), and INC's words for those choices.
package struct MethodTable: Equatable, Sendable {
  package let methods: [ScaleMethod]
  /// Methods that compute scales at run time: known by name, refused when scales are fixed.
  package let dynamicNames: [String]
  private let spellings: [String: [Spelling]]

  private struct Spelling: Equatable, Sendable {
    let inc: String
    let ours: String
  }

  /// The method of a name in any case; the error names the nearest one.
  package func method(_ name: String) throws(Diagnostic) -> ScaleMethod {
    guard let found = methods.first(where: { $0.name == name.lowercased() }) else {
      throw .unknownMethod(name, known: methods.map(\.name))
    }
    return found
  }

  package func isDynamic(_ name: String) -> Bool { dynamicNames.contains(name.lowercased()) }

  /// The first method that makes these choices, whatever their backoffs and candidates, as INC
  /// compares them (inc-fp8.md section 4.8).
  package func method(weight: ScaleChoice, activation: ScaleChoice) -> ScaleMethod? {
    methods.first { $0.weight.isAlike(weight) && $0.activation.isAlike(activation) }
  }

  /// The method with fixed scales that differs from these choices in the fewest of six.
  func nearest(weight: ScaleChoice, activation: ScaleChoice) -> ScaleMethod? {
    methods.filter { !isDynamic($0.name) }.min { left, right in
      left.weight.distance(to: weight) + left.activation.distance(to: activation)
        < right.weight.distance(to: weight) + right.activation.distance(to: activation)
    }
  }

  /// One side of a method as INC's object form spells it; what it leaves out comes from `base`.
  package func choice(
    _ object: JSONReader, base: ScaleChoice = ScaleChoice()
  ) throws(Diagnostic) -> ScaleChoice {
    try object.onlyKeys([
      "granularity", "scale_value_type", "rounding_method", "backoff", "params",
    ])
    var choice = base
    if let field = try object.optional("granularity") {
      choice.granularity = try spelled(field, "granularity")
    }
    if let field = try object.optional("scale_value_type") {
      choice.value = try spelled(field, "scale_value_type")
    }
    if let field = try object.optional("rounding_method") {
      choice.rounding = try spelled(field, "rounding_method")
    }
    if let field = try object.optional("backoff") { choice.backoff = try field.double() }
    if let params = try object.optional("params"), !params.isNull {
      try params.onlyKeys(["weight_scales", "objective"])
      if let objective = try params.optional("objective") {
        choice.objective = try objective.choice(of: ScaleChoice.Objective.self)
      }
      if let scales = try params.optional("weight_scales") {
        choice.candidates = try scales.doubles()
      }
    }
    return choice
  }

  private func spelled<Choice: RawRepresentable>(
    _ field: JSONReader, _ key: String
  ) throws(Diagnostic) -> Choice where Choice.RawValue == String {
    let pairs = spellings[key] ?? []
    let word = try field.string().uppercased()
    guard let ours = pairs.first(where: { $0.inc == word })?.ours,
      let choice = Choice(rawValue: ours)
    else { throw field.notOneOf(pairs.map(\.inc)) }
    return choice
  }

  /// The table that the compiler was built with.
  package static func embedded() throws(Diagnostic) -> MethodTable {
    try MethodTable(try EmbeddedFile.reader("methods.json"))
  }

  init(_ table: JSONReader) throws(Diagnostic) {
    try table.onlyKeys(["methods", "spellings"])
    var methods: [ScaleMethod] = []
    var dynamicNames: [String] = []
    for row in try table.member("methods").items() {
      try row.onlyKeys(["method", "isDynamic", "weight", "activation"])
      let name = try row.member("method").string()
      methods.append(
        ScaleMethod(
          name: name, weight: try ScaleChoice(try row.member("weight")),
          activation: try ScaleChoice(try row.member("activation"))))
      if try row.member("isDynamic").bool() { dynamicNames.append(name) }
    }
    self.methods = methods
    self.dynamicNames = dynamicNames
    var spellings: [String: [Spelling]] = [:]
    for (key, words) in try table.member("spellings").members() {
      for (inc, ours) in try words.members() {
        spellings[key, default: []].append(Spelling(inc: inc, ours: try ours.string()))
      }
    }
    self.spellings = spellings
  }
}

extension ScaleChoice {
  fileprivate init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["granularity", "value", "rounding", "backoff", "candidates"])
    self.init(
      granularity: try row.member("granularity").choice(of: Granularity.self),
      value: try row.member("value").choice(of: Value.self),
      rounding: try row.member("rounding").choice(of: Rounding.self),
      backoff: try row.member("backoff").double(),
      candidates: try row.optional("candidates")?.doubles())
  }

  fileprivate func isAlike(_ other: ScaleChoice) -> Bool { distance(to: other) == 0 }

  /// In how many of granularity, value and rounding two choices differ.
  fileprivate func distance(to other: ScaleChoice) -> Int {
    (granularity == other.granularity ? 0 : 1) + (value == other.value ? 0 : 1)
      + (rounding == other.rounding ? 0 : 1)
  }
}

extension JSONReader {
  func doubles() throws(Diagnostic) -> [Double] {
    var numbers: [Double] = []
    for item in try items() { numbers.append(try item.double()) }
    return numbers
  }
}

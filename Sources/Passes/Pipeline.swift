package import IR
package import Support

/// Passes in order, with their options: `canonicalize, lower-to-fp8{form=qdq}` as text.
package struct Pipeline: Sendable {
  /// How many passes a text may name.
  package static let limit = 100

  package private(set) var steps: [Step]

  /// A pass with its options set, and how a pipeline's text spells both.
  package struct Step: Sendable {
    package let text: String
    package let pass: any Pass

    package var name: String { type(of: pass).name }
  }

  package init(_ passes: [any Pass]) {
    steps = passes.map { Step(text: type(of: $0).name, pass: $0) }
  }

  /// Reads a pipeline; faults have the status of wrong usage.
  package init(parsing text: String) throws(Diagnostic) {
    steps = []
    var rest = Substring(text).trimmed
    while !rest.isEmpty {
      guard steps.count < Pipeline.limit else { throw .pipelineTooLong(Pipeline.limit) }
      steps.append(try Pipeline.step(&rest))
      if rest.isEmpty { return }
      guard rest.first == "," else { throw .pipeline(found: rest, expected: "','") }
      rest = rest.dropFirst().trimmed
      if rest.isEmpty { throw .pipeline(found: rest, expected: "a pass") }
    }
  }

  package var text: String { steps.map { $0.text }.joined(separator: ", ") }

  private static func step(_ rest: inout Substring) throws(Diagnostic) -> Step {
    let name = rest.prefix { $0 != "," && $0 != "{" }
    rest = rest.dropFirst(name.count)
    var pass = try PassRegistry.pass(named: String(name.trimmed))
    var settings: [String] = []
    if rest.first == "{" {
      let body = rest.dropFirst().prefix { $0 != "}" }
      rest = rest.dropFirst(body.count + 1)
      guard rest.first == "}" else { throw .pipeline(found: rest, expected: "'}'") }
      rest = rest.dropFirst().trimmed
      for setting in body.split(separator: ",", omittingEmptySubsequences: false) {
        settings.append(try set(setting.trimmed, of: &pass))
      }
    }
    let options = settings.isEmpty ? "" : "{\(settings.joined(separator: ","))}"
    return Step(text: type(of: pass).name + options, pass: pass)
  }

  private static func set(
    _ setting: Substring, of pass: inout any Pass
  ) throws(Diagnostic) -> String {
    guard let equal = setting.firstIndex(of: "=") else {
      throw .pipeline(found: setting, expected: "'option=value'")
    }
    let option = String(setting[..<equal].trimmed)
    let value = String(setting[equal...].dropFirst().trimmed)
    guard type(of: pass).options.contains(option) else {
      throw .unknownOption(option, of: type(of: pass).name, known: type(of: pass).options)
    }
    try pass.set(option, to: value)
    return "\(option)=\(value)"
  }

  /// Runs the passes; the verifier follows each that changed something.
  ///
  /// `before` and `after` are called around every pass, in front of the verifier. Where a pass fails, `context.reproducer`
  /// tells the pass and the model it was given.
  package func run(
    on model: inout Model, in context: inout PassContext,
    before: (Step, Model) -> Void = { _, _ in }, after: (Step, Model) -> Void = { _, _ in }
  ) throws(Diagnostic) {
    let verifier = Verifier(status: .internalError, portStatus: context.portStatus)
    for step in steps {
      context.reproducer = Reproducer(pass: step.text, model: model)
      context.pass = step.name
      before(step, model)
      let revision = model.revision
      try step.pass.run(on: &model, in: &context)
      after(step, model)
      if model.revision != revision { try verifier.verify(model) }
    }
    context.reproducer = nil
    context.pass = ""
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var result = drop { $0.isWhitespace }
    while result.last?.isWhitespace == true { result.removeLast() }
    return result
  }
}

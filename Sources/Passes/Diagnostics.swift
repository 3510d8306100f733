package import Support

extension Diagnostic {
  static func badPattern(_ pattern: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "'\(pattern)' is not a regular expression, expected one for paths")
  }

  static func cacheInterface(
    _ past: String, _ present: String, scale: Float, path: String
  ) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "module '\(path)': graph input '\(past)' and output '\(present)' hold FP8 codes of scale "
        + "\(scale)")
  }

  static func cacheKept(_ path: String, _ reason: String) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "module '\(path)': the cache keeps its type in the graph's interface: \(reason)")
  }

  static func doubtful(_ path: String, _ reason: String, at location: Location) -> Diagnostic {
    Diagnostic(.warning, .done, at: location, "module '\(path)' \(reason)")
  }

  static func folded(_ text: String, at node: String?) -> Diagnostic {
    Diagnostic(.remark, .done, at: Location(node: node), text)
  }

  static func goldenLine(_ key: String, _ words: [String]) -> Diagnostic {
    Diagnostic("golden file: '// \(key): \(words.joined(separator: " "))' says nothing known")
  }

  static func idleSelector(_ selector: String, near: String?) -> Diagnostic {
    Diagnostic(
      .warning, .done, "'\(selector)' of the allowlist or blocklist matches no module",
      notes: near.map { ["the nearest is '\($0)'"] } ?? [])
  }

  static func inlinedTooMuch(_ function: String, limit: Int) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "the calls of function '\(function)' and others stand for more than \(limit) nodes")
  }

  static func bodyNotObserved(_ path: String, by observer: String) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "module '\(path)' is inside a body, where observer '\(observer)' does not look: not measured")
  }

  static func resultLeftOut(_ name: String, at location: Location) -> Diagnostic {
    Diagnostic(at: location, "result '\(name)' is an operand that the call leaves out")
  }

  static func noChannels(_ port: String, of path: String, rank: Int?) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "port '\(port)' of module '\(path)' has "
        + (rank.map { "rank \($0) and no axis of channels" } ?? "an unknown rank")
        + ": not measured")
  }

  static func leftUnmeasured(_ path: String) -> Diagnostic {
    Diagnostic(
      .remark, .done, "module '\(path)' has no measurement and stays in high precision")
  }

  static func nestedTooDeep(_ limit: Int) -> Diagnostic {
    Diagnostic(.error, .internalError, "graphs nest deeper than \(limit)")
  }

  static func noKernel(_ kind: String, target: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "target '\(target)': kind '\(kind)' has no lowering to the operator that is given for it")
  }

  static func notAWeight(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "'\(name)' is lowered as a weight and is none")
  }

  static func notRaised(_ op: String, across version: Int64, reason: String) -> Diagnostic {
    Diagnostic(
      "operator '\(op)' cannot be taken across opset \(version): \(reason)",
      notes: ["export the model at opset \(version) or higher"])
  }

  static func opsetNotAccepted(
    _ version: Int64, accepted: ClosedRange<Int64>
  ) -> Diagnostic {
    Diagnostic(
      "opset \(version) is not supported, expected \(accepted.lowerBound) to "
        + "\(accepted.upperBound)")
  }

  /// For a pass's `set`: a value that makes no sense.
  package static func optionValue(
    _ value: String, of option: String, pass: String, expected: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "option '\(option)' of pass '\(pass)' is '\(value)', expected \(expected)")
  }

  static func paddingUnknown(_ path: String) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "module '\(path)' stays in high precision: its padding depends on the input's size, which the "
        + "model does not give",
      notes: ["'--qdq' keeps the convolution's own operator"])
  }

  static func pipeline(found: Substring, expected: String) -> Diagnostic {
    let text = found.isEmpty ? "the end" : "'\(found.prefix(40))'"
    return Diagnostic(.error, .usage, "pipeline: found \(text), expected \(expected)")
  }

  static func pipelineTooLong(_ limit: Int) -> Diagnostic {
    Diagnostic(.error, .usage, "pipeline: found more than \(limit) passes, expected fewer")
  }

  static func portNotRead(_ port: String, of path: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "module '\(path)': its operator does not read port '\(port)'")
  }

  static func quantizerNotClamped(_ node: String) -> Diagnostic {
    Diagnostic(
      .warning, .done, at: Location(node: node),
      "a quantizer of the model has a scale that is not one known number, so its codes may lie "
        + "beyond the target's range")
  }

  static func rangeNotFinite(_ range: Float, port: String, of path: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "module '\(path)': the range of '\(port)' is \(range), expected a finite number",
      notes: ["'--allow-nonfinite' takes the largest finite value"])
  }

  private static func suggestion(for name: String, among known: [String]) -> [String] {
    nearest(to: name, among: known).map { ["did you mean '\($0)'?"] } ?? []
  }

  static func unknownOption(_ option: String, of pass: String, known: [String]) -> Diagnostic {
    let names = known.map { "'\($0)'" }.joined(separator: ", ")
    let expected = known.isEmpty ? "none" : "one of \(names)"
    return Diagnostic(
      .error, .usage, "pass '\(pass)' has no option '\(option)', expected \(expected)",
      notes: suggestion(for: option, among: known))
  }

  static func unknownPass(_ name: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .usage, "pass '\(name)' is unknown, expected one of \(known.joined(separator: ", "))",
      notes: suggestion(for: name, among: known))
  }

  static func unmeasured(_ paths: [String], unbound: [String]) -> Diagnostic {
    let shown = paths.prefix(5).map { "'\($0)'" }.joined(separator: ", ")
    let more = paths.count > 5 ? " and \(paths.count - 5) more" : ""
    var notes: [String] = []
    if let first = paths.first, let near = nearest(to: first, among: unbound) {
      notes.append("the nearest measured module to '\(first)' is '\(near)'")
    } else if let first = unbound.first {
      notes.append(
        "the first of \(unbound.count) measured modules that the model does not have is '\(first)'")
    }
    notes.append("'--module-map' names measured modules as the model does")
    notes.append("'ignore_modules_wo_measures' leaves such modules in high precision")
    return Diagnostic(
      .error, .configuration, "no measurement for \(paths.count) modules: \(shown)\(more)",
      notes: notes)
  }

  static func rangeOfInput(_ port: String, of path: String) -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "module '\(path)' has no measured output, so its port '\(port)' takes the range of the input")
  }

  static func staysFused(_ op: String, _ reason: String, at location: Location) -> Diagnostic {
    Diagnostic(.remark, .done, at: location, "'\(op)' is not taken apart: \(reason)")
  }

  static func unmeasuredPort(_ port: String, of path: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "module '\(path)': port '\(port)' has no measured range")
  }

  static func untypedPort(_ port: String, of path: String) -> Diagnostic {
    Diagnostic(
      "module '\(path)': the element type of port '\(port)' is not known, so it cannot be observed")
  }

  static func zeroRange(_ port: String, of path: String) -> Diagnostic {
    Diagnostic(
      .warning, .done, "module '\(path)': the range of '\(port)' is 0, so its scale is 1")
  }
}

internal import FP8
internal import IR
internal import Support

extension Diagnostic {
  static func deprecatedOperator(_ op: String, domain: String, opset: Int64) -> Diagnostic {
    Diagnostic(
      "operator '\(op)' of \(name(of: domain)) is no longer part of version \(opset)")
  }

  static func dynamicMethod(_ name: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "scale method '\(name)' computes scales when the model runs, expected one with fixed scales",
      notes: ["'dynamic_quantization' in the configuration asks for such scales"])
  }

  static func formalCount(
    _ found: Int, _ side: String, of op: String, least: Int, most: Int?, at location: Location
  ) -> Diagnostic {
    let expected =
      switch most {
      case nil: "at least \(least)"
      case least: "\(least)"
      case .some(let most): "\(least) to \(most)"
      }
    return Diagnostic(
      at: location, "operator '\(op)' is given \(found) \(side), expected \(expected)")
  }

  static func formalGap(
    _ place: Int, _ side: String, of op: String, at location: Location
  ) -> Diagnostic {
    Diagnostic(
      at: location, "operator '\(op)': number \(place + 1) of its \(side) is left out")
  }

  static func missingAttribute(_ name: String, of op: String, at location: Location) -> Diagnostic {
    Diagnostic(at: location, "operator '\(op)' needs the attribute '\(name)'")
  }

  static func noFormat(_ format: String, target: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "target '\(target)' has no format '\(format)'",
      notes: ["it has \(list(known))"])
  }

  static func notEmbedded(_ path: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "the file 'schemas/\(path)' is not built in")
  }

  static func operatorNotYet(
    _ op: String, domain: String, since: Int64, opset: Int64
  ) -> Diagnostic {
    Diagnostic(
      "operator '\(op)' of \(name(of: domain)) exists from version \(since) on, and the model "
        + "imports version \(opset)")
  }

  static func otherAttributeType(
    _ name: String, _ found: String, expected: String, of op: String, at location: Location
  ) -> Diagnostic {
    Diagnostic(
      at: location,
      "attribute '\(name)' of operator '\(op)' has type \(found), expected \(expected)")
  }

  static func undeclaredAttribute(
    _ name: String, of op: String, known: [String], at location: Location
  ) -> Diagnostic {
    Diagnostic(
      at: location, "operator '\(op)' has no attribute '\(name)'",
      notes: nearest(to: name, among: known).map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func unknownDiagnostic(_ id: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .usage, "no message has the identifier '\(id)'",
      notes: nearest(to: id, among: known).map { ["did you mean '\($0)'?"] }
        ?? ["'fp8c explain' lists them"])
  }

  static func noSequence(_ what: String, of op: String, at location: Location) -> Diagnostic {
    Diagnostic(
      at: location, "\(what) of \(op) is a sequence or an optional, expected another type")
  }

  static func typesDiffer(
    _ first: (what: String, element: ElementType), _ second: (what: String, element: ElementType),
    of op: String, at location: Location
  ) -> Diagnostic {
    Diagnostic(
      at: location,
      "\(first.what) of \(op) is \(first.element.onnxName) and \(second.what) "
        + "\(second.element.onnxName), expected one type")
  }

  static func otherResult(
    _ position: Int, of op: String, _ element: ElementType, gives given: ElementType,
    at location: Location
  ) -> Diagnostic {
    Diagnostic(
      at: location,
      "result \(position) of \(op) is \(element.onnxName), expected \(given.onnxName), which the operator gives"
    )
  }

  static func unknownDomain(_ domain: String, known: [String]) -> Diagnostic {
    Diagnostic(
      "domain '\(domain)' has no table of operators", notes: suggestions(for: domain, known))
  }

  static func unknownFormat(_ format: String, at path: String, file: String?) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "'\(path)': '\(format)' is no FP8 format, expected 'e4m3' or 'e5m2'")
  }

  static func staticMethod(_ name: String, dynamic: [String]) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "scale method '\(name)' has no scales computed when the model runs, expected one of "
        + dynamic.joined(separator: ", "))
  }

  static func unknownMethod(_ method: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "unknown scale method '\(method)'",
      notes: suggestions(for: method, known))
  }

  static func unknownOperator(_ op: String, domain: String, known: [String]) -> Diagnostic {
    Diagnostic(
      "\(name(of: domain)) has no operator '\(op)'",
      notes: nearest(to: op, among: known).map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func unknownSchema(_ name: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .usage, "unknown schema '\(name)'",
      notes: nearest(to: name, among: known).map { ["did you mean '\($0)'?"] }
        ?? ["known: \(list(known))"])
  }

  static func unknownTarget(_ target: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "unknown target '\(target)'",
      notes: suggestions(for: target, known) + ["a description of one's own ends in '.json'"])
  }

  static func unknownType(_ type: String, known: [String]) -> Diagnostic {
    Diagnostic(
      .error, .configuration, "unknown module type '\(type)'",
      notes: suggestions(for: type, known))
  }

  static func unsupportedMethod(
    at path: String, file: String?, nearest: ScaleMethod?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "'\(path)' makes choices that no scale method makes together",
      notes: nearest.map {
        [
          "the nearest is '\($0.name)': weight \(text($0.weight)), activation "
            + "\(text($0.activation))"
        ]
      } ?? [])
  }

  private static func text(_ choice: ScaleChoice) -> String {
    "\(choice.granularity.rawValue), \(choice.value.rawValue), \(choice.rounding.rawValue)"
  }

  private static func name(of domain: String) -> String {
    domain.isEmpty ? "the standard domain" : "domain '\(domain)'"
  }

  private static func suggestions(for found: String, _ known: [String]) -> [String] {
    let near = nearest(to: found, among: known).map { ["did you mean '\($0)'?"] } ?? []
    return near + ["known: \(list(known))"]
  }

  private static func list(_ names: [String]) -> String {
    names.map { "'\($0)'" }.joined(separator: ", ")
  }
}

package import IR
package import Support

/// What a pass may know beside the model, and what it has to say.
package struct PassContext {
  /// The tables and choices of this run.
  package var settings: PassSettings
  /// The nodes that could have been modules and are not, with the reason.
  package var left: [LeftNode] = []
  /// Why each module is what it is, by its path.
  package var reasons: [String: String] = [:]
  /// Warnings and remarks in the order in which they arose.
  package private(set) var diagnostics: [Diagnostic] = []
  /// What the passes counted, in the order of first mention.
  package private(set) var statistics: [Statistic] = []
  /// The model before the pass that runs, and that pass; `nil` between pipelines.
  package internal(set) var reproducer: Reproducer?
  /// What a fault of a module's ports behind a pass means: the text's, where a text brought the modules.
  private(set) var portStatus = ExitStatus.internalError
  /// The name of the pass that runs.
  var pass = ""

  package init(_ settings: PassSettings) { self.settings = settings }

  /// For a model as it was read: where it has modules already, a text said so.
  package init(_ settings: PassSettings, read model: Model) {
    self.settings = settings
    if model.namesModules { portStatus = .malformedInput }
  }

  package mutating func warn(_ diagnostic: Diagnostic) { note(diagnostic, .warning) }

  package mutating func remark(_ diagnostic: Diagnostic) { note(diagnostic, .remark) }

  private mutating func note(_ diagnostic: Diagnostic, _ severity: Diagnostic.Severity) {
    var diagnostic = diagnostic
    diagnostic.severity = severity
    diagnostics.append(diagnostic)
  }

  /// Notes that a module which was selected stays in high precision after all.
  mutating func leave(_ module: QuantizedModule, of graph: Graph, because reason: String) {
    left.append(
      LeftNode(
        node: module.nodes.last.map { graph.label(of: $0) } ?? "", kind: module.kind,
        type: module.type, path: module.path, reason: reason))
  }

  /// Adds to a number that `--statistics` prints.
  package mutating func count(_ name: String, by amount: Int = 1) {
    if let index = statistics.firstIndex(where: { $0.pass == pass && $0.name == name }) {
      statistics[index].count += amount
    } else {
      statistics.append(Statistic(pass: pass, name: name, count: amount))
    }
  }

  /// How often a pass did something.
  package struct Statistic: Equatable, Sendable {
    package var pass: String
    package var name: String
    package var count: Int
  }
}

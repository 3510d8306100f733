/// The ways to spell one kind of module, longest first.
package struct Spellings: Sendable {
  /// A row of the table of modules, such as `linear`.
  package let kind: String
  /// The class that this spelling shows; `nil` for the usual one of the kind.
  package let type: String?
  package let consent: Consent
  package let patterns: [Pattern]

  /// What makes a match a module.
  package enum Consent: Equatable, Sendable {
    /// The spelling alone.
    case none
    /// Something beside the spelling: what stands around it, its class or its scope. `reason` is what
    /// is said of a node that has none.
    case evidence(reason: String)
    /// The user names the type.
    case typeNamed
    /// The user names the type or the path, and not the type that would be taken otherwise.
    case insteadOf(String)
  }

  package init(
    of kind: String, type: String? = nil, consent: Consent = .none,
    @Builder _ patterns: () -> [Pattern]
  ) {
    self.init(kind: kind, type: type, consent: consent, patterns: patterns())
  }

  private init(kind: String, type: String?, consent: Consent, patterns: [Pattern]) {
    self.kind = kind
    self.type = type
    self.consent = consent
    self.patterns = patterns
  }

  /// Those spellings whose last operator is the given one.
  package func ending(with root: OperatorName) -> Spellings {
    Spellings(
      kind: kind, type: type, consent: consent,
      patterns: patterns.filter { $0.roots.contains(root) })
  }

  /// The operators that a match may end with, each once.
  package var roots: [OperatorName] {
    var seen: Set<OperatorName> = []
    return patterns.flatMap(\.roots).filter { seen.insert($0).inserted }
  }

  /// The first spelling that matches; where none does, throws the mismatch that came farthest.
  package func match(
    at value: ValueID, in graph: Graph, outer: [String: Weight] = [:]
  ) throws(Mismatch) -> Match {
    var farthest: Mismatch?
    for pattern in patterns {
      do throws(Mismatch) {
        return try graph.match(pattern, at: value, outer: outer)
      } catch {
        if farthest.map({ error.isNearer(than: $0) }) ?? true { farthest = error }
      }
    }
    throw farthest ?? Mismatch(value, "has no spelling")
  }

  @resultBuilder
  package enum Builder {
    package static func buildExpression(_ pattern: Pattern) -> [Pattern] { [pattern] }
    package static func buildExpression(_ patterns: [Pattern]) -> [Pattern] { patterns }
    package static func buildBlock(_ patterns: [Pattern]...) -> [Pattern] {
      patterns.flatMap { $0 }
    }
  }
}

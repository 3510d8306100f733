/// The ways to spell one kind of module, longest first.
package struct Spellings: Sendable {
  /// A row of the table of modules, such as `linear`.
  package let kind: String
  package let patterns: [Pattern]

  package init(of kind: String, @Builder _ patterns: () -> [Pattern]) {
    self.kind = kind
    self.patterns = patterns()
  }

  /// The first spelling that matches; where none does, throws the mismatch that came farthest.
  package func match(at value: ValueID, in graph: Graph) throws(Mismatch) -> Match {
    var farthest = Mismatch(value, "has no spelling")
    for pattern in patterns {
      do throws(Mismatch) {
        return try graph.match(pattern, at: value)
      } catch {
        if error.isNearer(than: farthest) || farthest.reason == "has no spelling" {
          farthest = error
        }
      }
    }
    throw farthest
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

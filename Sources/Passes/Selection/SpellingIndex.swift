internal import IR

/// The spellings by the operator that a match ends with, so that a node is compared with those only.
struct SpellingIndex {
  private var entries: [OperatorName: [Spellings]] = [:]

  init(_ all: [Spellings]) {
    for spellings in all {
      for root in spellings.roots {
        entries[root, default: []].append(spellings.ending(with: root))
      }
    }
  }

  subscript(node: Node) -> [Spellings] {
    entries[OperatorName(node.op, domain: node.domain)] ?? []
  }
}

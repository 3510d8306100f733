import IR
import Passes
import Targets
import Testing

@Suite struct SpellingsTests {
  @Test func `spellings capture only ports of their kind, and each names what it needs`() throws {
    let table = try ModuleTable.embedded()
    for spellings in Spellings.all {
      let kind = try #require(table.kind(named: spellings.kind))
      let ports = Set(kind.ports.map(\.name))
      for pattern in spellings.patterns {
        let captures = Set(captures(of: pattern))
        #expect(captures.isSubset(of: ports))
        #expect(captures.contains("input"))
        #expect(kind.port("weight") == nil || captures.contains("weight"))
      }
    }
  }

  private func captures(of pattern: Pattern) -> [String] {
    switch pattern {
    case .value(let capture), .activation(let capture), .weight(let capture, _, _):
      [capture.name]
    case .op(_, let operands, _): operands.flatMap { captures(of: $0) }
    case .through(_, let inner): captures(of: inner)
    }
  }
}

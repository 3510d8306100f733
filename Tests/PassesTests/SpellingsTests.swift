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
        let captured = captures(of: pattern)
        #expect(Set(captured).isSubset(of: ports), "\(spellings.kind)")
        let roles = captured.compactMap { kind.port($0)?.role }
        #expect(roles.contains(.activation) || spellings.kind == "softmax", "\(spellings.kind)")
      }
    }
  }

  /// A mixture of experts runs inside one operator on the device, and its experts are linears here.
  @Test func `every kind has a spelling`() throws {
    let table = try ModuleTable.embedded()
    let spelled = Set(Spellings.all.map(\.kind))
    let unspelled = table.kinds.map(\.name).filter { !spelled.contains(table.spelling(of: $0)) }
    #expect(unspelled == ["dynamic_moe", "no_quantize"])
  }

  @Test func `every type that a spelling shows is a type of its kind`() throws {
    let table = try ModuleTable.embedded()
    for spellings in Spellings.all {
      let type = spellings.type ?? table.defaultType(of: spellings.kind)
      #expect(table.kind(of: type) == spellings.kind)
    }
  }

  private func captures(of pattern: Pattern) -> [String] {
    switch pattern {
    case .value(let capture), .activation(let capture), .weight(let capture, _, _):
      [capture.name]
    case .op(_, let operands, _), .call(_, _, let operands, _):
      operands.flatMap { captures(of: $0) }
    case .through(_, let inner): captures(of: inner)
    case .either(let patterns): patterns.flatMap { captures(of: $0) }
    case .named(let capture, let inner): [capture.name] + captures(of: inner)
    case .scalar, .any: []
    }
  }
}

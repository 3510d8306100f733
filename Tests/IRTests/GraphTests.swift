import IR
import Testing

@Suite struct GraphTests {
  /// Above 32 readers places are looked up; every third node reads the value twice.
  @Test func `readers of a value with many are found in any order of removal`() throws {
    var text = "graph @main(%a, %b) -> (%y) {\n"
    for index in 0..<120 {
      let operands = index % 3 == 0 ? "%a, %a" : "%a, %b"
      text += "  %\(index == 119 ? "y" : "v\(index)") = Add(\(operands))\n"
    }
    var graph = try Model.parse("\(text)}").graph
    let a = try #require(graph.value(named: "a"))
    let b = try #require(graph.value(named: "b"))
    let nodes = Array(graph.nodeIDs)
    var left = nodes.enumerated().flatMap { index, node in
      Array(repeating: node, count: index % 3 == 0 ? 2 : 1)
    }
    // 77 and 120 have no common factor: every node has its turn.
    for step in 0..<119 {
      let node = nodes[step * 77 % nodes.count]
      if step % 2 == 0 {
        graph.update(node) { $0.inputs = [b, b] }
      } else {
        let output = try #require(graph[node].outputs[0])
        guard !graph.isOutput(output) else { continue }
        graph.removeNode(node)
      }
      left.removeAll { $0 == node }
      #expect(graph.users(of: a).sorted { $0.index < $1.index } == left, "step \(step)")
    }
    #expect(left.count < 32)
  }

  @Test func `a body that captures both values captures one after a replacement`() throws {
    var graph = try Model.parse(
      """
      graph @main(%c, %a, %b) -> (%y) {
        %y = If(%c) {then_branch = graph @t() -> (%a) {
          %z = Add(%a, %b)
          %n = If(%c) {then_branch = graph @u() -> (%a) {
          }}
        }}
      }
      """
    ).graph
    let a = try #require(graph.value(named: "a"))
    let b = try #require(graph.value(named: "b"))
    graph.replaceUses(of: a, with: b)
    #expect(
      Printer().text(of: graph) == """
        graph @main(%c, %a, %b) -> (%y) {
          %y = If(%c) {then_branch = graph @t() -> (%b) {
            %z = Add(%b, %b)
            %n = If(%c) {then_branch = graph @u() -> (%b) {
            }}
          }}
        }

        """)
    #expect(graph.useCount(of: a) == 0)
  }

  @Test func `a body's own value makes way for a name that would be hidden`() throws {
    var graph = try Model.parse(
      """
      graph @main(%c, %a) -> (%y) {
        %y = If(%c) {then_branch = graph @t() -> (%b) {
          %b = Neg(%a)
        }}
      }
      """
    ).graph
    let a = try #require(graph.value(named: "a"))
    graph.rename(a, to: "b")
    #expect(
      Printer().text(of: graph) == """
        graph @main(%c, %b) -> (%y) {
          %y = If(%c) {then_branch = graph @t() -> (%b.inner) {
            %b.inner = Neg(%b)
          }}
        }

        """)
  }
}

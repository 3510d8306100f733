import IR
import Testing

@Suite struct GraphTests {
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

import IR
import Testing

private let input = Pattern.activation(Capture("input"))
private let weight = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 1)
private let transposed = Pattern.weight(Capture("weight"), rank: 2, channelAxis: 0)
private let bias = Pattern.weight(Capture("bias"), rank: 1)

private let linear = Spellings(of: "linear") {
  Pattern.gemm(input, transposed, bias, transB: 1)
  Pattern.gemm(input, weight, bias)
  Pattern.add(.matMul(input, weight), bias)
  Pattern.matMul(input, weight)
}

private let weights = """
  weight @w: f32[2, 2] stored raw 0+16
  weight @b: f32[2] stored raw 16+8
  weight @o: f32[2, 2] stored raw 0+16 (overridable)
  """

@Suite struct PatternTests {
  @Test(arguments: [
    ("%h = MatMul(%x, @w) %y = Add(%h, @b)", 2, 1, true),
    ("%h = MatMul(%x, @w) %y = Add(@b, %h)", 2, 1, true),
    ("%y = MatMul(%x, @w)", 1, 1, false),
    ("%y = Gemm(%x, @w, @b) {alpha = 2.0}", 1, 1, true),
    ("%y = Gemm(%x, @w, @b) {transB = 1}", 1, 0, true),
  ])
  func `a linear is found however it is spelled`(
    nodes: String, count: Int, axis: Int, hasBias: Bool
  ) throws {
    let (graph, y) = try graph(nodes)
    let match = try linear.match(at: y, in: graph)
    #expect(match.nodes == graph.nodeIDs.suffix(count))
    #expect(match["input"]?.value == graph.value(named: "x"))
    #expect(match["weight"]?.value == graph.value(named: "w"))
    #expect(match["weight"]?.channelAxis == axis)
    #expect((match["bias"] != nil) == hasBias)
    #expect(match.result == y)
  }

  @Test(arguments: [
    ("%y = Relu(%x)", "y", "is not made by Gemm", 0),
    ("%y = MatMul(%x, @o)", "o", "is a graph input too, so a caller may replace it", 1),
    ("%y = MatMul(%x, @b)", "b", "has rank 1, expected 2", 1),
    ("%y = MatMul(@w, @w)", "w", "is a weight, expected an activation", 1),
    ("%y = MatMul(%x, %x)", "x", "is no weight of this graph", 1),
    ("%y = Gemm(%x, @w, @b) {transA = 1}", "y", "has another 'transA' than the spelling", 0),
    ("%y = Gemm(%x, @w, _)", "y", "has 2 operands, expected 3", 1),
    ("%h = MatMul(%x, @w) %y = Add(%h, %x)", "x", "is no weight of this graph", 2),
    ("%h = MatMul(%x, @w) %n = Neg(%h) %y = Add(%h, @b)", "h", "is used 2 times, expected once", 2),
  ])
  func `a near miss says what stands in the way`(
    nodes: String, value: String, reason: String, matched: Int
  ) throws {
    let (graph, y) = try graph(nodes)
    let mismatch = #expect(throws: Mismatch.self) { try linear.match(at: y, in: graph) }
    #expect(mismatch.map { graph[$0.value].name } == value)
    #expect(mismatch?.reason == reason)
    #expect(mismatch?.matched == matched)
  }

  @Test func `a pattern looks through at most eight nodes`() throws {
    let pattern = Pattern.through(["Cast", "Identity"], inner: .softmax(.value(Capture("input"))))
    func chain(_ count: Int) throws -> (Graph, ValueID) {
      let casts = (0..<count).map { "%\($0 + 1) = Cast(%\($0)) {to = 1}" }.joined(separator: " ")
      return try graph("%0 = Softmax(%x) \(casts) %y = Identity(%\(count))")
    }
    let (short, y) = try chain(7)
    #expect(try short.match(pattern, at: y).nodes == short.nodeIDs)
    let (long, z) = try chain(8)
    #expect(throws: Mismatch.self) { try long.match(pattern, at: z) }
  }

  @Test func `a capture that appears twice is one value`() throws {
    let square = Pattern.mul(.value(Capture("a")), .value(Capture("a")))
    let (graph, y) = try graph("%y = Mul(%x, %x)")
    #expect(try graph.match(square, at: y).bindings.count == 1)
    let (other, z) = try self.graph("%y = Mul(%x, @w)")
    #expect(throws: Mismatch.self) { try other.match(square, at: z) }
  }

  private func graph(_ nodes: String) throws -> (Graph, ValueID) {
    let graph = try Model.parse("graph @m(%x, @o) -> (%y) { \(weights) \(nodes) }").graph
    return (graph, graph.outputs[0])
  }
}

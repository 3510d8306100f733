import IR
import Support
import Testing

@Suite struct TextTests {
  @Test func `every field of a model survives printing and parsing`() throws {
    let model = everyField()
    let read = try Model.parse(model.text)
    #expect(read.text == model.text)
    #expect(compacted(read) == compacted(model))
    #expect(compacted(model).text == model.text)
  }

  @Test func `a small model prints as written`() throws {
    let text = """
      graph @main(%x: f32[N, 64], @c) -> (%y) {
        weight @c: i64[2] = [1, -1] (overridable)
        weight @w: f32[64, 10] stored raw 1024+2560
        weight @q: f8e4m3fn[10, 64] stored f32[64, 10] "a.bin" raw 0+2560 | transpose [1, 0] | \
      quantize f8e4m3fn scale 0.0625 fullscale 240.0
        %h = MatMul(%x, @w) : f32[N, 10]
        %y, _ = "com.microsoft"::Thing(%h, _) {axis = 1, alpha = 0.5, mode = "x"} : f32[?], ? \
      name "/fc/MatMul" meta {"k": "v"}
        run Print(%y)
        module linear "layers.0.fc1" Linear by metadata (input: activation %x maxabs 6.5 scale \
      0.0625, weight: weight @w axis 1 maxabs 0.8) = %h
      }

      """
    #expect(try Model.parse(text).text == text)
  }

  @Test func `a body's captures keep the sign they have outside`() throws {
    let text = """
      graph @main(%x) -> (%y) {
        weight @w: f32[] = [1.5]
        %y = If(%x) {then_branch = graph @t() -> (%z) {
          %z = If(%x) {then_branch = graph @u() -> (@w) {
          }}
        }}
      }

      """
    #expect(try Model.parse(text).text == text)
  }

  @Test func `comments and layout mean nothing`() throws {
    let text = "// one\ngraph@main( %x:f32 [ 2 ])->(%y){// two\n%y=Relu(%x)\n} // three"
    #expect(
      try Model.parse(text).text == """
        graph @main(%x: f32[2]) -> (%y) {
          %y = Relu(%x)
        }

        """)
  }

  @Test func `a NaN keeps its bits`() throws {
    var graph = Graph()
    let bits: [UInt32] = [0x7FC0_0000, 0x7FC0_0001, 0xFFC0_0000, 0x7F80_0001]
    let node = Node(
      op: "Op", inputs: [], outputs: [],
      attributes: bits.map { Attribute("a\($0)", .float(Float(bitPattern: $0))) })
    graph.addNode(node, results: [])
    let read = try Model.parse(Model(graph: graph).text).graph
    let attributes = read[read.nodeIDs[0]].attributes
    #expect(
      attributes.map { attribute in
        if case .float(let value) = attribute.value { return value.bitPattern }
        return 0
      } == bits)
  }

  @Test(arguments: [ElementType.float16, .bfloat16, .uint16, .int16])
  func `every code of a 16-bit type survives`(element: ElementType) throws {
    let bytes = (0...UInt16.max).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    #expect(try roundTrip(bytes, element, count: 65536) == bytes)
  }

  @Test(arguments: ElementType.allCases.filter { $0 != .string })
  func `bytes of any type survive`(element: ElementType) throws {
    let bytes = (0..<32).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 129) }
    #expect(try roundTrip(bytes, element, count: 1) == bytes)
    #expect(try roundTrip([1, 0, 1], element, count: 3) == [1, 0, 1])
  }

  @Test func `a shortened list does not read back`() {
    var graph = Graph()
    let bytes = [UInt8](repeating: 1, count: 9)
    graph.addWeight(
      "w",
      Weight(
        stored: TensorType(.uint8, sizes: [9]), source: .literal(bytes, encoding: .raw)))
    let text = Printer(elide: true).text(of: Model(graph: graph))
    #expect(text.contains("[1, 1, 1, 1, … 9 in all, "))
    #expect(throws: Diagnostic.self) { try Model.parse(text) }
  }
}

private func roundTrip(_ bytes: [UInt8], _ element: ElementType, count: Int64) throws -> [UInt8] {
  var graph = Graph()
  let type = TensorType(element, sizes: [count])
  graph.addWeight("w", Weight(stored: type, source: .literal(bytes, encoding: .raw)))
  let read = try Model.parse(Model(graph: graph).text).graph
  guard case .literal(let result, .raw)? = read[read.weights[0]].weight?.source else { return [] }
  return result
}

private func compacted(_ model: Model) -> Model {
  var copy = model
  copy.graph = model.graph.compacted()
  for index in copy.functions.indices {
    copy.functions[index].body = model.functions[index].body.compacted()
  }
  return copy
}

import Foundation
import IR
import Targets
import TestSupport
import Testing
import Verification

/// The form in which models are compared, beside what the passes make of the same texts: `golden/` has both,
/// and was read before it was committed.
@Suite struct PlainFormTests {
  @Test(arguments: PreparedText.all)
  func `what a pass made of a model is that model`(text: PreparedText) throws {
    let (source, made) = try text.read()
    let proof = try StructuralProof(made, of: source)
    #expect(proof.differences == [])
    #expect(proof.notCompared == nil)
  }

  @Test func `calls that become too many nodes are not written out`() throws {
    let count = 24
    let functions = (0..<count).map { index in
      """
      function "f"::Twice\(index)() {
        opset "" 21
        opset "f" 1
        graph @body(%x) -> (%y) {
          %a = "f"::Twice\(index + 1)(%x)
          %y = "f"::Twice\(index + 1)(%a)
        }
      }

      """
    }
    let text = """
      model {
        ir 10
        opset "" 21
        opset "f" 1
      }
      \(functions.joined())function "f"::Twice\(count)() {
        opset "" 21
        graph @body(%x) -> (%y) {
          %y = Relu(%x)
        }
      }
      graph @main(%x: f32[2]) -> (%y) {
        %y = "f"::Twice0(%x)
      }
      """
    #expect(try PlainForm.ofWritten(text, limit: 1 << 12) == nil)
    let few = text.replacingOccurrences(of: "= \"f\"::Twice0(", with: "= \"f\"::Twice14(")
    // The ten functions from the fourteenth on call the next one twice, and
    // the output has a copy.
    #expect(try PlainForm.ofWritten(few, limit: 1 << 12)?.nodeCount == 1 << 10 + 1)
  }

  @Test func `a weight that is moved step by step is one weight`() throws {
    let text = """
      graph @main(%x: f32[2, 3], %z: f32[3, 2]) -> (%a, %b, %c) {
        weight @w: f32[3, 2] stored raw 0+24
        %t = Transpose(@w) : f32[2, 3]
        %u = Transpose(%t) : f32[3, 2]
        %v = Transpose(@w) : f32[2, 3]
        %a = MatMul(%x, %u) : f32[2, 2]
        %b = MatMul(%z, %v) : f32[3, 3]
        %c = MatMul(%x, @w) : f32[2, 2]
      }
      """
    let graph = try PlainForm.ofWritten(text)
    let weights = try #require(graph).weights.compactMap { graph?[$0].weight }
    #expect(weights.map(\.recipe.count).sorted() == [0, 1, 2])
    #expect(try StructuralProof(text, of: text).differences == [])
  }

  @Test func `a weight that a function moves is there for each call`() throws {
    let source = """
      model {
        ir 10
        opset "" 21
        opset "f" 1
      }
      function "f"::Layer() {
        opset "" 21
        graph @body(%x) -> (%y) {
          %w = Constant() {value = tensor f32[2, 2] = [1, 2, 3, 4]}
          %t = Transpose(%w) {perm = [1, 0]}
          %y = MatMul(%x, %t)
        }
      }
      graph @main(%x: f32[2, 2]) -> (%y) {
        %a = "f"::Layer(%x)
        %y = "f"::Layer(%a)
      }
      """
    let graph = try #require(try PlainForm.ofWritten(source))
    let products = graph.nodeIDs.filter { graph[$0].op == "MatMul" }
    #expect(products.count == 2)
    #expect(Set(products.map { graph[$0].input(1) }).count == 1)
    for id in products {
      let weight = try #require(graph[id].input(1).flatMap { graph[$0].weight })
      #expect(weight.recipe == [.transpose([1, 0])])
    }
  }

  /// A quantizer that measures its scale, and one that is given it; what is wrong in them stays to be seen.
  @Test(arguments: [
    ("", "", "ReduceMax Div Cast"),
    ("[240]", "[200]", "Abs ReduceMax Div Div Max Min Cast"),
    ("(%y, %s)", "(%y, %l)", "Abs ReduceMax Div Div Max Min Cast"),
    ("(%m, %axes)", "(%m, %axes) {keepdims = 0}", "Abs ReduceMax Div Div Max Min Cast"),
    ("%d = Div(%x, %s)", "%d = Div(%x, %l)", "Abs ReduceMax Div Div Max Min Cast"),
    ("%d = Div(%x, %s)", "%d = Mul(%x, %s)", "Abs ReduceMax Div Mul Max Min Cast"),
    ("%d = Div(%x, %s)", "%d = Div(%m, %s)", "Abs ReduceMax Div Div Max Min Cast"),
  ])
  func `a quantizer that measures is written short`(
    right: String, wrong: String, ops: String
  ) throws {
    let body = """
      opset "" 21
        graph @body(%x, %axes) -> (%y, %s) {
          weight @top: f32[] = [240]
          weight @bottom: f32[] = [-240]
          %m = Abs(%x)
          %l = ReduceMax(%m, %axes)
          %s = Div(%l, @top)
          %d = Div(%x, %s)
          %c = Max(%d, @bottom)
          %e = Min(%c, @top)
          %y = Cast(%e) {to = 17}
        }
      """
    #expect(try called(body, right, wrong, "%y, %s") == ops)
  }

  @Test(arguments: [
    ("", "", "Mul Cast"),
    ("Mul(%x, %s)", "Div(%x, %s)", "Div Cast"),
    ("[240]", "[200]", "Mul Max Min Cast"),
    ("Mul(%x, %s)", "Mul(%x, @top)", "Mul Max Min Cast"),
    ("Mul(%x, %s)", "Add(%x, %s)", "Add Max Min Cast"),
    ("{to = 17}", "{to = 1}", "Mul Max Min Cast"),
  ])
  func `a quantizer with a scale is written short`(
    right: String, wrong: String, ops: String
  ) throws {
    let body = """
      opset "" 21
        graph @body(%x, %s) -> (%y) {
          weight @top: f32[] = [240]
          weight @bottom: f32[] = [-240]
          %d = Mul(%x, %s)
          %c = Max(%d, @bottom)
          %e = Min(%c, @top)
          %y = Cast(%e) {to = 17}
        }
      """
    #expect(try called(body, right, wrong, "%y") == ops)
  }

  /// The operators that a call of a function becomes, once one text in it is another.
  private func called(
    _ body: String, _ right: String, _ wrong: String, _ results: String
  ) throws -> String {
    let text = """
      model {
        ir 10
        opset "" 21
        opset "f" 1
      }
      function "f"::Quantize() {
        \(right.isEmpty ? body : body.replacingOccurrences(of: right, with: wrong))
      }
      graph @main(%x: f32[2, 2], %s: f32[1]) -> (\(results == "%y" ? "%y" : "%y, %t")) {
        \(results == "%y" ? "%y" : "%y, %t") = "f"::Quantize(%x, %s)
      }
      """
    let graph = try #require(try PlainForm.ofWritten(text))
    return graph.nodeIDs.map { graph[$0].op }.filter { $0 != "Identity" }.joined(separator: " ")
  }

  @Test func `attention that no part fits stays as it is`() throws {
    let source = """
      graph @main(%q: f32[4], %k: f32[1, 2, 3, 4], %v: f32[1, 2, 3, 4]) -> (%y) {
        %y = Attention(%q, %k, %v) : f32[1, 2, 3, 4] name "attn"
      }
      """
    let written = """
      graph @main(%q: f32[4], %k: f32[1, 2, 3, 4], %v: f32[1, 2, 3, 4]) -> (%y) {
        %y = Softmax(%q) : f32[4] name "attn//softmax"
      }
      """
    #expect(
      try StructuralProof(written, of: source).differences.map(\.message) == [
        "reads the result of Softmax 'attn//softmax', expected that of Attention 'attn'"
      ])
  }

  /// What a pass could have done wrong, planted in what it did, and where the first difference is.
  @Test(arguments: [
    ("raise-opset/axes.ir", "{keepdims = 0}", "{keepdims = 1}", "node 's' (ReduceSum)"),
    (
      "raise-opset/softmax.ir", "LogSoftmax(%i) {axis = 1}", "LogSoftmax(%i) {axis = -1}",
      "node 'z' (LogSoftmax)"
    ),
    ("raise-opset/softmax.ir", "Flatten(%b)", "Flatten(%x)", "node 'soft' (Flatten)"),
    (
      "raise-opset/clip.ir", "Clip(%x, @a.min, @a.max)", "Clip(%x, @a.max, @a.min)",
      "weight 'a.min'"
    ),
    ("raise-opset/clip.ir", "Clip(%h, _, @b.max)", "Clip(%h, @b.max)", "node 'b' (Clip)"),
    (
      "raise-opset/group-norm.ir", "Unsqueeze(%s, @y.axes)", "Unsqueeze(%b, @y.axes)",
      "node 'y' (Unsqueeze)"
    ),
    ("raise-opset/group-norm.ir", ", stash_type = 10", "", "node 'z' (GroupNormalization)"),
    ("raise-opset/upsample.ir", "\"floor\"", "\"ceil\"", "node 'y' (Resize)"),
    ("raise-opset/pad.ir", "[2.5]", "[2.25]", "weight 'y.value'"),
    (
      "inline-functions/calls.ir", "MatMul(%\"b0//y\", @Block.w)", "MatMul(%x, @Block.w)",
      "node 'b1//product' (MatMul)"
    ),
    ("expand-fused/matmul.ir", "[0.5]", "[0.25]", "output 'y'"),
    ("expand-fused/matmul.ir", "{perm = [0, 2, 1]}", "{perm = [1, 2, 0]}", "node 'qk' (Transpose)"),
    ("expand-fused/conv.ir", "Relu(%y.sum)", "Relu(%y.convolved)", "node 'summed' (Relu)"),
    (
      "expand-fused/conv.ir", "Max(%z.convolved, @fp8c.number.0.0)",
      "Max(%z.convolved, @fp8c.number.6.0)", "weight 'fp8c.number.6.0'"
    ),
    (
      "expand-fused/attention.ir", "(%y.query, %y.key, %y.value, _, %mask)",
      "(%y.query, %y.value, %y.key, _, %mask)", "node 'attn' (MultiHeadAttention)"
    ),
    (
      "expand-attention/merged.ir", "fp8c.number.0.5: f32[] = [0.5]",
      "fp8c.number.0.5: f32[] = [0.25]", "node 'attn' (Tanh)"
    ),
  ])
  func `a fault of a pass is a difference`(
    path: String, right: String, wrong: String, place: String
  ) throws {
    let (source, made) = try PreparedText(path: path).read()
    let range = try #require(made.range(of: right))
    let proof = try StructuralProof(
      made.replacingCharacters(in: range, with: wrong), of: source)
    let other = proof.claims.first { $0.source != $0.written }
    #expect(proof.differences.first?.place ?? other.map { "weight '\($0.writtenName)'" } == place)
  }
}

/// A golden text of a pass that brings models to another form; those that end with an error are left out.
struct PreparedText: Sendable, CustomTestStringConvertible {
  let path: String

  var testDescription: String { path }

  private static let folders = [
    "canonicalize", "expand-attention", "expand-fused", "hoist-weights", "inline-functions",
    "raise-opset",
  ]

  static let all: [PreparedText] = folders.flatMap { folder in
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: goldenPath("../\(folder)"))) ?? []
    return names.sorted().map { PreparedText(path: "\(folder)/\($0)") }
      .filter { (try? $0.read().made.contains("graph @main")) ?? false }
  }

  func read() throws -> (source: String, made: String) {
    let text = try String(contentsOfFile: goldenPath("../\(path)"), encoding: .utf8)
    let parts = text.components(separatedBy: "// ----\n")
    return (parts[0], parts.last ?? "")
  }
}

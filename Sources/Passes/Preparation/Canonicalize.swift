package import IR
package import Support

/// Spells every constant as a weight and removes nodes that do nothing.
///
/// A weight's recipe takes up what operators do to it, so that patterns see one spelling. Bodies and
/// functions are rewritten too. Done only where every result stays the same, bit for bit: a cast
/// only among f32, f16 and bf16, nothing on a weight that a caller may replace.
///
/// Before:
///
///     weight @w: f32[10, 64] stored raw 0+2560
///     %t = Transpose(@w)
///     %i = Identity(%x)
///     %y = MatMul(%i, %t)
///
/// After:
///
///     weight @w: f32[64, 10] stored f32[10, 64] raw 0+2560 | transpose [1, 0]
///     %y = MatMul(%x, @w)
///
/// A weight that only the folded node reads keeps its name, which may tell the module's path; a
/// shared one is copied under the name of the result. A graph output keeps its name and its maker:
/// an `Identity` where the value is constant. Nodes and values of modules stay.
package struct Canonicalize: Pass {
  package static let name = "canonicalize"

  /// Ends the name of a weight that is moved or cast for some of its readers.
  static let suffix = ".folded"

  package init() {}

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    var work = Canonicalization()
    work.rewrite(&model.graph)
    for index in model.functions.indices {
      work.rewrite(&model.functions[index].body)
    }
    for (name, count) in [
      ("constants", work.constants), ("folded", work.folded), ("identities", work.identities),
    ] where count > 0 {
      context.count(name, by: count)
    }
  }
}

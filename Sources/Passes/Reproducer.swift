package import IR

/// What it takes to run one pass again: a golden file without its second half.
///
/// Holds no bytes of weights but those of small literals.
package struct Reproducer: Sendable {
  /// The pass and its options, as in a pipeline.
  package var pass: String
  package var model: Model

  package init(pass: String, model: Model) {
    self.pass = pass
    self.model = model
  }

  package var text: String { "// RUN: \(pass)\n\(model.text)" }
}

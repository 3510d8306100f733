package import IR
package import Support

/// One step of the compiler: a function on a model.
///
/// A pass reads no clock, file, environment or global: same model, same context, same result.
package protocol Pass: Sendable {
  /// A verb phrase in kebab case, the type's name otherwise.
  static var name: String { get }
  /// The names of the options that a pipeline's text may set; each is a stored property.
  static var options: [String] { get }

  init()

  /// Sets one of `options` from text; throws where the value makes no sense.
  mutating func set(_ option: String, to value: String) throws(Diagnostic)

  func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic)
}

extension Pass {
  package static var options: [String] { [] }

  package mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    throw .unknownOption(option, of: Self.name, known: Self.options)
  }
}

package import IR
internal import Support

/// The types that a type variable of an operator may stand for: tensors, sequences, optionals.
package struct TypeSet: Equatable, Sendable {
  package private(set) var tensors: Set<ElementType> = []
  private var sequences: Set<ElementType> = []
  private var optionals: Set<ElementType> = []
  private var optionalSequences: Set<ElementType> = []

  /// The type, where only one tensor type is allowed.
  var only: ElementType? {
    sequences.isEmpty && optionals.isEmpty && optionalSequences.isEmpty && tensors.count == 1
      ? tensors.first : nil
  }

  package func allows(_ type: ValueType) -> Bool {
    switch type {
    case .tensor(let tensor): tensors.contains(tensor.element)
    case .sequence(.tensor(let tensor)): sequences.contains(tensor.element)
    case .optional(.tensor(let tensor)): optionals.contains(tensor.element)
    case .optional(.sequence(.tensor(let tensor))): optionalSequences.contains(tensor.element)
    case .untyped, .sparse, .sequence, .optional, .map, .opaque: false
    }
  }

  init(_ row: JSONReader) throws(Diagnostic) {
    try row.onlyKeys(["tensor", "seq", "optional", "optional(seq)"])
    tensors = try TypeSet.elements(try row.optional("tensor"))
    sequences = try TypeSet.elements(try row.optional("seq"))
    optionals = try TypeSet.elements(try row.optional("optional"))
    optionalSequences = try TypeSet.elements(try row.optional("optional(seq)"))
  }

  /// Element types by their ONNX names; a name that this version does not know allows nothing.
  private static func elements(_ field: JSONReader?) throws(Diagnostic) -> Set<ElementType> {
    guard let field else { return [] }
    return Set(try field.string().split(separator: " ").compactMap { ElementType.named($0) })
  }
}

extension ElementType {
  /// The element type of a name that operator schemas use.
  static func named(_ name: some StringProtocol) -> ElementType? {
    allCases.first { $0.onnxName == name }
  }
}

package import IR
internal import Support

/// The operands and results of one version of an operator.
package struct OperatorSignature: Equatable, Sendable {
  package let op: String
  package let domain: String
  /// The version of the domain that brought this form.
  package let since: Int64
  package let inputs: [Formal]
  package let outputs: [Formal]
  /// `nil` where the table does not have them.
  let attributes: [DeclaredAttribute]?
  let leastInputs: Int
  let leastOutputs: Int
  let variables: [String: TypeSet]
  /// What gives each output its type where its variable does not; the last list serves the rest.
  let sources: [[ResultSource]]

  /// One operand or result as the schema declares it.
  package struct Formal: Equatable, Sendable {
    package let type: FormalType
    package let arity: Arity
  }

  package enum FormalType: Equatable, Sendable {
    case variable(String)
    case element(ElementType)
  }

  package enum Arity: Sendable {
    case single
    case optional
    /// Any number, all of one type.
    case variadic
    /// Any number, each of its own type.
    case heterogeneous
  }

  /// What is declared of the input at `index`; `nil` where there is no such input.
  package func input(_ index: Int) -> Formal? { OperatorSignature.formal(index, of: inputs) }

  package func output(_ index: Int) -> Formal? { OperatorSignature.formal(index, of: outputs) }

  /// Whether the input at `index` may have this element type.
  package func accepts(_ element: ElementType, atInput index: Int) -> Bool {
    input(index).map { allows(element, $0.type) } ?? false
  }

  /// Whether the output at `index` may have this element type.
  package func gives(_ element: ElementType, atOutput index: Int) -> Bool {
    output(index).map { allows(element, $0.type) } ?? false
  }

  /// The inputs, of `count` given ones, that have to be of one type with this output.
  package func inputs(sharingTypeWithOutput index: Int, of count: Int) -> [Int] {
    guard case .variable(let variable)? = output(index)?.type,
      output(index)?.arity != .heterogeneous
    else { return [] }
    return (0..<count).filter { position in
      guard let formal = input(position), formal.arity != .heterogeneous else { return false }
      return formal.type == .variable(variable)
    }
  }

  private func allows(_ element: ElementType, _ type: FormalType) -> Bool {
    switch type {
    case .element(let only): only == element
    case .variable(let name): variables[name]?.tensors.contains(element) ?? false
    }
  }

  private static func formal(_ index: Int, of formals: [Formal]) -> Formal? {
    if index < formals.count { return formals[index] }
    guard let last = formals.last else { return nil }
    switch last.arity {
    case .variadic, .heterogeneous: return last
    case .single, .optional: return nil
    }
  }
}

extension OperatorSignature.Formal {
  /// `T`, `T?`, `T*` or `V~`, where a name that is no variable is an element type.
  init?(_ spelling: Substring, variables: [String: TypeSet]) {
    var name = spelling
    switch name.last {
    case "?":
      arity = .optional
      name.removeLast()
    case "*":
      arity = .variadic
      name.removeLast()
    case "~":
      arity = .heterogeneous
      name.removeLast()
    default: arity = .single
    }
    if variables[String(name)] != nil {
      type = .variable(String(name))
    } else if let element = ElementType.named(name) {
      type = .element(element)
    } else {
      return nil
    }
  }
}

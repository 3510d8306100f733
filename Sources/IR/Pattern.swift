/// A value spelled like the expression it matches, from the result to the operands.
///
///     Pattern.add(.matMul(input, weight), bias)
///
/// A result inside the pattern has exactly one use, because a rewrite deletes it. Both orders of
/// `Add` and `Mul` are tried; everything else that may vary is another spelling.
package indirect enum Pattern: Sendable {
  /// Any value.
  case value(Capture)
  /// A value that is no weight.
  case activation(Capture)
  /// A constant of this graph; `channelAxis` is what the spelling makes of its axes.
  case weight(Capture, rank: Int, channelAxis: Int? = nil)
  /// The only or first result of a standard operator; left out operands at the end do not count.
  case op(String, [Pattern], [Requirement] = [])
  /// The only or first result of an operator of any domain whose first operands match; what follows
  /// them is not looked at.
  case call(String, domain: String = "", [Pattern], [Requirement] = [])
  /// What `inner` matches, with at most eight nodes of these operators behind it, each on its first
  /// operand.
  case through([String], inner: Pattern)
  /// What the first of several matches; a choice is not taken back.
  case either([Pattern])
  /// What `inner` matches, captured.
  case named(Capture, Pattern)
  /// A number by which something is multiplied or divided: a constant of one element, or what is computed
  /// from constants and shapes.
  case scalar
  /// Anything at all.
  case any

  /// What an attribute must be; `otherwise` stands in where the node lacks it.
  package struct Requirement: Sendable {
    package var name: String
    package var value: AttributeValue
    package var otherwise: AttributeValue?

    package init(_ name: String, _ value: AttributeValue, otherwise: AttributeValue? = nil) {
      self.name = name
      self.value = value
      self.otherwise = otherwise
    }
  }

  /// The operators that may make the result, with their domains.
  package var roots: [OperatorName] {
    switch self {
    case .value, .activation, .weight, .scalar, .any: []
    case .op(let name, _, _): [OperatorName(name)]
    case .call(let name, let domain, _, _): [OperatorName(name, domain: domain)]
    case .through(let ops, let inner): ops.map { OperatorName($0) } + inner.roots
    case .either(let patterns): patterns.flatMap(\.roots)
    case .named(_, let inner): inner.roots
    }
  }

  package static func add(_ left: Pattern, _ right: Pattern) -> Pattern {
    op("Add", [left, right])
  }

  package static func mul(_ left: Pattern, _ right: Pattern) -> Pattern {
    op("Mul", [left, right])
  }

  package static func matMul(_ left: Pattern, _ right: Pattern) -> Pattern {
    op("MatMul", [left, right])
  }

  /// `A · B`, and `+ C` where it is given, for any alpha and beta.
  package static func gemm(
    _ a: Pattern, _ b: Pattern, _ c: Pattern? = nil, transA: Int64 = 0, transB: Int64 = 0
  ) -> Pattern {
    op(
      "Gemm", [a, b] + (c.map { [$0] } ?? []),
      [
        Requirement("transA", .int(transA), otherwise: .int(0)),
        Requirement("transB", .int(transB), otherwise: .int(0)),
      ])
  }

  package static func conv(_ input: Pattern, _ weight: Pattern, _ bias: Pattern? = nil) -> Pattern {
    op("Conv", [input, weight] + (bias.map { [$0] } ?? []))
  }

  package static func softmax(_ input: Pattern) -> Pattern { op("Softmax", [input]) }
}

/// An operator by name and domain.
package struct OperatorName: Hashable, Sendable {
  package let name: String
  package let domain: String

  package init(_ name: String, domain: String = "") {
    self.name = name
    self.domain = domain
  }
}

/// Names a value that a pattern finds: a port of the module kind.
package struct Capture: Hashable, Sendable {
  package let name: String
  package init(_ name: String) { self.name = name }
}

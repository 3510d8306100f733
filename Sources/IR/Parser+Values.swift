import Support

/// Types, weights and attributes.
extension Parser {
  // MARK: Types

  /// A type, or `?` where nothing is known.
  mutating func optionalType() throws(Diagnostic) -> ValueType? {
    try accept(.question) ? nil : try type()
  }

  mutating func type() throws(Diagnostic) -> ValueType {
    try nested { parser throws(Diagnostic) in
      guard case .word(let word) = parser.token.kind else {
        throw parser.unexpected("a type, such as f32[2, N]")
      }
      switch word {
      case "tensor":
        try parser.advance()
        return .untyped(shape: try parser.shape())
      case "sparse":
        return .sparse(
          try parser.bracketed { parser throws(Diagnostic) in try parser.tensorType() })
      case "seq":
        return .sequence(try parser.bracketed { parser throws(Diagnostic) in try parser.type() })
      case "optional":
        return .optional(try parser.bracketed { parser throws(Diagnostic) in try parser.type() })
      case "map":
        return try parser.bracketed { parser throws(Diagnostic) in
          let key = try parser.element()
          try parser.expect(.comma)
          return .map(key: key, value: try parser.type())
        }
      case "opaque":
        return .opaque(try parser.bracketed { parser throws(Diagnostic) in try parser.bytes() })
      default: return .tensor(try parser.tensorType())
      }
    }
  }

  private mutating func bracketed<Result>(
    _ body: (inout Parser) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    try advance()
    try expect(.less)
    let result = try body(&self)
    try expect(.greater)
    return result
  }

  private mutating func tensorType() throws(Diagnostic) -> TensorType {
    let element = try element()
    return TensorType(element, try shape())
  }

  private mutating func shape() throws(Diagnostic) -> [Dimension]? {
    guard at(.leftBracket) else { return nil }
    return try list(.leftBracket, .rightBracket) { parser throws(Diagnostic) in
      if try parser.accept(.question) { return Dimension.unknown }
      if case .integer = parser.token.kind { return .size(try parser.integer("a size")) }
      return .symbol(try parser.word("a size, a symbol or '?'"))
    }
  }

  // MARK: Weights

  /// Type, source and recipe, which must make that type.
  mutating func weightValue() throws(Diagnostic) -> Weight {
    let start = token
    let type = try tensorType()
    let isStored = try accept("stored")
    let isStrings = isStored ? false : try accept("strings")
    if !isStored, !isStrings { try expect(.equal) }
    var stored = type
    if case .word(let word) = token.kind, ElementType(spelling: word) != nil {
      stored = try tensorType()
    }
    let source: Weight.Source
    if isStored {
      source = .range(try range())
    } else if isStrings {
      source = .strings(try strings())
    } else {
      source = try literal(of: stored.element)
    }
    var weight = Weight(stored: stored, source: source)
    while try accept(.bar) { weight.recipe.append(try step()) }
    guard weight.type() == type else {
      let made = Writer(elides: true).text(weight.type())
      throw fault(start, "the type \(made), which the recipe makes")
    }
    return weight
  }

  private mutating func range() throws(Diagnostic) -> StoredRange {
    var file: String?
    if case .string = token.kind { file = try text("a file") }
    let encoding = try encoding()
    let offset = try integer("an offset", as: Int64.self)
    try expect(.plus)
    let length = try integer("a length", as: Int64.self)
    return StoredRange(file: file, encoding: encoding, offset: offset, length: length)
  }

  private mutating func encoding() throws(Diagnostic) -> Encoding {
    guard case .word(let word) = token.kind, let encoding = Encoding(spelling: word) else {
      throw unexpected(
        "one of " + Encoding.allCases.map { "'\($0.spelling)'" }.joined(separator: ", "))
    }
    try advance()
    return encoding
  }

  private mutating func strings() throws(Diagnostic) -> [[UInt8]] {
    try list(.leftBracket, .rightBracket) { parser throws(Diagnostic) in
      try parser.string("a text")
    }
  }

  private mutating func literal(of element: ElementType) throws(Diagnostic) -> Weight.Source {
    var encoding = Encoding.raw
    if case .word = token.kind { encoding = try self.encoding() }
    if case .bytes(let bytes) = token.kind {
      try advance()
      return .literal(bytes, encoding: encoding)
    }
    let elements = try list(.leftBracket, .rightBracket) { parser throws(Diagnostic) in
      guard let bytes = Literal.bytes(of: parser.token.kind, as: element) else {
        throw parser.unexpected("an element of type \(element.spelling)")
      }
      try parser.advance()
      return bytes
    }
    return .literal(elements.flatMap { $0 }, encoding: encoding)
  }

  private mutating func step() throws(Diagnostic) -> Weight.Step {
    if try accept("cast") {
      let element = try element()
      return .cast(element, saturates: try accept("saturating"))
    }
    if try accept("transpose") { return .transpose(try integers()) }
    if try accept("reshape") { return .reshape(try integers()) }
    guard try accept("quantize") else {
      throw unexpected("'cast', 'transpose', 'reshape' or 'quantize'")
    }
    let element = try element()
    let scale = try scale()
    try expect("fullscale")
    let fullscale = try float("the largest magnitude of a code")
    let via = try accept("via") ? try self.element() : nil
    return .quantize(
      Quantization(element: element, scale: scale, fullscale: fullscale, via: via))
  }

  mutating func scale() throws(Diagnostic) -> Scale {
    try expect("scale")
    if try accept("dynamic") {
      return .dynamic(reducing: try accept("reducing") ? try integer("an axis") : nil)
    }
    guard at(.leftBracket) else { return .perTensor(try float("a scale")) }
    let values = try floats()
    try expect("axis")
    return .perChannel(values, axis: try integer("an axis"))
  }

  // MARK: Attributes

  /// The rest of an attribute, from its equal sign.
  mutating func attribute(named name: String) throws(Diagnostic) -> Attribute {
    try expect(.equal)
    var attribute = Attribute(name, try attributeValue())
    if try accept("doc") { attribute.docString = try text("a text") }
    if try accept("unknown") { attribute.unknown = try bytes() }
    return attribute
  }

  private mutating func attributeValue() throws(Diagnostic) -> AttributeValue {
    switch token.kind {
    case .integer: return .int(try integer("an integer"))
    case .float: return .float(try float("a number"))
    case .string(let bytes):
      try advance()
      return .string(bytes)
    case .sign(.leftBracket): return try listValue()
    case .word(let word): return try wordValue(word)
    case .end, .name, .bytes, .sign: throw unexpected("an attribute's value")
    }
  }

  private mutating func wordValue(_ word: String) throws(Diagnostic) -> AttributeValue {
    switch word {
    case "tensor": return .tensor(try tensor())
    case "sparse": return .sparse(try sparse())
    case "graph": return .graph(try graph())
    case "type":
      try advance()
      return .type(try type())
    case "ref":
      try advance()
      let name = try self.word("an attribute's name")
      try expect("kind")
      return .reference(name, kind: try integer("the attribute's type"))
    case "ints": return try empty(.ints([]))
    case "floats": return try empty(.floats([]))
    case "strings": return try empty(.strings([]))
    case "tensors": return try empty(.tensors([]))
    case "sparses": return try empty(.sparses([]))
    case "types": return try empty(.types([]))
    case "graphs": return try empty(.graphs([]))
    default: throw unexpected("an attribute's value")
    }
  }

  private mutating func empty(_ value: AttributeValue) throws(Diagnostic) -> AttributeValue {
    try advance()
    try expect(.leftBracket)
    try expect(.rightBracket)
    return value
  }

  /// A list whose first element says what all elements are.
  private mutating func listValue() throws(Diagnostic) -> AttributeValue {
    try expect(.leftBracket)
    switch token.kind {
    case .integer:
      return .ints(try rest { parser throws(Diagnostic) in try parser.integer("an integer") })
    case .float:
      return .floats(
        try rest { parser throws(Diagnostic) in
          guard case .float = parser.token.kind else {
            throw parser.unexpected("a number with a point or an exponent")
          }
          return try parser.float("a number")
        })
    case .string:
      return .strings(try rest { parser throws(Diagnostic) in try parser.string("a text") })
    case .word("tensor"):
      return .tensors(try rest { parser throws(Diagnostic) in try parser.tensor() })
    case .word("sparse"):
      return .sparses(try rest { parser throws(Diagnostic) in try parser.sparse() })
    case .word("graph"):
      return .graphs(try rest { parser throws(Diagnostic) in try parser.graph() })
    case .word("type"):
      return .types(
        try rest { parser throws(Diagnostic) in
          try parser.expect("type")
          return try parser.type()
        })
    case .end, .name, .bytes, .sign, .word:
      throw unexpected("a number, a text, 'tensor', 'sparse', 'graph' or 'type'")
    }
  }

  private mutating func rest<Element>(
    _ element: (inout Parser) throws(Diagnostic) -> Element
  ) throws(Diagnostic) -> [Element] {
    var result: [Element] = []
    repeat { result.append(try element(&self)) } while try accept(.comma)
    guard try accept(.rightBracket) else { throw unexpected("',' or ']'") }
    return result
  }

  private mutating func tensor() throws(Diagnostic) -> TensorAttribute {
    try expect("tensor")
    var name = ""
    if case .string = token.kind { name = try text("the tensor's name") }
    var weight = try weightValue()
    let details = try details()
    weight.isOverridable = details.isOverridable
    return TensorAttribute(name: name, weight: weight, annotations: details.annotations)
  }

  private mutating func sparse() throws(Diagnostic) -> SparseAttribute {
    try expect("sparse")
    let sizes = try integers(as: Int64.self)
    let unknown = try details().annotations.unknown
    try expect("values")
    let values = try tensor()
    try expect("indices")
    return SparseAttribute(
      values: values, indices: try tensor(), sizes: sizes, unknown: unknown)
  }

  // MARK: Lists of numbers

  private mutating func integers<Number: FixedWidthInteger>(
    as type: Number.Type = Number.self
  ) throws(Diagnostic) -> [Number] {
    try list(.leftBracket, .rightBracket) { parser throws(Diagnostic) in
      try parser.integer("an integer")
    }
  }

  mutating func floats() throws(Diagnostic) -> [Float] {
    try list(.leftBracket, .rightBracket) { parser throws(Diagnostic) in
      try parser.float("a number")
    }
  }
}

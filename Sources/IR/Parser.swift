package import Support

extension Model {
  /// Reads IR text.
  ///
  /// Total on any bytes. Throws one diagnostic of status 65 that names line, column, what was found
  /// and what was expected.
  package static func parse(_ bytes: [UInt8]) throws(Diagnostic) -> Model {
    var parser = try Parser(bytes)
    return try parser.model()
  }

  package static func parse(_ text: String) throws(Diagnostic) -> Model {
    try parse(Array(text.utf8))
  }
}

/// Reads IR text by recursive descent, one token ahead.
struct Parser {
  /// How deep graphs, types and lists may nest.
  static let depthLimit = 100

  private var lexer: Lexer
  private(set) var token: Token
  private var depth = 0
  /// The graphs that are being read, outermost first.
  var scopes: [Graph] = []

  init(_ bytes: [UInt8]) throws(Diagnostic) {
    lexer = Lexer(bytes)
    token = try lexer.next()
  }

  // MARK: Tokens

  /// The token that was ahead; the next one takes its place.
  @discardableResult
  mutating func advance() throws(Diagnostic) -> Token {
    let current = token
    token = try lexer.next()
    return current
  }

  func unexpected(_ expected: String) -> Diagnostic { fault(token, expected) }

  func fault(_ token: Token, _ expected: String) -> Diagnostic {
    lexer.fault(at: token.offset, found: token.found, expected: expected)
  }

  func at(_ sign: Token.Sign) -> Bool { token.kind == .sign(sign) }

  func at(_ word: String) -> Bool { token.kind == .word(word) }

  mutating func accept(_ sign: Token.Sign) throws(Diagnostic) -> Bool {
    guard at(sign) else { return false }
    try advance()
    return true
  }

  mutating func accept(_ word: String) throws(Diagnostic) -> Bool {
    guard at(word) else { return false }
    try advance()
    return true
  }

  mutating func expect(_ sign: Token.Sign) throws(Diagnostic) {
    guard try accept(sign) else { throw unexpected("'\(sign.rawValue)'") }
  }

  mutating func expect(_ word: String) throws(Diagnostic) {
    guard try accept(word) else { throw unexpected("'\(word)'") }
  }

  /// Elements between two signs, with commas between them.
  mutating func list<Element>(
    _ open: Token.Sign, _ close: Token.Sign,
    _ element: (inout Parser) throws(Diagnostic) -> Element
  ) throws(Diagnostic) -> [Element] {
    try expect(open)
    var result: [Element] = []
    if try accept(close) { return result }
    repeat { result.append(try element(&self)) } while try accept(.comma)
    guard try accept(close) else { throw unexpected("',' or '\(close.rawValue)'") }
    return result
  }

  mutating func nested<Result>(
    _ body: (inout Parser) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    guard depth < Parser.depthLimit else {
      throw unexpected("at most \(Parser.depthLimit) levels of nesting")
    }
    depth += 1
    let result = try body(&self)
    depth -= 1
    return result
  }

  // MARK: Words and numbers

  mutating func text(_ what: String) throws(Diagnostic) -> String {
    guard case .string(let bytes) = token.kind else { throw unexpected(what) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw unexpected("\(what) in UTF-8")
    }
    try advance()
    return text
  }

  /// A plain word, or any text in quotation marks.
  mutating func word(_ what: String) throws(Diagnostic) -> String {
    guard case .word(let word) = token.kind else { return try text(what) }
    try advance()
    return word
  }

  mutating func string(_ what: String) throws(Diagnostic) -> [UInt8] {
    guard case .string(let bytes) = token.kind else { throw unexpected(what) }
    try advance()
    return bytes
  }

  mutating func bytes() throws(Diagnostic) -> [UInt8] {
    guard case .bytes(let bytes) = token.kind else { throw unexpected("bytes, as in x\"00ff\"") }
    try advance()
    return bytes
  }

  mutating func integer<Number: FixedWidthInteger>(
    _ what: String, as type: Number.Type = Number.self
  ) throws(Diagnostic) -> Number {
    guard case .integer(let digits) = token.kind else { throw unexpected(what) }
    guard let number = Number(digits) else {
      throw unexpected("\(what) between \(Number.min) and \(Number.max)")
    }
    try advance()
    return number
  }

  mutating func float(_ what: String) throws(Diagnostic) -> Float {
    let digits: String
    switch token.kind {
    case .float(let text), .integer(let text): digits = text
    case .end, .word, .name, .string, .bytes, .sign: throw unexpected(what)
    }
    guard let value = FloatText.value(of: digits) else {
      throw unexpected("\(what) that is a finite float32, inf, nan or the bits of a NaN")
    }
    try advance()
    return value
  }

  mutating func element() throws(Diagnostic) -> ElementType {
    guard case .word(let word) = token.kind, let element = ElementType(spelling: word) else {
      throw unexpected("an element type, such as f32")
    }
    try advance()
    return element
  }

  // MARK: Model

  mutating func model() throws(Diagnostic) -> Model {
    var model = Model()
    if try accept("model") {
      model.opsets = []
      try header(of: &model)
    }
    while at("function") { model.functions.append(try function()) }
    guard at("graph") else { throw unexpected("'model', 'function' or 'graph'") }
    model.graph = try graph()
    guard token.kind == .end else { throw unexpected("the end of the text") }
    return model
  }

  private mutating func header(of model: inout Model) throws(Diagnostic) {
    try expect(.leftBrace)
    while try !accept(.rightBrace) {
      if try accept("ir") {
        model.irVersion = try integer("the IR version")
      } else if at("opset") {
        model.opsets.append(try opset())
      } else if try accept("producer") {
        model.producerName = try text("the producer's name")
        model.producerVersion = try text("the producer's version")
      } else if try accept("domain") {
        model.domain = try text("the model's domain")
      } else if try accept("version") {
        model.modelVersion = try integer("the model's version", as: Int64.self)
      } else if try accept("carried") {
        model.carried = try bytes()
      } else if try !annotation(into: &model.annotations) {
        throw unexpected(
          "'ir', 'opset', 'producer', 'domain', 'version', 'doc', 'meta', 'unknown', 'carried' or '}'"
        )
      }
    }
  }

  private mutating func opset() throws(Diagnostic) -> OpsetImport {
    try expect("opset")
    let domain = try text("a domain")
    return OpsetImport(domain: domain, version: try integer("the opset's version"))
  }

  private mutating func function() throws(Diagnostic) -> Function {
    try expect("function")
    let domain = try text("the function's domain")
    try expect(.doubleColon)
    let name = try word("the function's name")
    let overload = try accept(.doubleColon) ? try text("the overload") : ""
    var function = Function(
      key: FunctionKey(domain: domain, name: name, overload: overload), opsets: [], body: Graph())
    let attributes = try list(.leftParen, .rightParen) { parser throws(Diagnostic) in
      try parser.parameter()
    }
    for (name, attribute) in attributes {
      if let attribute {
        function.defaults.append(attribute)
      } else {
        function.attributes.append(name)
      }
    }
    try expect(.leftBrace)
    while !at("graph") {
      if at("opset") {
        function.opsets.append(try opset())
      } else if try !annotation(into: &function.annotations) {
        throw unexpected("'opset', 'doc', 'meta', 'unknown' or 'graph'")
      }
    }
    function.body = try graph()
    try expect(.rightBrace)
    return function
  }

  /// An attribute of a function, with its default where it has one.
  private mutating func parameter() throws(Diagnostic) -> (String, Attribute?) {
    let name = try word("an attribute's name")
    return (name, at(.equal) ? try attribute(named: name) : nil)
  }

  // MARK: Annotations

  /// Reads `doc`, `meta` or `unknown` where one of them is ahead.
  mutating func annotation(into annotations: inout Annotations) throws(Diagnostic) -> Bool {
    if try accept("doc") {
      annotations.docString = try text("a text")
    } else if try accept("meta") {
      annotations.metadata = try list(.leftBrace, .rightBrace) { parser throws(Diagnostic) in
        let key = try parser.text("a key")
        try parser.expect(.colon)
        return Metadata(key, try parser.text("the key's value"))
      }
    } else if try accept("unknown") {
      annotations.unknown = try bytes()
    } else {
      return false
    }
    return true
  }

  mutating func annotations() throws(Diagnostic) -> Annotations {
    var result = Annotations()
    while try annotation(into: &result) {}
    return result
  }

  /// What stands in parentheses behind a value.
  mutating func details() throws(Diagnostic) -> Details {
    var result = Details()
    guard try accept(.leftParen) else { return result }
    while try !accept(.rightParen) {
      if try accept("overridable") {
        result.isOverridable = true
      } else if try accept("described") {
        result.isDescribed = true
      } else if try !annotation(into: &result.annotations) {
        throw unexpected("'overridable', 'described', 'doc', 'meta', 'unknown' or ')'")
      }
    }
    return result
  }

  struct Details {
    var isOverridable = false
    var isDescribed = false
    var annotations = Annotations()
  }
}

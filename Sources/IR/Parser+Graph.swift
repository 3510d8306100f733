import Support

/// Graphs, nodes and modules.
extension Parser {
  mutating func graph() throws(Diagnostic) -> Graph {
    try nested { parser throws(Diagnostic) in
      try parser.expect("graph")
      guard case .name(let name, isWeight: true) = parser.token.kind else {
        throw parser.unexpected("the graph's name behind '@'")
      }
      try parser.advance()
      parser.scopes.append(Graph(name: name))
      let inputs = try parser.list(.leftParen, .rightParen) { parser throws(Diagnostic) in
        try parser.input()
      }
      try parser.expect(.arrow)
      let outputs = try parser.list(.leftParen, .rightParen) { parser throws(Diagnostic) in
        try parser.name()
      }
      let annotations = try parser.annotations()
      try parser.body()
      parser.current.annotations = annotations
      var ids: [ValueID] = []
      for input in inputs { ids.append(try parser.resolve(input)) }
      parser.current.setInputs(ids)
      ids = []
      for output in outputs { ids.append(try parser.resolve(output)) }
      parser.current.setOutputs(ids)
      return parser.scopes.removeLast()
    }
  }

  var current: Graph {
    get { scopes[scopes.count - 1] }
    _modify { yield &scopes[scopes.count - 1] }
  }

  /// An input; one behind `@` is a weight that stands below.
  private mutating func input() throws(Diagnostic) -> Token {
    let token = try name()
    guard case .name(let name, isWeight: false) = token.kind else { return token }
    try define(token)
    let type = try accept(.colon) ? try optionalType() : nil
    let details = try details()
    let id = current.addInput(name, type)
    current.describe(id, isDescribed: details.isDescribed, annotations: details.annotations)
    return token
  }

  private mutating func body() throws(Diagnostic) {
    try expect(.leftBrace)
    while try !accept(.rightBrace) {
      if at("weight") {
        try weightLine()
      } else if at("module") {
        try module()
      } else {
        try node()
      }
    }
  }

  private mutating func weightLine() throws(Diagnostic) {
    try expect("weight")
    let token = try name()
    guard case .name(let name, isWeight: true) = token.kind else {
      throw fault(token, "a weight's name behind '@'")
    }
    try define(token)
    try expect(.colon)
    var weight = try weightValue()
    let details = try details()
    weight.isOverridable = details.isOverridable
    let id = current.addWeight(name, weight)
    current.describe(id, isDescribed: details.isDescribed, annotations: details.annotations)
  }

  // MARK: Names

  mutating func name() throws(Diagnostic) -> Token {
    guard case .name = token.kind else { throw unexpected("a value, such as %x or @w") }
    return try advance()
  }

  /// The name behind the sign, or `nil` for `_`.
  private mutating func nameOrNothing() throws(Diagnostic) -> Token? {
    if try accept("_") { return nil }
    guard case .name = token.kind else { throw unexpected("a value, such as %x or @w, or '_'") }
    return try advance()
  }

  private func define(_ token: Token) throws(Diagnostic) {
    guard case .name(let name, _) = token.kind else { return }
    if current.value(named: name) != nil { throw fault(token, "a name that is new to the graph") }
  }

  /// The value of that name, captured where a graph around this one has it.
  private mutating func resolve(_ token: Token) throws(Diagnostic) -> ValueID {
    guard case .name(let name, let isWeight) = token.kind else {
      throw fault(token, "a value, such as %x or @w")
    }
    if let id = current.value(named: name) {
      let isRight = current[id].origin == .captured || (current[id].weight != nil) == isWeight
      guard isRight else {
        throw fault(token, isWeight ? "'%', for it is no weight" : "'@', for it is a weight")
      }
      return id
    }
    guard scopes.dropLast().contains(where: { $0.value(named: name) != nil }) else {
      throw fault(token, "a value that is defined above")
    }
    return current.capture(name)
  }

  // MARK: Nodes

  private mutating func node() throws(Diagnostic) {
    var results: [Token?] = []
    if try !accept("run") {
      guard at("_") || token.isName else {
        throw unexpected("'weight', 'module', 'run', a result, such as %y or _, or '}'")
      }
      repeat { results.append(try nameOrNothing()) } while try accept(.comma)
      try expect(.equal)
    }
    var node = try operation()
    let operands = try list(.leftParen, .rightParen) { parser throws(Diagnostic) in
      try parser.nameOrNothing()
    }
    for operand in operands {
      node.inputs.append(try operand.map { token throws(Diagnostic) in try resolve(token) })
    }
    if at(.leftBrace) {
      node.attributes = try list(.leftBrace, .rightBrace) { parser throws(Diagnostic) in
        let name = try parser.word("an attribute's name")
        return try parser.attribute(named: name)
      }
    }
    let types = try resultTypes(results.count)
    if try accept("name") { node.name = try text("the node's name") }
    node.origin = try accept("origin") ? try text("the source's node") : node.name
    node.annotations = try annotations()
    try add(node, results, types)
  }

  /// Domain, operator and overload.
  private mutating func operation() throws(Diagnostic) -> Node {
    var node = Node(op: try word("an operator"), inputs: [], outputs: [])
    guard try accept(.doubleColon) else { return node }
    node.domain = node.op
    node.op = try word("an operator")
    if try accept(.doubleColon) { node.overload = try text("the overload") }
    return node
  }

  private typealias Result = (type: ValueType?, details: Details)

  private mutating func resultTypes(_ count: Int) throws(Diagnostic) -> [Result] {
    var types: [Result] = []
    guard try accept(.colon) else {
      return Array(repeating: (nil, Details()), count: count)
    }
    repeat {
      let type = try optionalType()
      types.append((type, try details()))
    } while try accept(.comma)
    guard types.count == count else {
      throw unexpected("\(count) types, one for each result, and not \(types.count)")
    }
    return types
  }

  private mutating func add(
    _ node: Node, _ results: [Token?], _ types: [Result]
  ) throws(Diagnostic) {
    var names: [(name: String, type: ValueType?)?] = []
    var seen: Set<String> = []
    for (token, result) in zip(results, types) {
      guard let token else {
        names.append(nil)
        continue
      }
      guard case .name(let name, isWeight: false) = token.kind else {
        throw fault(token, "'%', for a result is no weight")
      }
      try define(token)
      guard seen.insert(name).inserted else {
        throw fault(token, "a name that is new to the graph")
      }
      names.append((name, result.type))
    }
    for name in current.captures(of: node) where seen.contains(name) {
      throw unexpected("a body that does not read the result '\(name)' of its own node")
    }
    let id = current.addNode(node, results: names)
    for (output, result) in zip(current[id].outputs, types) {
      guard let output else { continue }
      let details = result.details
      current.describe(output, isDescribed: details.isDescribed, annotations: details.annotations)
    }
  }

  // MARK: Modules

  private mutating func module() throws(Diagnostic) {
    try expect("module")
    let kind = try word("the module's kind")
    let path = try text("the module's path")
    let type = try word("the module's type")
    try expect("by")
    guard case .word(let word) = token.kind,
      let evidence = QuantizedModule.Evidence(rawValue: word)
    else {
      let names = QuantizedModule.Evidence.allCases.map { "'\($0.rawValue)'" }
      throw unexpected("one of " + names.joined(separator: ", "))
    }
    try advance()
    let ports = try list(.leftParen, .rightParen) { parser throws(Diagnostic) in
      try parser.port()
    }
    try expect(.equal)
    var values: [ValueID] = []
    var nodes: [NodeID] = []
    repeat {
      let token = try name()
      let value = try resolve(token)
      guard let maker = current.producer(of: value) else { throw fault(token, "a node's result") }
      values.append(value)
      nodes.append(maker)
    } while try accept(.comma)
    current.addModule(
      QuantizedModule(
        kind: kind, type: type, path: path, evidence: evidence, ports: ports, nodes: nodes,
        result: values[values.count - 1]))
  }

  private mutating func port() throws(Diagnostic) -> Port {
    let name = try word("a port's name")
    try expect(.colon)
    guard case .word(let word) = token.kind, let role = Port.Role(rawValue: word) else {
      let names = Port.Role.allCases.map { "'\($0.rawValue)'" }
      throw unexpected("one of " + names.joined(separator: ", "))
    }
    try advance()
    var port = Port(name, role, try accept("_") ? nil : try resolve(try self.name()))
    if try accept("axis") { port.channelAxis = try integer("an axis", as: Int.self) }
    if try accept("maxabs") {
      port.maxAbs = at(.leftBracket) ? try floats() : [try float("a magnitude")]
    }
    if at("scale") { port.scale = try scale() }
    return port
  }
}

extension Token {
  fileprivate var isName: Bool {
    if case .name = kind { return true }
    return false
  }
}

internal import IR
internal import Support
internal import Targets

/// One search over a graph, from the results to the operands: the longest spelling comes first.
struct ModuleFinder {
  let graph: Graph
  /// The constants that the graph captures from those around it.
  let outer: [String: Weight]
  let context: PassContext
  private(set) var found: [QuantizedModule] = []
  private(set) var warnings: [Diagnostic] = []
  /// Why a module is what it is, by its path.
  private(set) var reasons: [String: String] = [:]
  /// What was left and where it stands among the graph's nodes.
  private var notes: [(place: Int, node: LeftNode)] = []
  /// The paths given so far, and how often each was asked for.
  private(set) var paths: [String: Int]
  private var taken: NodeSet
  /// Where a node stands in the graph, and how many of its operator stand before it.
  private let places: NodePlaces
  private let surroundings: Surroundings

  /// In the order of the graph.
  var left: [LeftNode] { notes.sorted { $0.place < $1.place }.map(\.node) }

  init(graph: Graph, outer: [String: Weight], context: PassContext, paths: [String: Int]) {
    self.graph = graph
    self.outer = outer
    self.context = context
    self.paths = paths
    surroundings = Surroundings(
      of: graph, outer: outer, collectives: context.settings.target.collectives)
    taken = NodeSet(in: graph)
    for module in graph.modules { taken.insert(module.nodes) }
    places = NodePlaces(in: graph)
  }

  mutating func run() {
    let index = SpellingIndex(Spellings.all)
    var candidates: [Candidate] = []
    for id in graph.nodeIDs.reversed() where !taken.contains(id) {
      let spellings = index[graph[id]]
      guard !spellings.isEmpty, let result = graph[id].outputs.first ?? nil else { continue }
      var miss: (spellings: Spellings, mismatch: Mismatch)?
      for spelling in spellings where isWanted(spelling, at: id) {
        do throws(Mismatch) {
          let match = try match(spelling, at: result)
          candidates.append(candidate(spelling, match))
          taken.insert(match.nodes)
          miss = nil
          break
        } catch {
          if miss.map({ error.isNearer(than: $0.mismatch) }) ?? true { miss = (spelling, error) }
        }
      }
      if let miss { leave(id, miss.spellings, miss.mismatch) }
    }
    for candidate in candidates.reversed() { take(candidate) }
  }

  /// A match in which no node belongs to another, its nodes in the order of the graph.
  private func match(
    _ spelling: Spellings, at result: ValueID
  ) throws(Mismatch) -> Match {
    var match = try spelling.match(at: result, in: graph, outer: outer)
    if let used = match.nodes.first(where: taken.contains) {
      throw Mismatch(
        (graph[used].outputs.first ?? nil) ?? result, "is part of another module")
    }
    if match.nodes.count > 1 { places.sort(&match.nodes) }
    return match
  }

  /// True unless another reading of the node is to be preferred.
  ///
  /// Attention in small operators is one module only for who asks for that and not for its parts.
  private func isWanted(_ spelling: Spellings, at id: NodeID) -> Bool {
    guard case .insteadOf(let other) = spelling.consent else { return true }
    guard surroundings.isProductOfActivations(id) else { return false }
    let selection = context.settings.selection
    let type = context.settings.modules.defaultType(of: spelling.kind)
    if selection.allows(other) { return false }
    if selection.allowedTypes.contains(type) { return true }
    guard surroundings.roles[id]?.part == "matmul_av" else { return false }
    let identity = identity(of: id, spelling, match: nil)
    return identity.hasClass || identity.isNamedLikeIt || selection.names(identity.path)
  }

  private struct Candidate {
    let spelling: Spellings
    let match: Match
    /// The operator that names the module and plays its role.
    let anchor: NodeID
  }

  private func candidate(_ spelling: Spellings, _ match: Match) -> Candidate {
    let last = match.nodes[match.nodes.count - 1]
    return Candidate(
      spelling: spelling, match: match,
      anchor: graph[last].isStandard("Add") ? match.nodes[0] : last)
  }

  // MARK: Taking

  /// Turns what a spelling matched into a module, or notes why it is none.
  private mutating func take(_ candidate: Candidate) {
    let (spelling, match) = (candidate.spelling, candidate.match)
    let identity = identity(of: candidate.anchor, spelling, match: match)
    let role = surroundings.roles[candidate.anchor]
    let selection = context.settings.selection
    if let obstacle = obstacle(to: match, spelling.kind)
      ?? refusal(of: spelling, identity, role)
      ?? role?.obstacle.flatMap({ selection.names(identity.path) ? nil : $0 })
      ?? selection.reason(against: identity.type, path: identity.path)
      ?? missingOperator(for: spelling.kind)
    {
      note(identity, candidate.anchor, obstacle)
      return
    }
    add(identity, candidate, role)
  }

  /// Why the target cannot run a module of the kind in FP8.
  private func missingOperator(for kind: String) -> String? {
    let target = context.settings.target
    return target.kernel(for: kind) == nil
      ? "target '\(target.name)' has no operator for its kind" : nil
  }

  /// Why a spelling that needs more than itself is no module here.
  private func refusal(of spelling: Spellings, _ identity: Identity, _ role: Role?) -> String? {
    switch spelling.consent {
    case .none, .insteadOf: return nil
    case .typeNamed:
      return context.settings.selection.allowedTypes.contains(identity.type)
        ? nil : "type '\(identity.type)' is taken only where the allowlist names it"
    case .evidence(let reason):
      // A softmax is one of attention by what reads it, whatever it is called.
      let isSaid = spelling.kind != "softmax" && (identity.hasClass || identity.isNamedLikeIt)
      let isKnown = role?.part != nil || isSaid
      return isKnown || context.settings.selection.names(identity.path) ? nil : reason
    }
  }

  /// Why the values that a spelling found cannot be operands in FP8.
  private func obstacle(to match: Match, _ kindName: String) -> String? {
    let kind = context.settings.modules.kind(named: kindName)
    func values(_ role: Port.Role) -> [ValueID] {
      match.bindings.filter { kind?.port($0.capture.name)?.role == role }.map(\.value)
    }
    for value in values(.weight) {
      guard let type = graph.weight(of: value, outer: outer)?.type() else { continue }
      let name = graph[value].name
      guard type.element.isHighPrecision else {
        return "the weight '\(name)' is \(type.element.spelling), expected f32, f16 or bf16"
      }
      if type.elementCount == 0 { return "the weight '\(name)' is empty" }
    }
    for value in values(.activation) {
      if isQuantizedWeight(value) {
        return "'\(graph[value].name)' is a weight that is quantized already"
      }
      guard graph[value].type?.element?.isHighPrecision ?? true else {
        return "its operands are not float32, float16 or bfloat16"
      }
    }
    let results = match.nodes.flatMap { graph[$0].outputs.compactMap { $0 } }
    // Such types cannot be changed with the module's.
    for value in values(.activation) + results {
      switch graph[value].type {
      case .opaque?: return "the type of '\(graph[value].name)' has fields that are not known"
      case .untyped?: return "the element type of '\(graph[value].name)' is not known"
      default: continue
      }
    }
    return nil
  }

  /// True for a weight read through `DequantizeLinear`, whatever moves its elements on the way.
  private func isQuantizedWeight(_ value: ValueID) -> Bool {
    var current = value
    for _ in 0..<8 {
      guard let producer = graph.producer(of: current), graph[producer].domain.isEmpty,
        let operand = graph[producer].input(0)
      else { return false }
      switch graph[producer].op {
      case "DequantizeLinear": return graph[operand].weight != nil
      case "Transpose", "Reshape", "Cast", "Identity": current = operand
      default: return false
      }
    }
    return false
  }

  private mutating func add(_ identity: Identity, _ candidate: Candidate, _ role: Role?) {
    let match = candidate.match
    let path = uniquePath(identity.path)
    let followers = role?.followers.filter { !taken.contains($0) } ?? []
    var nodes = match.nodes
    var result = match.result
    if let last = followers.last, let value = graph[last].outputs.first ?? nil,
      match.nodes.last == candidate.anchor
    {
      nodes += followers
      taken.insert(followers)
      result = value
    }
    var ports = ports(of: identity.kind, match, result: result)
    if let bias = role?.bias, nodes.count > match.nodes.count, match["bias"] == nil {
      ports.insert(Port("bias", .unquantized, bias), at: ports.count { $0.role != .output })
    }
    found.append(
      QuantizedModule(
        kind: identity.kind, type: identity.type, path: path, evidence: identity.evidence,
        ports: ports, nodes: nodes, result: result))
    reasons[path] = identity.reason
    if let warning = role?.warning {
      warnings.append(.doubtful(path, warning, at: graph.location(of: candidate.anchor)))
    }
    addCaches(of: candidate, identity)
  }

  private func ports(of kindName: String, _ match: Match, result: ValueID) -> [Port] {
    let kind = context.settings.modules.kind(named: kindName)
    let measures = context.settings.measuresOutputs || kind?.alwaysMeasuresOutput ?? false
    return (kind?.ports ?? []).compactMap { port in
      if let binding = match[port.name] {
        return Port(
          port.name, port.role, binding.value, channelAxis: channelAxis(of: binding, match))
      }
      guard port.role == .output, measures else { return nil }
      return Port(port.name, .output, port.name == "output" ? result : nil)
    }
  }

  /// The axis that the spelling says.
  ///
  /// A matrix in front of a vector has its channels along the result's last axis, in front of anything
  /// else along the last but one. Where the rank of the other operand is not known to be two at least,
  /// there is no one axis for the factors of the channels.
  private func channelAxis(of binding: Match.Binding, _ match: Match) -> Int? {
    guard let axis = binding.channelAxis, let id = match.nodes.first,
      graph[id].isStandard("MatMul"), graph[id].input(0) == binding.value
    else { return binding.channelAxis }
    let rank = graph[id].input(1).flatMap { graph[$0].type?.tensor?.shape?.count } ?? 0
    return rank >= 2 ? axis : nil
  }

  /// The caches inside an attention operator: past keys and values in, present ones out.
  private mutating func addCaches(of candidate: Candidate, _ attention: Identity) {
    let node = graph[candidate.anchor]
    guard let places = AttentionCaches.places[OperatorName(node.op, domain: node.domain)] else {
      return
    }
    let prefix = attention.path.split(separator: ".").dropLast().joined(separator: ".")
    let parts = [
      (part: "k_cache", port: "key", past: places.key, present: 1),
      (part: "v_cache", port: "value", past: places.value, present: 2),
    ]
    for cache in parts {
      guard let past = node.input(cache.past), cache.present < node.outputs.count,
        let present = node.outputs[cache.present], let new = candidate.match[cache.port]?.value
      else { continue }
      let identity = Identity(
        kind: "kv_cache", type: context.settings.modules.defaultType(of: "kv_cache"),
        path: prefix.isEmpty ? cache.part : "\(prefix).\(cache.part)",
        evidence: attention.evidence, reason: "past and present of an attention operator")
      if let reason = context.settings.selection.reason(against: identity.type, path: identity.path)
      {
        note(identity, candidate.anchor, reason)
        continue
      }
      let path = uniquePath(identity.path)
      var ports = [Port("input", .activation, new), Port("past", .unquantized, past)]
      if context.settings.measuresOutputs { ports.append(Port("output", .output, present)) }
      found.append(
        QuantizedModule(
          kind: identity.kind, type: identity.type, path: path, evidence: identity.evidence,
          ports: ports, nodes: [candidate.anchor], result: present))
      reasons[path] = identity.reason
    }
  }

  /// The path itself, or with a number behind it where another module has it.
  private mutating func uniquePath(_ path: String) -> String {
    var count = paths[path, default: 0] + 1
    paths[path] = count
    guard count > 1 else { return path }
    while paths["\(path)#\(count)"] != nil { count += 1 }
    paths[path] = count
    paths["\(path)#\(count)"] = 1
    return "\(path)#\(count)"
  }

  // MARK: Leaving

  /// Notes why a node has no spelling: the mismatch that came farthest.
  private mutating func leave(_ id: NodeID, _ spelling: Spellings, _ mismatch: Mismatch) {
    // Sums and joined tensors are everywhere: they are candidates only for who plays a role.
    let isCommon = graph[id].isStandard("Add") || spelling.kind == "kv_cache"
    guard !isCommon || (spelling.kind == "kv_cache" && surroundings.roles[id] != nil) else {
      return
    }
    note(
      identity(of: id, spelling, match: nil), id,
      "'\(graph[mismatch.value].name)' \(mismatch.reason)")
  }

  private mutating func note(_ identity: Identity, _ id: NodeID, _ reason: String) {
    if identity.kind == "kv_cache", surroundings.roles[id] == nil, !identity.hasClass { return }
    let node = graph[id]
    let label = node.name.isEmpty ? (node.outputs.first ?? nil).map { graph[$0].name } : node.name
    notes.append(
      (
        places[id].place,
        LeftNode(
          node: label ?? node.op, kind: identity.kind, type: identity.type, path: identity.path,
          reason: reason)
      ))
  }

  // MARK: Naming

  /// What a module is and how it is called.
  struct Identity {
    var kind: String
    var type: String
    var path: String
    var evidence: QuantizedModule.Evidence
    /// What decided on the type, for `--explain`.
    var reason: String
    /// True where the exporter wrote a class of the kind.
    var hasClass = false
    /// True where the scope is called as modules of the kind are.
    var isNamedLikeIt = false
  }

  private func identity(of id: NodeID, _ spelling: Spellings, match: Match?) -> Identity {
    let modules = context.settings.modules
    let node = graph[id]
    func accepts(_ type: String) -> Bool {
      modules.kind(of: type).map {
        $0 == spelling.kind || modules.spelling(of: $0) == spelling.kind
      }
        ?? false
    }
    let weight = match?["weight"].map { graph[$0.value].name }
    let scope =
      weight.map { ModuleScope.ofWeighted(node, weight: $0, accepts: accepts) }
      ?? ModuleScope.ofUnweighted(node)
    let role = surroundings.roles[id]
    let part = ModuleNames.part(of: spelling.kind) ?? role?.part
    var identity = Identity(
      kind: spelling.kind, type: spelling.type ?? modules.defaultType(of: spelling.kind),
      path: scope?.path ?? node.name, evidence: scope?.evidence ?? .nodeName,
      reason: "its operator")
    if identity.path.isEmpty, part == nil || scope == nil {
      identity.path = node.name.isEmpty ? "\(node.op)_\(places[id].ordinal)" : node.name
      identity.evidence = node.name.isEmpty ? .index : .nodeName
    }
    let name =
      identity.path.lastIndex(of: ".").map {
        String(identity.path[identity.path.index(after: $0)...])
      } ?? identity.path
    let isScope = identity.evidence != .nodeName && identity.evidence != .index
    identity.isNamedLikeIt = isScope && ModuleNames.isName(name, of: spelling.kind)
    if let type = scope?.type, accepts(type), let canonical = modules.canonicalType(type) {
      identity.type = canonical
      identity.kind = modules.kind(of: type) ?? identity.kind
      identity.hasClass = true
      identity.reason = "its class"
    } else if let type = ModuleNames.type(named: name, of: spelling.kind) {
      identity.type = type
      identity.kind = modules.kind(of: type) ?? identity.kind
      identity.reason = "its scope's name"
    } else if let role, let type = role.type, isOwn(role, of: id, path: identity.path) {
      identity.type = type
      identity.reason = role.evidence
    } else if let role, role.part != nil {
      identity.reason = role.evidence
    }
    if let part, !identity.hasClass, !identity.isNamedLikeIt {
      identity.path += identity.path.isEmpty ? part : ".\(part)"
    }
    return identity
  }

  /// False for an adapter that stands beside its base, in a module that wraps both: the base is then
  /// a layer like any other.
  private func isOwn(_ role: Role, of id: NodeID, path: String) -> Bool {
    guard let adapter = role.adapter else { return true }
    let node = graph[adapter]
    let weight = surroundings.constantFactor(of: node).flatMap { node.input($0) }
    let scope = weight.flatMap {
      ModuleScope.ofWeighted(node, weight: graph[$0].name) { _ in true }
    }
    return scope?.path.hasPrefix("\(path).") ?? true
  }
}

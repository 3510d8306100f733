/// A graph of operators: tables of values and nodes, the order of the nodes, and the modules found.
///
/// A value of Swift: a copy is a snapshot. Every change goes through the methods below, which keep
/// the lists of uses right and bump `revision`. Nodes stand in an order in which every value is
/// made before it is used.
package struct Graph: Equatable, Sendable {
  package var name: String
  package var annotations: Annotations
  package private(set) var inputs: [ValueID] = []
  package private(set) var outputs: [ValueID] = []
  package private(set) var modules: [QuantizedModule] = []
  /// How often the graph was changed.
  package private(set) var revision = 0

  private var valueTable: [Value] = []
  private var identifiers: [String: ValueID] = [:]
  private var useTable: [UseList] = []
  private var outputCounts: [ValueID: Int] = [:]
  private var nodeTable: [Node] = []
  /// False for a node that was removed, whose place in the table stays.
  private var isAlive: [Bool] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var head: Int32 = -1
  private var tail: Int32 = -1
  package private(set) var nodeCount = 0

  package init(name: String = "main", annotations: Annotations = Annotations()) {
    self.name = name
    self.annotations = annotations
  }

  // MARK: Reading

  /// Lent, not copied: a node or value has many parts, and most readers want one.
  package subscript(_ id: ValueID) -> Value {
    _read { yield valueTable[Int(id.index)] }
  }

  package subscript(_ id: NodeID) -> Node {
    _read {
      guard isAlive[Int(id.index)] else {
        preconditionFailure(
          "node \(id.index) of graph '\(name)' was removed and is still referred to")
      }
      yield nodeTable[Int(id.index)]
    }
  }

  package func contains(_ id: NodeID) -> Bool {
    id.index >= 0 && Int(id.index) < nodeTable.count && isAlive[Int(id.index)]
  }

  /// True where the id names a value of this graph that was not removed.
  package func contains(_ id: ValueID) -> Bool {
    valueTable.indices.contains(Int(id.index)) && !self[id].isRemoved
  }

  package func value(named name: String) -> ValueID? { identifiers[name] }

  /// One more than the greatest index that a value has ever had.
  package var valueLimit: Int { valueTable.count }

  /// One more than the greatest index that a node has ever had.
  package var nodeLimit: Int { nodeTable.count }

  /// Every value in the order it was added, those removed left out.
  package var values: [ValueID] {
    valueTable.indices.compactMap { valueTable[$0].isRemoved ? nil : ValueID(at: $0) }
  }

  /// The weights in the order they were added.
  package var weights: [ValueID] {
    valueTable.indices.compactMap { valueTable[$0].weight == nil ? nil : ValueID(at: $0) }
  }

  /// The nodes in order.
  package var nodeIDs: [NodeID] {
    var result: [NodeID] = []
    result.reserveCapacity(nodeCount)
    var index = head
    while index >= 0 {
      result.append(NodeID(index: index))
      index = next[Int(index)]
    }
    return result
  }

  /// The nodes that read a value, in no promised order: a node that reads it twice stands twice, one
  /// whose body captures it once more.
  package func users(of id: ValueID) -> [NodeID] { useTable[Int(id.index)].nodes }

  package func isOutput(_ id: ValueID) -> Bool { outputCounts[id] != nil }

  /// How many operands, captures and graph outputs read the value.
  package func useCount(of id: ValueID) -> Int {
    useTable[Int(id.index)].nodes.count + (outputCounts[id] ?? 0)
  }

  package func producer(of id: ValueID) -> NodeID? { self[id].producer }

  // MARK: Values

  /// Makes room for nodes and values that are about to be added; how many does not limit how many may be.
  package mutating func reserveCapacity(nodes: Int, values: Int) {
    valueTable.reserveCapacity(valueTable.count + values)
    useTable.reserveCapacity(useTable.count + values)
    identifiers.reserveCapacity(identifiers.count + values)
    nodeTable.reserveCapacity(nodeTable.count + nodes)
    isAlive.reserveCapacity(isAlive.count + nodes)
    next.reserveCapacity(next.count + nodes)
    previous.reserveCapacity(previous.count + nodes)
  }

  /// Adds a value; its name must be new to the graph.
  @discardableResult
  private mutating func add(_ value: Value) -> ValueID {
    let id = ValueID(at: valueTable.count)
    valueTable.append(value)
    useTable.append(UseList())
    identifiers[value.name] = id
    revision += 1
    return id
  }

  @discardableResult
  package mutating func addInput(
    _ name: String, _ type: ValueType?, annotations: Annotations = Annotations()
  ) -> ValueID {
    let id = add(Value(name: name, type: type, origin: .input, annotations: annotations))
    inputs.append(id)
    return id
  }

  @discardableResult
  package mutating func addWeight(
    _ name: String, _ weight: Weight, annotations: Annotations = Annotations()
  ) -> ValueID {
    add(
      Value(
        name: name, type: .tensor(weight.type()), origin: .weight(weight),
        annotations: annotations))
  }

  /// A value that some graph around this one defines.
  package mutating func capture(_ name: String) -> ValueID {
    if let known = identifiers[name] { return known }
    return add(Value(name: name, type: nil, origin: .captured))
  }

  package mutating func setWeight(_ id: ValueID, to weight: Weight) {
    valueTable[Int(id.index)].origin = .weight(weight)
    valueTable[Int(id.index)].type = .tensor(weight.type())
    revision += 1
  }

  package mutating func setType(of id: ValueID, to type: ValueType?) {
    guard valueTable[Int(id.index)].type != type else { return }
    valueTable[Int(id.index)].type = type
    revision += 1
  }

  package mutating func describe(_ id: ValueID, isDescribed: Bool, annotations: Annotations) {
    valueTable[Int(id.index)].isDescribed = isDescribed
    valueTable[Int(id.index)].annotations = annotations
    revision += 1
  }

  /// Gives a value another name; bodies that capture it follow.
  package mutating func rename(_ id: ValueID, to name: String) {
    let old = valueTable[Int(id.index)].name
    guard old != name else { return }
    identifiers[old] = nil
    identifiers[name] = id
    valueTable[Int(id.index)].name = name
    for user in useTable[Int(id.index)].nodes {
      nodeTable[Int(user.index)].mapBodies { $0.renameCapture(old, to: name) }
    }
    revision += 1
  }

  /// Lets a body take another value from outside: `name` where it took `old`.
  ///
  /// Where the new name is captured too, the two become one; a value of this graph's own that would
  /// hide the new name makes way.
  package mutating func renameCapture(_ old: String, to name: String) {
    guard let id = identifiers[old], self[id].origin == .captured else { return }
    guard let known = identifiers[name] else { return rename(id, to: name) }
    guard self[known].origin == .captured else {
      rename(known, to: freshName("\(name).inner"))
      return rename(id, to: name)
    }
    for user in Set(useTable[Int(id.index)].nodes).sorted() {
      update(user) { node in
        node.inputs = node.inputs.map { $0 == id ? known : $0 }
        node.mapBodies { $0.renameCapture(old, to: name) }
      }
    }
    setOutputs(outputs.map { $0 == id ? known : $0 })
    forget(id)
  }

  /// A name that no value of this graph has: `base`, else the first free of `base.1`, `base.2`.
  package func freshName(_ base: String) -> String {
    var name = base
    var count = 0
    while identifiers[name] != nil {
      count += 1
      name = "\(base).\(count)"
    }
    return name
  }

  /// Removes an unused weight or captured value.
  package mutating func removeValue(_ id: ValueID) {
    guard useCount(of: id) == 0 else {
      preconditionFailure("value '\(self[id].name)' is removed while something reads it")
    }
    forget(id)
  }

  private mutating func forget(_ id: ValueID) {
    identifiers[valueTable[Int(id.index)].name] = nil
    valueTable[Int(id.index)].origin = .removed
    inputs.removeAll { $0 == id }
    revision += 1
  }

  // MARK: Inputs and outputs

  package mutating func setOutputs(_ ids: [ValueID]) {
    outputs = ids
    outputCounts = [:]
    for id in ids { outputCounts[id, default: 0] += 1 }
    revision += 1
  }

  /// Turns a weight that is also listed as an input into one, keeping its place among the inputs.
  package mutating func listAsInput(_ id: ValueID) {
    inputs.append(id)
    revision += 1
  }

  /// Replaces the list of inputs, which says their order; every member is an input or a weight.
  package mutating func setInputs(_ ids: [ValueID]) {
    inputs = ids
    revision += 1
  }

  // MARK: Nodes

  /// Adds a node whose results are new values, at the end or before another node.
  ///
  /// `results` names the outputs; a `nil` name leaves that output out.
  @discardableResult
  package mutating func addNode(
    _ node: Node, results: [(name: String, type: ValueType?)?], before: NodeID? = nil
  ) -> NodeID {
    var node = node
    let id = NodeID(index: Int32(nodeTable.count))
    node.outputs = results.enumerated().map { index, result in
      guard let result else { return nil }
      return add(
        Value(name: result.name, type: result.type, origin: .result(of: id, at: index)))
    }
    insert(node, as: id, before: before)
    return id
  }

  /// Gives a node further results behind those it has.
  package mutating func addResults(
    to id: NodeID, _ results: [(name: String, type: ValueType?)]
  ) -> [ValueID] {
    var node = self[id]
    let first = node.outputs.count
    let added = results.enumerated().map { index, result in
      add(Value(name: result.name, type: result.type, origin: .result(of: id, at: first + index)))
    }
    node.outputs += added
    nodeTable[Int(id.index)] = node
    return added
  }

  private mutating func insert(_ node: Node, as id: NodeID, before: NodeID?) {
    nodeTable.append(node)
    isAlive.append(true)
    next.append(-1)
    previous.append(-1)
    link(id, before: before)
    nodeCount += 1
    addUses(of: id)
    revision += 1
  }

  private mutating func link(_ id: NodeID, before: NodeID?) {
    let successor = before?.index ?? -1
    let predecessor = successor >= 0 ? previous[Int(successor)] : tail
    next[Int(id.index)] = successor
    previous[Int(id.index)] = predecessor
    if predecessor >= 0 { next[Int(predecessor)] = id.index } else { head = id.index }
    if successor >= 0 { previous[Int(successor)] = id.index } else { tail = id.index }
  }

  private mutating func unlink(_ id: NodeID) {
    let predecessor = previous[Int(id.index)]
    let successor = next[Int(id.index)]
    if predecessor >= 0 { next[Int(predecessor)] = successor } else { head = successor }
    if successor >= 0 { previous[Int(successor)] = predecessor } else { tail = predecessor }
  }

  /// The node that stands first.
  package var firstNode: NodeID? { head < 0 ? nil : NodeID(index: head) }

  /// The node after this one, in order.
  package func successor(of id: NodeID) -> NodeID? {
    let index = next[Int(id.index)]
    return index < 0 ? nil : NodeID(index: index)
  }

  /// Changes a node's operator, attributes, operands or names; its results stay.
  package mutating func update(_ id: NodeID, _ change: (inout Node) -> Void) {
    let outputs = self[id].outputs
    let before = operands(of: id)
    change(&nodeTable[Int(id.index)])
    guard self[id].outputs == outputs else {
      preconditionFailure("update of node '\(self[id].name)' must leave its results")
    }
    let after = operands(of: id)
    for place in 0..<max(before.count, after.count) {
      let old = place < before.count ? before[place] : nil
      let new = place < after.count ? after[place] : nil
      guard old != new else { continue }
      if let old { useTable[Int(old.index)].remove(id) }
      if let new { useTable[Int(new.index)].add(id) }
    }
    revision += 1
  }

  /// Removes a node whose results nothing reads.
  package mutating func removeNode(_ id: NodeID) {
    let node = self[id]
    for output in node.outputs {
      guard let output else { continue }
      guard useCount(of: output) == 0 else {
        preconditionFailure("node '\(node.name)' is removed while '\(self[output].name)' is read")
      }
      forget(output)
    }
    removeUses(of: id)
    unlink(id)
    clear(id)
    nodeCount -= 1
    revision += 1
  }

  /// Lets everything that reads `old` read `new`, graph outputs included.
  ///
  /// A graph output keeps its name: where `old` is one, `new` takes the name over if a node of this
  /// graph makes it and it is no output itself; the caller inserts an `Identity` otherwise.
  package mutating func replaceUses(of old: ValueID, with new: ValueID) {
    guard old != new else { return }
    replaceReaders(of: old, with: new)
    let oldName = self[old].name
    if outputCounts[old] != nil {
      setOutputs(outputs.map { $0 == old ? new : $0 })
      rename(old, to: freshName("\(oldName).replaced"))
      rename(new, to: oldName)
    }
  }

  /// Lets every node that reads `old`, itself or in a body, read `new`; graph outputs stay.
  package mutating func replaceReaders(of old: ValueID, with new: ValueID) {
    guard old != new else { return }
    let oldName = self[old].name
    let newName = self[new].name
    for user in useTable[Int(old.index)].nodes.reversed() {
      update(user) { node in
        node.inputs = node.inputs.map { $0 == old ? new : $0 }
        node.mapBodies { $0.renameCapture(oldName, to: newName) }
      }
    }
  }

  /// Removes a node whose one result becomes a weight of the same name.
  ///
  /// Fields of `ValueInfoProto` that are not known would be other fields in `TensorProto`, so they go.
  package mutating func replaceNode(_ id: NodeID, with weight: Weight) {
    let node = self[id]
    guard node.outputs.count == 1, let value = node.outputs[0] else {
      preconditionFailure("node '\(node.name)' becomes a weight and has not one result")
    }
    removeUses(of: id)
    unlink(id)
    clear(id)
    nodeCount -= 1
    valueTable[Int(value.index)].isDescribed = false
    valueTable[Int(value.index)].annotations.unknown = []
    setWeight(value, to: weight)
  }

  /// What all places of removed nodes hold.
  private static let noNode = Node(op: "", inputs: [], outputs: [])

  /// Leaves a removed node's place empty.
  private mutating func clear(_ id: NodeID) {
    nodeTable[Int(id.index)] = Graph.noNode
    isAlive[Int(id.index)] = false
  }

  private mutating func addUses(of id: NodeID) {
    for value in operands(of: id) { useTable[Int(value.index)].add(id) }
  }

  private mutating func removeUses(of id: NodeID) {
    for value in operands(of: id) { useTable[Int(value.index)].remove(id) }
  }

  /// Operands, then the values that the node's bodies capture.
  private mutating func operands(of id: NodeID) -> [ValueID] {
    let operands = self[id].inputs.compactMap { $0 }
    guard self[id].hasBodies else { return operands }
    return operands + captures(of: self[id]).map { capture($0) }
  }

  // MARK: Modules

  package mutating func addModule(_ module: QuantizedModule) {
    modules.append(module)
    revision += 1
  }

  package mutating func updateModule(at index: Int, _ change: (inout QuantizedModule) -> Void) {
    let before = modules[index]
    change(&modules[index])
    if modules[index] != before { revision += 1 }
  }

  package mutating func removeModules(where condition: (QuantizedModule) -> Bool) {
    let count = modules.count
    modules.removeAll(where: condition)
    if modules.count != count { revision += 1 }
  }

  // MARK: Whole graph

  /// The same graph with its tables renumbered and rid of what was removed.
  ///
  /// Inputs come first, then weights, then results in order. Two graphs that print the same are
  /// equal once compacted.
  package func compacted() -> Graph {
    var copy = Graph(name: name, annotations: annotations)
    var moved: [ValueID: ValueID] = [:]
    for id in inputs + weights where moved[id] == nil { moved[id] = copy.add(self[id]) }
    var movedNodes: [NodeID: NodeID] = [:]
    for id in nodeIDs {
      var node = self[id]
      node.mapBodies { $0 = $0.compacted() }
      node.inputs = node.inputs.map { input in
        guard let input else { return nil }
        if let known = moved[input] { return known }
        let captured = copy.capture(self[input].name)
        moved[input] = captured
        return captured
      }
      let results = node.outputs.map { output -> (name: String, type: ValueType?)? in
        guard let output else { return nil }
        return (self[output].name, self[output].type)
      }
      let newID = copy.addNode(node, results: results)
      for (old, new) in zip(node.outputs, copy[newID].outputs) {
        guard let old, let new else { continue }
        moved[old] = new
        copy.valueTable[Int(new.index)].annotations = self[old].annotations
        copy.valueTable[Int(new.index)].isDescribed = self[old].isDescribed
      }
      movedNodes[id] = newID
    }
    func following(_ id: ValueID) -> ValueID { moved[id] ?? copy.capture(self[id].name) }
    copy.inputs = inputs.map(following)
    copy.setOutputs(outputs.map(following))
    copy.modules = modules.map { module in
      var module = module
      module.nodes = module.nodes.compactMap { movedNodes[$0] }
      module.result = following(module.result)
      for index in module.ports.indices {
        module.ports[index].value = module.ports[index].value.map(following)
      }
      return module
    }
    copy.revision = 0
    return copy
  }
}

extension ValueID {
  fileprivate init(at index: Int) { self.init(index: Int32(index)) }
}

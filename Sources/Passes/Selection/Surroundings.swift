internal import IR
internal import Targets

/// The roles that the operators of a graph play, found in one walk around each softmax, collective,
/// sum and cache.
///
/// Every walk is bounded, so finding all roles takes time in proportion to the graph.
struct Surroundings {
  let graph: Graph
  /// The constants of the graphs around this one.
  private let outer: [String: Weight]
  let collectives: [OperatorName]
  private(set) var roles: [NodeID: Role] = [:]

  /// How many nodes one walk visits.
  static let reach = 24

  init(of graph: Graph, outer: [String: Weight], collectives: [OperatorName]) {
    self.graph = graph
    self.outer = outer
    self.collectives = collectives
    for id in graph.nodeIDs {
      let node = graph[id]
      if node.isStandard("Softmax") {
        findAttention(around: id)
      } else if node.isStandard("Add") {
        findAdapter(at: id)
      } else if isProduct(node), !node.annotations.unknown.isEmpty {
        findImpliedReduction(at: id)
      } else if collectives.contains(OperatorName(node.op, domain: node.domain)) {
        findReduction(at: id)
      }
    }
    findCaches()
  }

  /// The first role stays: the order of classification is that of fp8-and-gaudi2.md 5.3.
  mutating func note(_ id: NodeID, _ role: Role) {
    if roles[id] == nil { roles[id] = role }
  }

  /// Puts a role in the place of one that weighs less.
  mutating func replace(_ id: NodeID, _ role: Role) { roles[id] = role }

  func isConstant(_ value: ValueID) -> Bool { weight(of: value) != nil }

  func weight(of value: ValueID) -> Weight? { graph.weight(of: value, outer: outer) }

  func result(of id: NodeID) -> ValueID? { graph[id].outputs.first ?? nil }

  /// The one node that reads a value; `nil` where there are more or the graph gives it out.
  func onlyReader(of value: ValueID) -> NodeID? {
    graph.useCount(of: value) == 1 ? graph.users(of: value).first : nil
  }

  func isProduct(_ node: Node) -> Bool { node.isStandard("MatMul") || node.isStandard("Gemm") }

  /// True for a product of two values that are not constant.
  func isProductOfActivations(_ id: NodeID) -> Bool {
    let node = graph[id]
    guard isProduct(node), let first = node.input(0), let second = node.input(1) else {
      return false
    }
    return !isConstant(first) && !isConstant(second)
  }

  /// The place among the operands of the only constant factor of a product or a convolution.
  func constantFactor(of node: Node) -> Int? {
    if node.isStandard("Conv") {
      return node.input(1).map(isConstant) == true && node.input(0).map(isConstant) == false
        ? 1 : nil
    }
    guard isProduct(node) else { return nil }
    let constant = [0, 1].filter { node.input($0).map(isConstant) ?? false }
    return constant.count == 1 ? constant[0] : nil
  }
}

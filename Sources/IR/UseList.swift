/// The nodes that read a value, one entry for each reading, in no promised order.
///
/// Adding and removing take constant time: one constant may have a reader in every node of a graph.
struct UseList: Equatable, Sendable {
  private(set) var nodes: [NodeID] = []
  /// An entry of each node, once the list is long and something was removed from it.
  private var places: [NodeID: Int]?

  /// Up to this many entries are searched.
  private static let searched = 32

  mutating func add(_ node: NodeID) {
    places?[node] = nodes.count
    nodes.append(node)
  }

  /// Removes one entry of a node, if it has one; the last entry of all takes its place.
  mutating func remove(_ node: NodeID) {
    guard let place = place(of: node) else { return }
    let last = nodes.removeLast()
    places?[node] = nil
    guard place < nodes.count else { return }
    nodes[place] = last
    places?[last] = place
  }

  private mutating func place(of node: NodeID) -> Int? {
    if places == nil, nodes.count > UseList.searched {
      places = Dictionary(nodes.enumerated().map { ($1, $0) }, uniquingKeysWith: max)
    }
    // A node with several entries is found by search once its noted one is gone.
    return places?[node] ?? nodes.lastIndex(of: node)
  }

  static func == (left: UseList, right: UseList) -> Bool { left.nodes == right.nodes }
}

internal import IR

/// The FP8 codes of weights: made once for each scale, kept in the main graph, read by every graph.
struct CodeLibrary {
  struct Key: Hashable {
    /// The weight by its name, which is one for each in the whole model.
    let weight: String
    let scale: Scale
    let isTransposed: Bool
  }

  /// The names of codes that exist.
  private(set) var codes: [Key: String] = [:]
  /// What was made, in that order.
  private(set) var made: [(key: Key, name: String, weight: Weight, annotations: Annotations)] = []
  /// The weights of the main graph, which bodies capture.
  let weights: [String: Weight]
  /// True while a body is lowered: its codes go to the main graph when it is done.
  var isBody = false
  private(set) var names: NameSource
  /// How much of `made` the main graph has.
  private var placedCount = 0

  init(of graph: Graph) {
    names = NameSource(graph)
    var weights: [String: Weight] = [:]
    for id in graph.weights { weights[graph[id].name] = graph[id].weight }
    self.weights = weights
  }

  /// A name for new codes.
  mutating func add(_ key: Key, _ weight: Weight, _ annotations: Annotations) -> String {
    let name = names.fresh("\(key.weight).fp8")
    codes[key] = name
    made.append((key, name, weight, annotations))
    if !isBody { placedCount = made.count }
    return name
  }

  /// Gives the main graph the codes that bodies asked for.
  mutating func place(in graph: inout Graph) {
    for item in made[placedCount...] {
      graph.addWeight(item.name, item.weight, annotations: item.annotations)
    }
    placedCount = made.count
  }

  /// Lets the first codes of a weight take its place where nothing reads it any more.
  func settle(in graph: inout Graph) {
    let named = Set(graph.modules.flatMap { $0.ports.compactMap(\.value) })
    var settled: Set<String> = []
    for item in made where settled.insert(item.key.weight).inserted {
      guard let original = graph.value(named: item.key.weight),
        let copy = graph.value(named: item.name), graph.useCount(of: original) == 0,
        !graph.inputs.contains(original), !named.contains(original)
      else { continue }
      graph.removeValue(original)
      graph.rename(copy, to: item.key.weight)
    }
  }

  /// Gives what a pass added to a body names that no other graph has or may get.
  mutating func separate(_ body: inout Graph, from before: Set<String>) {
    names.separate(&body, from: before)
  }
}

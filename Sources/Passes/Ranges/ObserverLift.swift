internal import IR

/// Takes the scalars of bodies out of the node that holds them.
///
/// The branch of an `If` that does not make a scalar gives zero for it. Every turn of a `Loop` or `Scan`
/// gives one more; they are gathered behind the node, the maxima by the largest, the rest by the sum.
struct ObserverLift {
  /// What each body observes.
  private let inner: [[ObservedPort]]
  private let isBranch: Bool

  init(_ inner: [[ObservedPort]], outOf node: Node) {
    self.inner = inner
    isBranch = node.op == "If"
  }

  /// Gives the same ports as values of the graph around the node.
  func run(
    at id: NodeID, _ bodies: Node, in graph: inout Graph, _ names: inout NameSource
  ) -> [ObservedPort] {
    var node = bodies
    var place = 0
    node.mapBodies { body in
      export(from: &body, place, &names)
      place += 1
    }
    let items = inner.flatMap { $0 }
    extendScan(&node, by: 3 * items.count)
    graph.update(id) { $0.attributes = node.attributes }
    let results = graph.addResults(
      to: id,
      items.flatMap { item in
        zip(["max", "flag", "count"], item.observer.types).map { suffix, element in
          (
            names.fresh("\(item.name).\(suffix)"),
            .tensor(TensorType(element, isBranch ? [] : [.unknown]))
          )
        }
      })
    return items.enumerated().map { index, item in
      let lifted = (0..<3).map { part in
        let value = results[3 * index + part]
        return isBranch
          ? value
          : gathered(
            value, by: part == 0 ? "ReduceMax" : "ReduceSum", item.observer.types[part],
            behind: id, in: &graph, &names)
      }
      return ObservedPort(
        name: item.name,
        observer: Observer(
          maximum: lifted[0], flag: lifted[1], count: lifted[2], element: item.observer.element),
        captured: item.captured)
    }
  }

  /// Lets a body give its own scalars, and zeros for those of other branches.
  private func export(from body: inout Graph, _ place: Int, _ names: inout NameSource) {
    var outputs = body.outputs
    var zeros: [ElementType: ValueID] = [:]
    func zero(_ element: ElementType) -> ValueID {
      if let known = zeros[element] { return known }
      let weight = Weight(
        stored: TensorType(element, sizes: []),
        source: .literal(
          [UInt8](repeating: 0, count: element.byteCount(of: 1) ?? 0), encoding: .raw))
      let id = body.addWeight(
        names.fresh("\(body.name)/fp8c.observe.none.\(element.spelling)"), weight)
      zeros[element] = id
      return id
    }
    for (index, observed) in inner.enumerated() {
      for item in observed {
        for part in 0..<3 {
          let element = item.observer.types[part]
          let source =
            index == place
            ? item.observer.values[part] : zero(element)
          let node = body.addNode(
            Node(op: "Identity", inputs: [source], outputs: []),
            results: [
              (names.fresh("\(item.name).\(body.name)"), .tensor(TensorType(element, [])))
            ])
          outputs += body[node].outputs.compactMap { $0 }
        }
      }
    }
    body.setOutputs(outputs)
  }

  private func gathered(
    _ values: ValueID, by op: String, _ element: ElementType, behind id: NodeID,
    in graph: inout Graph, _ names: inout NameSource
  ) -> ValueID {
    let next = graph.successor(of: id)
    let name = graph[values].name
    let padded = graph.addNode(
      Node(
        op: "Concat", inputs: [values, graph.observerZero(element, sizes: [1])], outputs: [],
        attributes: [Attribute("axis", .int(0))]),
      result: names.fresh("\(name).all"), type: .tensor(TensorType(element, [.unknown])),
      before: next)
    return graph.addNode(
      Node(
        op: op, inputs: [padded], outputs: [], attributes: [Attribute("keepdims", .int(0))]),
      result: names.fresh("\(name).total"), type: .tensor(TensorType(element, [])),
      before: next)
  }

  /// A `Scan` that says how its results are laid out says it for the new ones too.
  private func extendScan(_ node: inout Node, by count: Int) {
    for name in ["scan_output_axes", "scan_output_directions"] {
      if let known = node.ints(name) {
        node.set(name, to: .ints(known + [Int64](repeating: 0, count: count)))
      }
    }
  }
}

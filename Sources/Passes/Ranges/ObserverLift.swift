internal import IR

/// What is observed of one place: scalars that belong together.
struct ObservedScalars {
  struct Scalar {
    let suffix: String
    let value: ValueID
    let element: ElementType
    /// The operator that makes one scalar of those of many turns.
    let reduction: Reduction
  }

  enum Reduction: String {
    case max = "ReduceMax"
    case sum = "ReduceSum"
  }

  let name: String
  let scalars: [Scalar]
}

/// Takes the scalars of bodies out of the node that holds them.
///
/// The branch of an `If` that does not make a scalar gives zero for it. Every turn of a `Loop` or `Scan`
/// gives one more; they are gathered behind the node by their reductions.
struct ObserverLift {
  /// What each body observes.
  private let inner: [[ObservedScalars]]
  private let isBranch: Bool

  init(_ inner: [[ObservedScalars]], outOf node: Node) {
    self.inner = inner
    isBranch = node.op == "If"
  }

  /// Gives the same scalars as values of the graph around the node.
  func run(
    at id: NodeID, _ bodies: Node, in graph: inout Graph, _ names: inout NameSource
  ) -> [ObservedScalars] {
    var node = bodies
    var place = 0
    node.mapBodies { body in
      export(from: &body, place, &names)
      place += 1
    }
    let items = inner.flatMap { $0 }
    extendScan(&node, by: items.reduce(0) { $0 + $1.scalars.count })
    graph.update(id) { $0.attributes = node.attributes }
    var results = graph.addResults(
      to: id,
      items.flatMap { item in
        item.scalars.map { scalar in
          (
            names.fresh("\(item.name).\(scalar.suffix)"),
            .tensor(TensorType(scalar.element, isBranch ? [] : [.unknown]))
          )
        }
      }
    ).makeIterator()
    return items.map { item in
      ObservedScalars(
        name: item.name,
        scalars: item.scalars.compactMap { scalar in
          guard let value = results.next() else { return nil }
          return ObservedScalars.Scalar(
            suffix: scalar.suffix,
            value: isBranch ? value : gathered(value, scalar, behind: id, in: &graph, &names),
            element: scalar.element, reduction: scalar.reduction)
        })
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
        for scalar in item.scalars {
          let element = scalar.element
          let source = index == place ? scalar.value : zero(element)
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
    _ values: ValueID, _ scalar: ObservedScalars.Scalar, behind id: NodeID,
    in graph: inout Graph, _ names: inout NameSource
  ) -> ValueID {
    let element = scalar.element
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
        op: scalar.reduction.rawValue, inputs: [padded], outputs: [],
        attributes: [Attribute("keepdims", .int(0))]),
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

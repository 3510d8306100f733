package import IR
package import Support
internal import Targets

/// Adds graph outputs that report what every quantized port sees.
///
/// Before:
///
///     graph @main(%x: f32[4, 64]) -> (%y) {
///       %y = MatMul(%x, @w) : f32[4, 10]
///       module linear "fc" Linear … (input: activation %x, weight: weight @w axis 1) = %y
///
/// After, in front of `MatMul`, three scalars that are outputs of the graph too:
///
///     %"fp8c.observe/fc/input" = max(|x|, 0) over all elements
///     %"fp8c.observe/fc/input/flag" = the sum of x · 0: NaN where an element is NaN or infinite
///     %"fp8c.observe/fc/input/count" = 1
///
/// The maximum is taken inside the graph, so memory grows neither with batches nor with tensors
/// (decisions.md, Measuring). What a body observes leaves the node that holds it, and the count says
/// how often it ran. A value that several ports read is observed once and its scalars are
/// given under each port's name. A zero stands beside the elements: it floors the maximum at 0, and a
/// tensor without elements reports 0. Only the standard operators of opset 7 are used.
///
/// Other observers give a tensor each and see the main graph only (`TensorObserver`).
package struct InsertObservers: Pass {
  package static let name = "insert-observers"

  /// What is observed; the driver's choice where it is not given.
  package var observer: ObserverKind?

  package static let options = ["observer"]

  package init() {}

  package mutating func set(_ option: String, to value: String) throws(Diagnostic) {
    guard let kind = ObserverKind(rawValue: value) else {
      let known = ObserverKind.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      throw .optionValue(value, of: option, pass: Self.name, expected: "one of \(known)")
    }
    observer = kind
  }

  /// The graph output that reports a port's largest magnitude.
  package static func outputName(path: String, port: String) -> String {
    "fp8c.observe/\(path)/\(port)"
  }

  package func run(on model: inout Model, in context: inout PassContext) throws(Diagnostic) {
    let kind = observer ?? context.settings.observer
    guard kind == .maxabs else {
      try observeTensors(kind, of: &model, &context)
      return
    }
    var names = NameSource(model.graph)
    let main = model.graph
    let observed = try observe(&model.graph, &names, &context, depth: 1) { name in
      main.value(named: name) != nil
    }
    var outputs = model.graph.outputs
    for item in observed {
      for (suffix, value) in [
        ("", item.observer.maximum), ("/flag", item.observer.flag), ("/count", item.observer.count),
      ] {
        let node = model.graph.addNode(
          Node(op: "Identity", inputs: [value], outputs: []),
          results: [(item.name + suffix, model.graph[value].type)])
        outputs += model.graph[node].outputs.compactMap { $0 }
      }
      context.count("observers")
    }
    if !observed.isEmpty { model.graph.setOutputs(outputs) }
  }

  /// Gives every observed value of the main graph out as `TensorObserver` makes it.
  private func observeTensors(
    _ kind: ObserverKind, of model: inout Model, _ context: inout PassContext
  ) throws(Diagnostic) {
    var outputs = model.graph.outputs
    var observers: [TensorObserver.Key: TensorObserver] = [:]
    for module in model.graph.modules {
      for port in module.ports where isObserved(port, of: module, context) {
        let name = InsertObservers.outputName(path: module.path, port: port.name)
        guard let value = port.value, model.graph.value(named: name) == nil else { continue }
        let key = TensorObserver.Key(
          value: value,
          axis: kind == .maxabsPerChannel ? TensorObserver.channelAxis(of: port) : -1)
        let element = try elementType(of: port, module, in: model.graph)
        let rank = model.graph.type(of: port)?.shape?.count
        let opset = model.opset ?? 0
        guard TensorObserver.canObserve(kind, rank: rank, axis: key.axis, opset: opset) else {
          context.warn(.noChannels(port.name, of: module.path, rank: rank))
          continue
        }
        let observer =
          observers[key]
          ?? TensorObserver(
            kind, of: key, element, rank: rank, opset: opset, in: &model.graph)
        observers[key] = observer
        for (suffix, value) in observer.values {
          let node = model.graph.addNode(
            Node(op: "Identity", inputs: [value], outputs: []),
            results: [(name + suffix, model.graph[value].type)])
          outputs += model.graph[node].outputs.compactMap { $0 }
        }
        context.count("observers")
      }
    }
    let own = Set(model.graph.modules.map(\.path))
    for module in model.modules where !own.contains(module.path) {
      context.warn(.bodyNotObserved(module.path, by: kind.rawValue))
    }
    if outputs != model.graph.outputs { model.graph.setOutputs(outputs) }
  }

  /// Observes the modules of a graph and of its bodies; gives scalars of this graph.
  private func observe(
    _ graph: inout Graph, _ names: inout NameSource, _ context: inout PassContext, depth: Int,
    _ isKnown: (String) -> Bool
  ) throws(Diagnostic) -> [ObservedPort] {
    var observers: [ValueID: Observer] = [:]
    var observed: [ObservedPort] = []
    for module in graph.modules {
      for port in module.ports where isObserved(port, of: module, context) {
        let name = InsertObservers.outputName(path: module.path, port: port.name)
        guard let value = port.value, !isKnown(name) else { continue }
        let element = try elementType(of: port, module, in: graph)
        let isCaptured = graph[value].origin == .captured
        let observer =
          observers[value]
          ?? (isCaptured
            ? Observer(ofCaptured: element, in: &graph)
            : Observer(of: value, element: element, in: &graph))
        observers[value] = observer
        observed.append(
          ObservedPort(
            name: name, observer: observer, captured: isCaptured ? graph[value].name : nil))
      }
    }
    guard depth < Graph.depthLimit else { return observed }
    for id in graph.nodeIDs where graph[id].holdsRepeatableBodies {
      var node = graph[id]
      var inner: [[ObservedPort]] = []
      try node.mapBodies { body throws(Diagnostic) in
        let before = Set(body.values.map { body[$0].name })
        inner.append(try observe(&body, &names, &context, depth: depth + 1, isKnown))
        names.separate(&body, from: before)
      }
      guard inner.contains(where: { !$0.isEmpty }) else { continue }
      let lift = ObserverLift(inner.map { $0.map(\.scalars) }, outOf: node)
      let lifted = lift.run(at: id, node, in: &graph, &names)
      for (item, scalars) in zip(inner.joined(), lifted) {
        observed.append(settled(item.lifted(scalars), &observers, in: &graph))
      }
    }
    return observed
  }

  /// The range of a captured value from where it is made, with the count from inside.
  private func settled(
    _ item: ObservedPort, _ observers: inout [ValueID: Observer], in graph: inout Graph
  ) -> ObservedPort {
    guard let name = item.captured, let value = graph.value(named: name),
      graph[value].origin != .captured
    else { return item }
    let known =
      observers[value] ?? Observer(of: value, element: item.observer.element, in: &graph)
    observers[value] = known
    return ObservedPort(
      name: item.name,
      observer: Observer(
        maximum: known.maximum, flag: known.flag, count: item.observer.count,
        element: known.element))
  }

  private func isObserved(
    _ port: Port, of module: QuantizedModule, _ context: PassContext
  ) -> Bool {
    switch context.settings.modules.kind(named: module.kind)?.port(port.name)?.measured {
    case .inputs?: true
    case .outputs?:
      context.settings.measuresOutputs
        || context.settings.modules.alwaysMeasuresOutput(of: module.kind)
    case .params?, nil: false
    }
  }

  /// The element type of a port's value; a module's weight has the type of its activations.
  private func elementType(
    of port: Port, _ module: QuantizedModule, in graph: Graph
  ) throws(Diagnostic) -> ElementType {
    if let type = graph.type(of: port)?.element { return type }
    for other in module.ports {
      if let type = graph.type(of: other)?.element { return type }
    }
    throw .untypedPort(port.name, of: module.path)
  }
}

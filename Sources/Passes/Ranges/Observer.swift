internal import IR

/// The scalars of one observed value.
struct Observer {
  /// The largest magnitude, at least zero.
  let maximum: ValueID
  /// NaN where an element is NaN or infinite, else zero.
  let flag: ValueID
  /// How often the value was made.
  let count: ValueID
  /// The type of maximum and flag; the count is float32.
  let element: ElementType

  init(maximum: ValueID, flag: ValueID, count: ValueID, element: ElementType) {
    self.maximum = maximum
    self.flag = flag
    self.count = count
    self.element = element
  }

  /// Of a value that a body captures: only how often the body runs is known there.
  init(ofCaptured element: ElementType, in graph: inout Graph) {
    let zero = graph.observerZero(element, sizes: [])
    self.init(maximum: zero, flag: zero, count: graph.observerOne, element: element)
  }

  init(of value: ValueID, element: ElementType, in graph: inout Graph) {
    let name = graph[value].name
    let scalar = ValueType.tensor(TensorType(element, []))
    let vector = ValueType.tensor(TensorType(element, [.unknown]))
    func node(
      _ op: String, _ inputs: [ValueID], _ suffix: String, _ type: ValueType?,
      _ attributes: [Attribute] = []
    ) -> ValueID {
      graph.addNode(
        Node(op: op, inputs: inputs, outputs: [], attributes: attributes),
        result: "\(name).\(suffix)", type: type)
    }
    let zeroVector = graph.observerZero(element, sizes: [1])
    let zeroScalar = graph.observerZero(element, sizes: [])
    let flat = graph.sharedLiteral(
      "fp8c.observe.flat", TensorType(.int64, sizes: [1]), [UInt8](repeating: 0xFF, count: 8))
    let magnitude = node("Abs", [value], "abs", graph[value].type)
    let elements = node("Reshape", [magnitude, flat], "flat", vector)
    let floored = node(
      "Concat", [elements, zeroVector], "floored", vector, [Attribute("axis", .int(0))])
    let keep = [Attribute("keepdims", .int(0))]
    maximum = node("ReduceMax", [floored], "max", scalar, keep)
    let nothing = node("Mul", [floored, zeroScalar], "nothing", vector)
    flag = node("ReduceSum", [nothing], "flag", scalar, keep)
    count = graph.observerOne
    self.element = element
  }
}

/// An observer of one port, by the name under which it leaves the main graph.
struct ObservedPort {
  let name: String
  let observer: Observer
  /// The value that a body takes from outside, whose range is looked at where it is made.
  var captured: String?

  var scalars: ObservedScalars {
    ObservedScalars(
      name: name,
      scalars: [
        .init(
          suffix: "max", value: observer.maximum, element: observer.element, reduction: .max),
        .init(suffix: "flag", value: observer.flag, element: observer.element, reduction: .sum),
        .init(suffix: "count", value: observer.count, element: .float32, reduction: .sum),
      ])
  }

  /// The same port where its scalars have left a body.
  func lifted(_ scalars: ObservedScalars) -> ObservedPort {
    let values = scalars.scalars.map(\.value)
    return ObservedPort(
      name: name,
      observer: Observer(
        maximum: values[0], flag: values[1], count: values[2], element: observer.element),
      captured: captured)
  }
}

extension Graph {
  /// The count of one execution.
  fileprivate var observerOne: ValueID {
    mutating get {
      sharedLiteral("fp8c.observe.one", TensorType(.float32, sizes: []), [0, 0, 0x80, 0x3F])
    }
  }

  /// A zero, or a vector of one.
  mutating func observerZero(_ element: ElementType, sizes: [Int64]) -> ValueID {
    sharedLiteral(
      "fp8c.observe.\(sizes.isEmpty ? "scalar" : "zero").\(element.spelling)",
      TensorType(element, sizes: sizes),
      [UInt8](repeating: 0, count: element.byteCount(of: 1) ?? 0))
  }
}

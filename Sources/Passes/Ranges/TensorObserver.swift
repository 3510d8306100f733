internal import IR

/// What one observed value is reported as: itself, its shape, or its channels' largest magnitudes.
///
/// For `maxabs_per_channel`, of a value of shape [4, 8] whose last axis has the channels:
///
///     %x.abs = Abs(%x) : f32[4, 8]
///     %x.channels = ReduceMax(%x.abs, [0]) {keepdims = 0} : f32[8]
///     %x.flag = ReduceSum(%x.abs · 0) {keepdims = 0} : f32[]
///
struct TensorObserver {
  /// The value, and its axis of channels counted from the end.
  struct Key: Hashable {
    let value: ValueID
    let axis: Int
  }

  /// By what is added to the name of the port's output.
  let values: [(suffix: String, value: ValueID)]

  /// The last axis, but for the right operand of a product the one before: what a product sums over is
  /// the channels of both (inc-fp8.md section 5.2).
  static func channelAxis(of port: Port) -> Int {
    port.name == "other" && port.role == .activation ? -2 : -1
  }

  /// False for channels that a value of the rank does not have, or that cannot be found in one of unknown
  /// rank: before opset 11 an index counts from the front.
  static func canObserve(_ kind: ObserverKind, rank: Int?, axis: Int, opset: Int64) -> Bool {
    guard kind == .maxabsPerChannel else { return true }
    return rank.map { $0 >= -axis } ?? (opset >= 11)
  }

  init(
    _ kind: ObserverKind, of key: Key, _ element: ElementType, rank: Int?, opset: Int64,
    in graph: inout Graph
  ) {
    switch kind {
    case .save: values = [("", key.value)]
    case .shape:
      let size = rank.map { Dimension.size(Int64($0)) } ?? .unknown
      let sizes = graph.observe(
        "Shape", [key.value], of: key.value, "shape", TensorType(.int64, [size]))
      values = [("", sizes)]
    case .maxabs, .maxabsPerChannel:
      let magnitude = graph.observe(
        "Abs", [key.value], of: key.value, "abs", TensorType(element, graph.shape(of: key.value)))
      let zero = graph.observerZero(element, sizes: [])
      let nothing = graph.observe(
        "Mul", [magnitude, zero], of: key.value, "nothing",
        TensorType(element, graph.shape(of: key.value)))
      let flag = graph.observe(
        "ReduceSum", [nothing], of: key.value, "flag", TensorType(element, []),
        [Attribute("keepdims", .int(0))])
      let channels = graph.channels(of: magnitude, key, element, rank: rank, opset: opset)
      values = [("", channels), ("/flag", flag)]
    }
  }
}

extension Graph {
  fileprivate mutating func observe(
    _ op: String, _ inputs: [ValueID], of value: ValueID, _ suffix: String, _ type: TensorType,
    _ attributes: [Attribute] = []
  ) -> ValueID {
    addNode(
      Node(op: op, inputs: inputs, outputs: [], attributes: attributes),
      result: "\(self[value].name).\(suffix)", type: .tensor(type))
  }

  fileprivate func shape(of value: ValueID) -> [Dimension]? { self[value].type?.tensor?.shape }

  /// The largest elements along all axes but one.
  fileprivate mutating func channels(
    of magnitude: ValueID, _ key: TensorObserver.Key, _ element: ElementType, rank: Int?,
    opset: Int64
  ) -> ValueID {
    var source = magnitude
    if rank == nil { source = lastAxes(of: magnitude, key, element) }
    let rank = rank ?? 1 - key.axis
    let axes = (0..<rank).filter { $0 != rank + key.axis }.map { Int64($0) }
    guard !axes.isEmpty else { return source }
    var attributes = [Attribute("keepdims", .int(0))]
    var inputs = [source]
    if opset >= 18 {
      inputs.append(
        sharedLiteral(
          "fp8c.observe.axes.\(axes.map(String.init).joined(separator: "."))",
          TensorType(.int64, sizes: [Int64(axes.count)]), axes.littleEndianBytes))
    } else {
      attributes.append(Attribute("axes", .ints(axes)))
    }
    let size = shape(of: key.value)?[rank + key.axis] ?? .unknown
    return observe(
      "ReduceMax", inputs, of: key.value, "channels", TensorType(element, [size]), attributes)
  }

  /// The last axes of a value of unknown rank, from that of the channels on, with all others in one before
  /// them.
  private mutating func lastAxes(
    of magnitude: ValueID, _ key: TensorObserver.Key, _ element: ElementType
  ) -> ValueID {
    func integers(_ numbers: [Int64]) -> ValueID {
      sharedLiteral(
        "fp8c.observe.axes.\(numbers.map(String.init).joined(separator: "."))",
        TensorType(.int64, sizes: [Int64(numbers.count)]), numbers.littleEndianBytes)
    }
    let count = Int64(-key.axis)
    let sizes = observe(
      "Shape", [magnitude], of: key.value, "shape", TensorType(.int64, [.unknown]))
    let last = observe(
      "Gather", [sizes, integers((1...count).map { -$0 }.reversed())], of: key.value, "last",
      TensorType(.int64, [.size(count)]))
    let target = observe(
      "Concat", [integers([-1]), last], of: key.value, "folded_shape",
      TensorType(.int64, [.size(count + 1)]), [Attribute("axis", .int(0))])
    return observe(
      "Reshape", [magnitude, target], of: key.value, "folded",
      TensorType(element, Array(repeating: .unknown, count: Int(count) + 1)))
  }
}

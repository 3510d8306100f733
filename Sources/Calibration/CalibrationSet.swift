package import IR
internal import NPZ
package import Support

/// Batches of inputs from files: `.npz` archives, or folders of them in the order of their names.
///
/// A key is a graph input. An array of the input's rank is one batch, one of a rank more a stack of
/// batches along its first axis, and for an input of unknown rank it is a stack (decisions.md,
/// Measuring). One archive is held in memory at a time.
package struct CalibrationSet {
  /// An input of the model, as far as batches are checked against it.
  package struct Input {
    package var name: String
    package var type: TensorType?
    /// True where the model has a default for it.
    package var isOptional: Bool

    package init(name: String, type: TensorType?, isOptional: Bool) {
      self.name = name
      self.type = type
      self.isOptional = isOptional
    }
  }

  /// The files in the order in which they are read.
  package let files: [String]
  private let inputs: [Input]
  private let labels: ArrayPlace?

  /// `labels` is an array that may stand beside the inputs in its archive and is none of them.
  package init(
    paths: [String], inputs: [Input], labels: ArrayPlace? = nil
  ) throws(Diagnostic) {
    var files: [String] = []
    for path in paths {
      guard Folder.isFolder(path) else {
        files.append(path)
        continue
      }
      let names = try Folder.entries(of: path).filter { $0.hasSuffix(".npz") }
      guard !names.isEmpty else { throw .noBatches(path) }
      files += names.map { "\(path)/\($0)" }
    }
    guard !files.isEmpty else { throw .noCalibration() }
    self.files = files
    self.inputs = inputs
    self.labels = labels
  }

  /// Calls `body` with every batch and its number, from 0.
  package func forEachBatch(
    _ body: (_ batch: [(name: String, tensor: Tensor)], _ index: Int) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    var index = 0
    for file in files {
      for batch in try batches(of: file) {
        try body(batch, index)
        index += 1
      }
    }
    guard index > 0 else { throw .noBatches(files[0]) }
  }

  private func batches(
    of path: String
  ) throws(Diagnostic) -> [[(name: String, tensor: Tensor)]] {
    let archive = try NPZFile(path: path)
    let names = inputs.map(\.name)
    for key in archive.keys
    where !names.contains(key) && labels != ArrayPlace(file: path, key: key) {
      throw .unknownKey(key, file: path, inputs: names)
    }
    var stacks: [(name: String, tensors: [Tensor])] = []
    for input in inputs {
      guard archive.keys.contains(input.name) else {
        guard input.isOptional else { throw .missingKey(input.name, file: path) }
        continue
      }
      let array = try archive.array(input.name)
      stacks.append((input.name, try split(array, for: input, file: path)))
    }
    guard let first = stacks.first else { return [] }
    for stack in stacks where stack.tensors.count != first.tensors.count {
      throw .unequalStacks(
        (first.name, first.tensors.count), (stack.name, stack.tensors.count), file: path)
    }
    return first.tensors.indices.map { number in
      stacks.map { ($0.name, $0.tensors[number]) }
    }
  }

  /// The batches of one array, checked against the input.
  private func split(
    _ array: NPYArray, for input: Input, file: String
  ) throws(Diagnostic) -> [Tensor] {
    let element = array.type.element
    if let expected = input.type?.element, expected != element {
      throw .wrongElement(
        input.name, file: file, found: element.spelling, expected: expected.spelling)
    }
    var shape = array.shape.map { Int64($0) }
    var count = 1
    if let rank = input.type?.shape?.count {
      guard shape.count == rank || shape.count == rank + 1 else {
        throw .wrongRank(input.name, file: file, found: shape.count, expected: rank)
      }
      if shape.count == rank + 1 { count = Int(shape.removeFirst()) }
    } else {
      guard !shape.isEmpty else {
        throw .wrongRank(input.name, file: file, found: 0, expected: 1)
      }
      count = Int(shape.removeFirst())
    }
    for (size, dimension) in zip(shape, input.type?.shape ?? []) {
      if let fixed = dimension.size, fixed != size {
        throw .wrongShape(
          input.name, file: file, found: shape,
          expected: input.type?.shape?.map { $0.size.map(String.init) ?? "?" } ?? [])
      }
    }
    let size = count == 0 ? 0 : array.bytes.count / count
    return (0..<count).map { number in
      Tensor(
        element: element, shape: shape,
        bytes: Array(array.bytes[number * size..<(number + 1) * size]))
    }
  }
}

extension NPYType {
  fileprivate var element: ElementType {
    switch self {
    case .bool: .bool
    case .int8: .int8
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .uint8: .uint8
    case .uint16: .uint16
    case .uint32: .uint32
    case .uint64: .uint64
    case .float16: .float16
    case .float32: .float32
    case .float64: .float64
    case .bfloat16: .bfloat16
    }
  }
}

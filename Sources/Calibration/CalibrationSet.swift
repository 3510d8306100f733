package import IR
internal import NPZ
package import Support

/// Batches of inputs from files: `.npz` archives, folders of them in the order of their names, or
/// ONNX's `test_data_set_*` folders, each one batch of `input_K.pb`.
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

  /// Reads one `.pb` file; given from outside, because the format is none of this target's.
  package typealias TensorReader = (String) throws(Diagnostic) -> Tensor

  /// What batches are read from.
  private enum Source {
    case archive(String)
    /// The files of one batch, by the number of the input.
    case dataSet(folder: String, files: [String])

    var files: [String] {
      switch self {
      case .archive(let path): [path]
      case .dataSet(_, let files): files
      }
    }
  }

  private let sources: [Source]
  private let inputs: [Input]
  private let labels: ArrayPlace?
  private let readTensor: TensorReader

  /// `labels` is an array that may stand beside the inputs in its archive and is none of them.
  package init(
    paths: [String], inputs: [Input], labels: ArrayPlace? = nil,
    readTensor: @escaping TensorReader
  ) throws(Diagnostic) {
    let sources = try CalibrationSet.sources(of: paths)
    guard !sources.isEmpty else { throw .noCalibration() }
    self.sources = sources
    self.inputs = inputs
    self.labels = labels
    self.readTensor = readTensor
  }

  private static func sources(of paths: [String]) throws(Diagnostic) -> [Source] {
    var sources: [Source] = []
    for path in paths {
      guard Folder.isFolder(path) else {
        sources.append(.archive(path))
        continue
      }
      sources += try CalibrationSet.sources(inFolder: path)
    }
    return sources
  }

  /// The archives of a folder, or its data sets, or the data set that it is.
  private static func sources(inFolder path: String) throws(Diagnostic) -> [Source] {
    let names = try Folder.entries(of: path)
    let archives = names.filter { $0.hasSuffix(".npz") }
    if !archives.isEmpty { return archives.map { .archive("\(path)/\($0)") } }
    let folders = names.filter { $0.hasPrefix("test_data_set_") }
    if !folders.isEmpty {
      var sources: [Source] = []
      for folder in folders { sources += try CalibrationSet.sources(inFolder: "\(path)/\(folder)") }
      return sources
    }
    var files: [String] = []
    while names.contains("input_\(files.count).pb") {
      files.append("\(path)/input_\(files.count).pb")
    }
    guard !files.isEmpty else { throw .noBatches(path) }
    return [.dataSet(folder: path, files: files)]
  }

  /// The files in the order in which they are read.
  package var files: [String] { sources.flatMap(\.files) }

  /// The files below these paths in that order, without looking into them.
  package static func files(of paths: [String]) throws(Diagnostic) -> [String] {
    try sources(of: paths).flatMap(\.files)
  }

  /// How many batches there are, by the heads of the files; they are checked when they are read.
  package func batchCount() throws(Diagnostic) -> Int {
    var count = 0
    for source in sources {
      guard case .archive(let path) = source else {
        count += 1
        continue
      }
      let archive = try NPZFile(path: path)
      guard let input = inputs.first(where: { archive.keys.contains($0.name) }) else { continue }
      let shape = try archive.header(of: input.name).shape
      let (sum, overflows) = count.addingReportingOverflow(
        shape.count == input.type?.shape?.count ? 1 : shape.first ?? 0)
      count = overflows ? .max : sum
    }
    return count
  }

  /// Calls `body` with every batch and its number, from 0.
  package func forEachBatch(
    _ body: (_ batch: [(name: String, tensor: Tensor)], _ index: Int) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    var index = 0
    for source in sources {
      switch source {
      case .archive(let path):
        let stacks = try stacks(of: path)
        for number in 0..<(stacks.first?.array.count ?? 0) {
          try body(stacks.map { ($0.name, $0.array[number]) }, index)
          index += 1
        }
      case .dataSet(let folder, let files):
        try body(try batch(of: files, in: folder), index)
        index += 1
      }
    }
    guard index > 0 else { throw .noBatches(files.first ?? "") }
  }

  private func stacks(
    of path: String
  ) throws(Diagnostic) -> [(name: String, array: Stack)] {
    let archive = try NPZFile(path: path)
    let names = inputs.map(\.name)
    for key in archive.keys
    where !names.contains(key) && labels != ArrayPlace(file: path, key: key) {
      throw .keyWithoutInput(key, file: path, inputs: names)
    }
    var stacks: [(name: String, array: Stack)] = []
    for input in inputs {
      guard archive.keys.contains(input.name) else {
        guard input.isOptional else { throw .inputWithoutArray(input.name, file: path) }
        continue
      }
      let array = try archive.array(input.name)
      stacks.append((input.name, try split(array, for: input, file: path)))
    }
    guard let first = stacks.first else { return [] }
    for stack in stacks where stack.array.count != first.array.count {
      throw .unequalStacks(
        (first.name, first.array.count), (stack.name, stack.array.count), file: path)
    }
    return stacks
  }

  /// The batches of one array, each copied when it is asked for.
  private struct Stack {
    let element: ElementType
    /// The shape of one batch.
    let shape: [Int64]
    let count: Int
    let bytes: [UInt8]

    subscript(number: Int) -> Tensor {
      let size = bytes.count / count
      return Tensor(
        element: element, shape: shape, bytes: Array(bytes[number * size..<(number + 1) * size]))
    }
  }

  /// The most batches without elements that one array may hold.
  private static let emptyLimit = 1 << 16

  /// One batch: file `input_K.pb` is the K-th input.
  private func batch(
    of files: [String], in folder: String
  ) throws(Diagnostic) -> [(name: String, tensor: Tensor)] {
    guard files.count <= inputs.count else {
      throw .tooManyTensors(files.count, expected: inputs.count, folder: folder)
    }
    for input in inputs.dropFirst(files.count) where !input.isOptional {
      throw .inputWithoutArray(input.name, file: folder)
    }
    var batch: [(name: String, tensor: Tensor)] = []
    for (file, input) in zip(files, inputs) {
      let tensor = try readTensor(file)
      if let expected = input.type?.element, expected != tensor.element {
        throw .wrongElement(
          input.name, file: file, found: tensor.element.spelling, expected: expected.spelling)
      }
      if let rank = input.type?.shape?.count, rank != tensor.shape.count {
        throw .wrongRank(input.name, file: file, found: tensor.shape.count, expected: rank)
      }
      try check(tensor.shape, of: input, file: file)
      batch.append((input.name, tensor))
    }
    return batch
  }

  private func check(_ shape: [Int64], of input: Input, file: String) throws(Diagnostic) {
    for (size, dimension) in zip(shape, input.type?.shape ?? []) {
      guard let fixed = dimension.size, fixed != size else { continue }
      throw .wrongShape(
        input.name, file: file, found: shape,
        expected: input.type?.shape?.map { $0.size.map(String.init) ?? "?" } ?? [])
    }
  }

  /// The batches of one array, checked against the input.
  private func split(
    _ array: NPYArray, for input: Input, file: String
  ) throws(Diagnostic) -> Stack {
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
    try check(shape, of: input, file: file)
    guard !array.bytes.isEmpty || count <= CalibrationSet.emptyLimit else {
      throw .emptyBatches(input.name, count: count, limit: CalibrationSet.emptyLimit, file: file)
    }
    return Stack(element: element, shape: shape, count: count, bytes: array.bytes)
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

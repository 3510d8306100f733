import Calibration
import IR
import Support
import TestSupport
import Testing

@Suite struct CalibrationSetTests {
  @Test func `a stack is split along its first axis`() throws {
    let batches = try self.batches(["stack.npz"])
    #expect(batches.count == 3)
    #expect(batches.map { $0.map(\.name) } == Array(repeating: ["x", "ids"], count: 3))
    let second = batches[1]
    #expect(second[0].tensor.shape == [2, 3] && second[0].tensor.element == .float32)
    // 0.5 and 3 as little-endian float32 and int64.
    #expect(second[0].tensor.bytes.prefix(4) == [0, 0, 0, 0x3F])
    #expect(second[1].tensor.shape == [2])
    #expect(second[1].tensor.bytes == [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test func `an array of the input's rank is one batch`() throws {
    #expect(
      try batches(["one.npz"]).map { $0.map(\.tensor) }
        == [try batches(["stack.npz"])[1].map(\.tensor)])
  }

  @Test func `files come in order and a folder in the order of its names`() throws {
    let folder = try TemporaryFolder()
    for (name, source) in [("b.npz", "one.npz"), ("a.npz", "stack.npz"), ("c.txt", "key.npz")] {
      try folder.write(name, InputFile.contents(of: path(source), limit: 1 << 16))
    }
    let set = try CalibrationSet(
      paths: [folder.path, path("one.npz")], inputs: inputs, readTensor: noTensors)
    #expect(set.files == [folder["a.npz"], folder["b.npz"], path("one.npz")])
    var numbers: [Int] = []
    try set.forEachBatch { (_, number) throws(Diagnostic) in numbers.append(number) }
    #expect(numbers == [0, 1, 2, 3, 4])
  }

  @Test func `batches are counted by the heads of files`() throws {
    let set = try CalibrationSet(
      paths: [path("stack.npz"), path("one.npz")], inputs: inputs, readTensor: noTensors)
    #expect(try set.batchCount() == 4)
  }

  @Test func `a folder of test data has no more inputs than the model`() throws {
    let folder = try TemporaryFolder()
    for index in 0..<3 { try folder.write("test_data_set_0/input_\(index).pb", []) }
    let set = try CalibrationSet(
      paths: [folder["test_data_set_0"]], inputs: inputs, readTensor: noTensors)
    let error = failure { () throws(Diagnostic) in
      try set.forEachBatch { (_, _) throws(Diagnostic) in }
    }
    #expect(error?.id == "too-many-tensors")
    #expect(error?.message == "holds 3 inputs, expected at most 2")
  }

  @Test func `an array of labels may stand beside the inputs`() throws {
    var labelled = inputs
    labelled[1].name = "other"
    labelled[1].isOptional = true
    let place = ArrayPlace("\(path("stack.npz")):ids")
    let set = try CalibrationSet(
      paths: [path("stack.npz")], inputs: labelled, labels: place, readTensor: noTensors)
    var names: [String] = []
    try set.forEachBatch { (batch, _) throws(Diagnostic) in names += batch.map(\.name) }
    #expect(names == ["x", "x", "x"])
    #expect(ArrayPlace("no colon") == nil)
  }

  @Test(arguments: [
    ("key", "key 'idz' is no graph input, expected one of x, ids"),
    ("missing", "graph input 'ids' has no array, expected one for each input"),
    ("type", "array 'x' is f64, expected f32"),
    ("rank", "array 'x' has rank 1, expected 2 or, for a stack, 3"),
    ("high", "array 'x' has rank 4, expected 2 or, for a stack, 3"),
    ("shape", "array 'x' has batches of shape [2, 4], expected [?, 3]"),
    ("uneven", "'x' holds 3 batches and 'ids' 2, expected as many"),
    ("none", "holds no batch, expected .npz files with at least one"),
  ])
  func `wrong batches are refused by file and key`(name: String, message: String) throws {
    let error = failure { () throws(Diagnostic) in _ = try batches(["\(name).npz"]) }
    #expect(error?.message == message)
    #expect(error?.status == .malformedInput)
    #expect(error?.location.file == path("\(name).npz"))
  }

  @Test func `a misspelled key brings the nearest input`() throws {
    let error = failure { () throws(Diagnostic) in _ = try batches(["key.npz"]) }
    #expect(error?.notes == ["did you mean 'ids'?"])
  }

  @Test func `no batches at all are refused`() throws {
    #expect(
      failure { () throws(Diagnostic) in
        _ = try CalibrationSet(paths: [], inputs: inputs, readTensor: noTensors)
      }?.status
        == .usage)
    let folder = try TemporaryFolder()
    #expect(
      failure { () throws(Diagnostic) in
        _ = try CalibrationSet(paths: [folder.path], inputs: inputs, readTensor: noTensors)
      }?.message == "holds no batch, expected .npz files with at least one")
    #expect(
      failure { () throws(Diagnostic) in
        _ = try CalibrationSet(paths: [folder["no.npz"]], inputs: inputs, readTensor: noTensors)
          .forEachBatch { _, _ in }
      }?.status == .noInput)
  }

  private let inputs = [
    CalibrationSet.Input(
      name: "x", type: TensorType(.float32, [.symbol("n"), .size(3)]), isOptional: false),
    CalibrationSet.Input(name: "ids", type: TensorType(.int64, [.unknown]), isOptional: false),
  ]

  private func batches(
    _ files: [String]
  ) throws(Diagnostic) -> [[(name: String, tensor: Tensor)]] {
    var result: [[(name: String, tensor: Tensor)]] = []
    let set = try CalibrationSet(
      paths: files.map { path($0) }, inputs: inputs, readTensor: noTensors)
    try set.forEachBatch { (batch, _) throws(Diagnostic) in result.append(batch) }
    return result
  }
}

/// The path of a file of `Tests/Data/Calibration`; see the README there.
func path(_ name: String) -> String {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return "\(tests)/Data/Calibration/\(name)"
}

/// Reads the files of a `test_data_set_*` folder, of which these tests have none.
func noTensors(_ path: String) throws(Diagnostic) -> Tensor {
  throw Diagnostic("'\(path)' is no archive")
}

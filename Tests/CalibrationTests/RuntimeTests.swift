import Calibration
import FP8
import Glibc
import IR
import NPZ
import Support
import TestSupport
import Testing

/// Tests that run models; `make test` names the library, and then a missing one fails them.
@Suite(.enabled(if: Library.isExpected)) struct RuntimeTests {
  @Test func `outputs are those that ONNX Runtime gave elsewhere`() throws {
    let runtime = try Library.load()
    for (name, input) in [("mlp_small.ts", "x"), ("external_many", "x"), ("all_metadata", "x")] {
      let session = try Session(runtime, path: goldenPath("onnx/\(name).onnx"))
      let expected = try NPZFile(path: goldenPath("onnx/\(name).outputs.npz")).array("y")
      let set = try CalibrationSet(
        paths: [goldenPath("onnx/\(name).inputs.npz")],
        inputs: [
          CalibrationSet.Input(
            name: input, type: TensorType(.float32, nil), isOptional: false)
        ], readTensor: noTensors)
      var bytes: [UInt8] = []
      try set.forEachBatch { (batch, _) throws(Diagnostic) in
        bytes += try session.run(batch, outputs: ["y"]).first??.bytes ?? []
      }
      let pairs = zip(floats(bytes), floats(expected.bytes))
      #expect(bytes.count == expected.bytes.count)
      // Another processor adds in another order.
      #expect(pairs.allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($1)) }, "\(name)")
    }
  }

  @Test func `observers keep the largest magnitude, rounded to the high precision type`() throws {
    // The batches' largest magnitudes are 6, 7.03 and 6.99; in bfloat16 near 7 the step is 1/32.
    #expect(try observed("stack", .bf16).maxima == [7.03125])
    #expect(try observed("stack", .fp32).maxima == [7.03])
    #expect(try observed("stack", .fp32).batchCount == 3)
  }

  @Test func `special numbers are errors unless they are allowed`() throws {
    for name in ["nan", "inf"] {
      let error = failure { () throws(Diagnostic) in _ = try observed(name, .bf16) }
      #expect(error?.message == "observer 'o' saw infinite or NaN elements in batch 1")
      #expect(error?.status == .malformedInput)
    }
    // The largest finite bfloat16, and what is left beside a NaN.
    #expect(
      try observed("inf", .bf16, allowed: true).maxima == [Float(bitPattern: 0x7F7F_0000)])
    #expect(try observed("nan", .fp32, allowed: true).maxima.count == 1)
  }

  @Test func `a model that cannot run is refused with the runtime's reason`() throws {
    let runtime = try Library.load()
    let folder = try TemporaryFolder()
    let graph = Wire.graph(
      nodes: [Wire.node("NoSuchOperator", ["x"], ["y"])], inputs: [Wire.value("x", [2])],
      outputs: [Wire.value("y", [2])])
    let path = try folder.write("m.onnx", Wire.model(graph).bytes)
    let error = failure { () throws(Diagnostic) in _ = try Session(runtime, path: path) }
    #expect(error?.status == .unavailable)
    #expect(error?.message.hasPrefix("ONNX Runtime cannot run the model: ") == true)
    #expect(error?.message.contains("NoSuchOperator") == true)
  }

  @Test(.enabled(if: Library.isExpected))
  func `channels are as many in every batch`() throws {
    let keep = Wire.node("Abs", ["x"], ["o"])
    let flag = Wire.node("ReduceSum", ["z"], ["o/flag"], name: "s")
    let zero = Wire.tensor("zero", []).data(9, [0, 0, 0, 0])
    let any = Wire().text(1, "x").message(
      2, Wire().message(1, Wire().number(1, 1).message(2, Wire().message(1, Wire()))))
    let graph = Wire.graph(
      nodes: [keep, Wire.node("Mul", ["x", "zero"], ["z"], name: "z"), flag],
      initializers: [zero], inputs: [any], outputs: [Wire.value("o"), Wire.value("o/flag")])
    let session = try Session(try Library.load(), model: Wire.model(graph).bytes, folder: nil)
    var run = TensorRun(.channels, names: ["o"], allowsNonFinite: false)
    let two = Tensor(element: .float32, shape: [2], bytes: [0, 0, 0x80, 0xBF, 0, 0, 0, 0])
    try run.add([("x", two)], session)
    #expect(run.rows == [[1, 0]])
    let one = Tensor(element: .float32, shape: [1], bytes: [0, 0, 0x80, 0x3F])
    let error = failure { () throws(Diagnostic) in try run.add([("x", one)], session) }
    #expect(error?.id == "channels-changed")
  }

  @Test(.disabled(if: Library.isSystemWide, "a library of the system would be found"))
  func `a runtime that is nowhere is missed with the remedy`() {
    let error = failure { () throws(Diagnostic) in
      _ = try Runtime.find(nil, environment: { _ in nil }, executable: "/nowhere/fp8c")
    }
    #expect(error?.id == "runtime-not-found")
    #expect(error?.notes == [Runtime.remedy])
  }

  @Test func `what is no library is refused with the remedy`() throws {
    let error = failure { () throws(Diagnostic) in
      _ = try Runtime(library: goldenPath("README.md"))
    }
    #expect(error?.status == .unavailable)
    #expect(error?.notes == [Runtime.remedy])
  }

  /// Runs a model with one observer, made by hand, over a file of `Tests/Data/Calibration`.
  private func observed(
    _ name: String, _ precision: HighPrecision, allowed: Bool = false
  ) throws(Diagnostic) -> ObserverRun {
    // o is the largest |x|; o/flag is the sum of 0 * x, which is NaN where x is not finite.
    let zero = Wire.tensor("zero", []).data(9, [0, 0, 0, 0])
    let keep = Wire().text(1, "keepdims").number(3, 0).number(20, 2)
    let graph = Wire.graph(
      nodes: [
        Wire.node("Abs", ["x"], ["a"]),
        Wire.node("ReduceMax", ["a"], ["o"], name: "m").message(5, keep),
        Wire.node("Mul", ["x", "zero"], ["z"], name: "z"),
        Wire.node("ReduceSum", ["z"], ["o/flag"], name: "s").message(5, keep),
        Wire.node("Size", ["x"], ["n"], name: "size"),
        Wire.node("Cast", ["n"], ["o/count"], name: "cast").message(
          5, Wire().text(1, "to").number(3, 1).number(20, 2)),
      ],
      initializers: [zero], inputs: [Wire.value("x", [2, 3]), Wire.value("ids", [2], type: 7)],
      outputs: [Wire.value("o"), Wire.value("o/flag"), Wire.value("o/count")])
    let session = try Session(
      try Library.load(), model: Wire.model(graph).bytes, folder: nil)
    let set = try CalibrationSet(
      paths: [path("\(name).npz")],
      inputs: [
        CalibrationSet.Input(
          name: "x", type: TensorType(.float32, sizes: [2, 3]), isOptional: false),
        CalibrationSet.Input(name: "ids", type: TensorType(.int64, sizes: [2]), isOptional: false),
      ], readTensor: noTensors)
    var run = ObserverRun(names: ["o"], precision: precision, allowsNonFinite: allowed)
    try set.forEachBatch { (batch, _) throws(Diagnostic) in try run.add(batch, session) }
    return run
  }

  private func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(
        bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }
}

/// ONNX Runtime's library, as the tests find it.
enum Library {
  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  static func load() throws(Diagnostic) -> Runtime {
    try Runtime.find(nil, environment: environment, executable: #filePath)
  }

  /// True where the system's own paths have one.
  static var isSystemWide: Bool {
    failure { () throws(Diagnostic) in
      try Runtime.find(nil, environment: { _ in nil }, executable: "/nowhere/fp8c")
    } == nil
  }

  /// True where the environment names it, whether it is there or not, and where it is found.
  static var isExpected: Bool {
    environment("FP8C_ONNXRUNTIME") != nil
      || failure { () throws(Diagnostic) in _ = try load() } == nil
  }
}

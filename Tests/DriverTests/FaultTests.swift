import Driver
import NPZ
import Support
import TestSupport
import Testing

/// Faults that no other test meets, each by its identifier and status.
@Suite struct FaultTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
  private static let data =
    "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"

  private func expect(
    _ id: String, _ status: Int32, _ result: Command, location: SourceLocation = #_sourceLocation
  ) {
    #expect(result.status == status, "\(result.errors)", sourceLocation: location)
    #expect(
      result.lines.contains { $0.hasSuffix("[\(id)]") }, "\(result.errors)",
      sourceLocation: location)
  }

  @Test(.enabled(if: runtimeIsExpected))
  func `very many batches of nothing are refused before they are made`() throws {
    let folder = try TemporaryFolder()
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], ["y"])],
        initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
        inputs: [Wire.value("x", [0, 2])], outputs: [Wire.value("y", [0, 2])]))
    try folder.write("m.onnx", model.bytes)
    try folder.archive(
      "x.npz", [("x", NPYArray(type: .float32, shape: [1 << 40, 0, 2], bytes: []))])
    let arguments = ["measure", "m.onnx", "--calibration", "x.npz"]
    expect("empty-batches", 75, try Command(arguments, in: folder.path))
    try folder.archive("x.npz", [("x", NPYArray(type: .float32, shape: [3, 0, 2], bytes: []))])
    #expect(try Command(arguments, in: folder.path).status == 0)
  }

  @Test func `textual IR has no weights`() throws {
    let folder = try TemporaryFolder()
    try folder.write("m.ir", Array("graph @m() -> () {}".utf8))
    let arguments = ["quantize", "m.ir", "-o", "out.onnx", "--scale-method", "unit_scale"]
    expect("needs-weights", 65, try Command(arguments, in: folder.path))
  }

  @Test func `a job without an output has nothing to do`() {
    var options = Options()
    options.model = Self.digits
    let error = failure { () throws(Diagnostic) in
      _ = try Compiler(options: options, console: Console(MessageOptions(isQuiet: true))).quantize()
    }
    #expect(error?.id == "no-output")
  }

  @Test func `what is asked of explain may be nothing`() throws {
    expect("nothing-to-explain", 0, try Command(["inspect", Self.digits, "--explain=fc9"]))
  }

  @Test func `standard output that is full is an error`() throws {
    expect("standard-output", 74, try Command(["targets"], redirection: ">/dev/full"))
  }

  @Test func `a file that may not grow is an error and leaves nothing`() throws {
    let folder = try TemporaryFolder()
    let result = try Command(
      ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"],
      in: folder.path, environment: ["LLVM_PROFILE_FILE": "/dev/null"],
      shell: "trap '' XFSZ; ulimit -f 4")
    expect("cannot-write", 74, result)
    #expect(try folder.entries() == [])
  }

  /// A policy that asks for FIPS without its provider has no SHA-256.
  @Test func `a library without SHA-256 is an error`() throws {
    let folder = try TemporaryFolder()
    let text = """
      openssl_conf = a
      [a]
      alg_section = b
      [b]
      default_properties = fips=yes

      """
    try folder.write("ssl.cnf", Array(text.utf8))
    let result = try Command(
      ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"],
      in: folder.path, environment: ["OPENSSL_CONF": folder["ssl.cnf"]])
    expect("no-digest", 69, result)
  }

  @Test func `fake quantization says what it writes`() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "c.json", Array(#"{"fake_quant": true, "scale_method": "unit_scale"}"#.utf8))
    let arguments = ["quantize", Self.digits, "-o", "out.onnx", "--config", "c.json"]
    expect("fake-quantization", 0, try Command(arguments, in: folder.path))
  }

  @Test func `measurements of ranges and of shapes are not one`() throws {
    let folder = try TemporaryFolder()
    let text = String(
      decoding: try InputFile.contents(of: "\(Self.data)/mlp.json", limit: 1 << 20), as: UTF8.self)
    try folder.write("s.json", Array(text.replacing("DynamicRange", with: "Shape").utf8))
    let arguments = ["unify", "\(Self.data)/mlp.json", "s.json"]
    expect("different-modes", 78, try Command(arguments + ["-o", "o.json"], in: folder.path))
  }

  @Test func `a measurement archive has one array`() throws {
    let folder = try TemporaryFolder()
    let path = try archive(["a": [1], "b": [2]], in: folder)
    expect("not-one-array", 78, try Command(["scales", path, "-o", "o.json"], in: folder.path))
  }

  @Test func `a search without a model says so`() throws {
    let folder = try TemporaryFolder()
    let arguments = ["scales", "\(Self.data)/mlp.json", "-o", "o.json"]
    let method = ["--scale-method", "maxabs_hw_opt_weight"]
    expect("weights-by-max-abs", 0, try Command(arguments + method, in: folder.path))
  }

  @Test func `a target has the format that is asked for`() throws {
    let folder = try TemporaryFolder()
    // The second format is one line of the description.
    let lines = try Command(["targets", "gaudi2"]).output.split(separator: "\n").map(String.init)
    let place = try #require(lines.firstIndex { $0.hasPrefix("\"e5m2\"") })
    func run(_ change: (inout [String]) -> Void) throws -> Command {
      var changed = lines
      change(&changed)
      try folder.write("t.json", Array(changed.joined(separator: "\n").utf8))
      return try Command(
        ["quantize", Self.digits, "-o", "out.onnx", "--target", "t.json", "--scale-method"]
          + ["unit_scale", "--fp8-config", "E5M2"], in: folder.path)
    }
    let misspelt = try run { $0[place] = "\"e3m4\"" + $0[place].dropFirst(6) }
    expect("unknown-format", 78, misspelt)
    let without = try run {
      $0[place - 1].removeLast()
      $0.remove(at: place)
    }
    expect("no-format", 78, without)
  }

  @Test func `a target lowers a kind to an operator of that kind`() throws {
    let folder = try TemporaryFolder()
    let text = try Command(["targets", "gaudi2"]).output
    try folder.write("t.json", Array(text.replacing("Fp8Conv", with: "Fp8Pool").utf8))
    let arguments = ["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "unit_scale"]
    expect("no-kernel", 78, try Command(arguments + ["--target", "t.json"], in: folder.path))
  }

  @Test func `collect reads what the observer of ranges gives`() throws {
    let arguments = ["collect", Self.digits, "a.npz", "--observer", "shape"]
    expect("collects-other-observer", 78, try Command(arguments))
  }

  @Test func `an observer's numbers are as many as its flags`() throws {
    let folder = try TemporaryFolder()
    var arrays: [String: [Float]] = [:]
    for name in ["fc1", "fc2"] {
      for suffix in ["", "/flag", "/count"] {
        arrays["fp8c.observe/\(name)/input\(suffix)"] = suffix == "/flag" ? [0, 0] : [1]
      }
    }
    let path = try archive(arrays, in: folder)
    let model = goldenPath("onnx/mlp_small.ts.onnx")
    expect("observed-unevenly", 78, try Command(["collect", model, path], in: folder.path))
  }

  @Test(.enabled(if: runtimeIsExpected))
  func `labels are whole numbers, enough of them, for scores`() throws {
    let folder = try TemporaryFolder()
    func model(type: UInt64) -> [UInt8] {
      Wire.model(
        Wire.graph(
          nodes: [Wire.node("Identity", ["x"], ["y"])],
          inputs: [Wire.value("x", [2, 1], type: type)],
          outputs: [Wire.value("y", [2, 1], type: type)])
      ).bytes
    }
    try folder.write("f.onnx", model(type: 1))
    try folder.write("i.onnx", model(type: 7))
    func integers(_ shape: [Int]) -> NPYArray {
      NPYArray(
        type: .int64, shape: shape, bytes: [UInt8](repeating: 0, count: shape.reduce(8, *)))
    }
    func verify(_ model: String, _ labels: String) throws -> Command {
      try Command(
        ["verify", model, model, "--inputs", "x.npz", "--labels", labels], in: folder.path)
    }
    let floats = NPYArray(type: .float32, shape: [2, 1], bytes: [UInt8](repeating: 0, count: 8))
    try folder.archive("x.npz", [("x", floats), ("l", integers([1]))])
    expect("bad-labels", 64, try verify("f.onnx", "nothing"))
    expect("too-few-labels", 65, try verify("f.onnx", "x.npz:l"))
    // Both rows have one class, the first, and the labels say so: nothing is lost, which is less than -1.
    try folder.archive("x.npz", [("x", floats), ("l", integers([2]))])
    func drop(_ flags: [String]) throws -> Command {
      try Command(
        ["verify", "f.onnx", "f.onnx", "--inputs", "x.npz"] + flags, in: folder.path)
    }
    let equal = try drop(["--labels", "x.npz:l", "--max-drop", "0"])
    #expect(equal.status == 0 && equal.output.hasSuffix("right of 2: 2 by the source, 2 in FP8\n"))
    #expect(try drop(["--labels", "x.npz:l", "--max-drop=-1"]).status == 1)
    expect("drop-without-labels", 64, try drop(["--max-drop", "0"]))
    try folder.archive("x.npz", [("x", integers([2, 1])), ("l", integers([2]))])
    expect("not-a-classifier", 65, try verify("i.onnx", "x.npz:l"))
  }

  /// Doubling twenty-one times makes two million nodes of one.
  @Test func `calls that stand for too many nodes are refused`() throws {
    let folder = try TemporaryFolder()
    let functions = (0...21).map { level in
      let call = level == 0 ? "Softmax" : "\"l\"::F\(level - 1)"
      return """
        function "l"::F\(level)() {
          opset "" 21 opset "l" 1
          graph @f(%x) -> (%y) { %a = \(call)(%x) %y = \(call)(%a) }
        }

        """
    }
    let text =
      "model { ir 10 opset \"\" 21 opset \"l\" 1 } " + functions.joined()
      + "graph @m(%x) -> (%y) { %y = \"l\"::F21(%x) }"
    try folder.write("m.ir", Array(text.utf8))
    expect(
      "inlined-too-much", 75,
      try Command(["opt", "m.ir", "--passes", "inline-functions"], in: folder.path))
  }

  private func archive(
    _ arrays: [String: [Float]], in folder: borrowing TemporaryFolder
  ) throws -> String {
    try folder.archive(
      "arrays.npz",
      arrays.sorted { $0.key < $1.key }.map { key, values in
        let bytes = values.flatMap { value in
          (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) }
        }
        return (key, NPYArray(type: .float32, shape: [values.count], bytes: bytes))
      })
  }
}

extension TemporaryFolder {
  /// Writes an archive of arrays and gives its path.
  @discardableResult
  fileprivate func archive(_ name: String, _ arrays: [(key: String, NPYArray)]) throws -> String {
    var writer = NPZWriter()
    for (key, array) in arrays {
      try array.write(to: self["array.npy"])
      writer.add(key, file: try contents("array.npy"))
    }
    return try write(name, writer.archive())
  }
}

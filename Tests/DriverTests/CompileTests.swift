import FoundationEssentials
import Support
import TestSupport
import Testing

/// The whole job on real networks; a missing ONNX Runtime fails these where `make test` runs them.
@Suite(.enabled(if: runtimeIsExpected)) struct CompileTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
  private static let calibration = goldenPath("digits/calib.npz")

  @Test(arguments: ["ts", "dynamo"], [true, false])
  func `digits are read as well in FP8 as in float32`(exporter: String, isQDQ: Bool) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("digits/digits_cnn.\(exporter).onnx")
    let shared = ["--dump-stats-path", folder["m/measure"], "--hp-dtype", "fp32"]
    let measured = try Command(["measure", model, "--calibration", Self.calibration] + shared)
    #expect(measured.status == 0, "\(measured.errors)")
    #expect(
      try folder.entries("m") == [
        "measure_hooks_maxabs.json", "measure_hooks_maxabs.npz",
        "measure_hooks_maxabs_mod_list.json",
        "measure_hooks_maxabs_provenance.json",
      ])
    let form = isQDQ ? ["--qdq"] : []
    let quantized = try Command(["quantize", model, "-o", folder["out.onnx"]] + shared + form)
    #expect(quantized.status == 0, "\(quantized.errors)")
    #expect(try folder.entries() == ["m", "out.onnx", "out.scales.json"])
    #expect(try folder.entries("m").contains("measure_hooks_maxabs_MAXABS_HW.json"))
    let test = goldenPath("digits/test.npz")
    let verified = try Command([
      "verify", model, folder["out.onnx"], "--inputs", test, "--labels", "\(test):label",
      "--min-sqnr", "15",
    ])
    #expect(verified.status == 0, "\(verified.errors)\(verified.output)")
    // The float model gets 529 of 533 (PyTorch and ONNX Runtime); FP8 may lose four of them.
    let words = verified.output.split(whereSeparator: { " :,\n".contains($0) })
    let counts = words.compactMap { Int($0) }
    #expect(counts.suffix(3).first == 533)
    #expect(counts.suffix(2).first == 529)
    #expect(counts.last ?? 0 >= 525)
  }

  @Test func `ranges are those that ONNX Runtime saw, scales follow from them`() throws {
    let folder = try TemporaryFolder()
    let result = try Command([
      "compile", Self.digits, "-o", folder["out.onnx"], "--calibration", Self.calibration,
      "--dump-stats-path", folder["m"],
    ])
    #expect(result.status == 0, "\(result.errors)")
    let expected = try Self.activations("digits_cnn.ts")
    // Worked by hand for Gaudi2, maxabs_hw: range / 60 for activations (full scale 240, backoff
    // 1/4), range / 120 for weights (1/2), and the next of 1/256, 1/16, 1 and 16.
    let scales: [String: Double] = [
      "image": 0.0625,  // 1 / 60 = 0.0167
      "/features/features.2/Relu_output_0": 1,  // 4.53125 / 60 = 0.0755
      "/features/features.6/MaxPool_output_0": 1,  // 4.53125 / 60 = 0.0755
      "/Flatten_output_0": 1,  // 6.65625 / 60 = 0.111
      "/Relu_output_0": 1,  // 5.09375 / 60 = 0.0849
      "onnx::Conv_42": 0.0625,  // 2.7050672 / 120 = 0.0225
      "onnx::Conv_45": 0.0625,  // 0.6830941 / 120 = 0.00569
      "onnx::Conv_48": 0.0625,  // 0.7910112 / 120 = 0.00659
      "fc1.weight": 0.00390625,  // 0.34412724 / 120 = 0.00287
      "fc2.weight": 0.00390625,  // 0.32992887 / 120 = 0.00275
    ]
    var seen = 0
    for port in try Self.ports(folder.contents("out.scales.json")) {
      guard let scale = scales[port.value] else {
        #expect(port.role == "unquantized")
        continue
      }
      seen += 1
      #expect(port.scale == scale, "\(port.value)")
      if port.role == "activation" {
        let range = try #require(expected[port.value])
        #expect(port.maxAbs == bfloat16(range), "\(port.value)")
      }
    }
    #expect(seen == scales.count)
  }

  @Test(arguments: ["resnet18/resnet18_w16.ts", "onnx/mlp_small.ts", "onnx/gemm_variants"])
  func `every activation has the range that ONNX Runtime saw`(name: String) throws {
    let folder = try TemporaryFolder()
    let result = try Command([
      "compile", goldenPath("\(name).onnx"), "-o", folder["out.onnx"], "--calibration",
      goldenPath("\(name).inputs.npz"), "--dump-stats-path", folder["m"], "--hp-dtype", "fp32",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let model = name.split(separator: "/").last.map(String.init) ?? name
    let expected = try Self.activations(model)
    var compared = 0
    for port in try Self.ports(folder.contents("out.scales.json")) where port.role == "activation" {
      guard let range = expected[port.value] else { continue }
      compared += 1
      // Another processor adds in another order.
      #expect(abs((port.maxAbs ?? 0) - range) <= 1e-5 * range, "\(port.value)")
    }
    #expect(compared >= 2)
  }

  @Test func `another folder and another number of jobs give the same bytes`() throws {
    let folder = try TemporaryFolder()
    try folder.write("a/none", [])
    try folder.write("b/sub/none", [])
    for name in [Self.digits, Self.calibration] {
      let bytes = try InputFile.contents(of: name, limit: 1 << 20)
      let file = name.split(separator: "/").last.map(String.init) ?? name
      try folder.write("a/\(file)", bytes)
      try folder.write("b/sub/\(file)", bytes)
    }
    let first = try Command(
      [
        "compile", "digits_cnn.ts.onnx", "-o", "out.onnx", "--calibration", "calib.npz",
        "--dump-stats-path", "m", "--jobs", "1",
      ], in: folder["a"])
    let second = try Command(
      [
        "compile", "sub/digits_cnn.ts.onnx", "-o", "sub/out.onnx", "--calibration",
        "sub/calib.npz", "--dump-stats-path", "sub/m", "--jobs", "4",
      ], in: folder["b"])
    #expect(first.status == 0 && second.status == 0, "\(first.errors)\(second.errors)")
    let written = try folder.entries("a").filter { $0.hasPrefix("out") || $0.hasPrefix("m_") }
    #expect(written.count == 8)
    for name in written {
      #expect(try folder.contents("a/\(name)") == folder.contents("b/sub/\(name)"), "\(name)")
    }
  }

  @Test func `a measurement is reused while model and batches are the same`() throws {
    let folder = try TemporaryFolder()
    let arguments = [
      "compile", Self.digits, "-o", folder["out.onnx"], "--calibration", Self.calibration,
      "--dump-stats-path", folder["m"],
    ]
    #expect(try Command(arguments).errors.contains("measuring: no measurement"))
    let again = try Command(arguments)
    #expect(again.status == 0 && again.errors.contains("using the measurement"))
    let other = try Command(arguments + ["--measure-exclude", "NONE"])
    #expect(other.status == 0 && other.errors.contains("measuring: no measurement"))
  }

  @Test func `the dependency file names what was read`() throws {
    let folder = try TemporaryFolder()
    let result = try Command(
      [
        "compile", goldenPath("onnx/external_many.onnx"), "-o", "my out.onnx", "--calibration",
        goldenPath("onnx/external_many.inputs.npz"), "--dump-stats-path", "m", "--depfile", "out.d",
      ], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let inputs = [
      "external_many.onnx", "external_files/a.bin", "external_files/b.bin",
      "external_many.inputs.npz",
    ].map { goldenPath("onnx/\($0)") }
    let expected =
      "my\\ out.onnx: \\\n" + inputs.map { "  \($0)" }.joined(separator: " \\\n") + "\n"
      + inputs.map { "\($0):\n" }.joined()
    #expect(try folder.text("out.d") == expected)
  }

  @Test(arguments: ["digits/digits_cnn.ts", "onnx/external_many"])
  func `weights beside the model run as those inside`(name: String) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("\(name).onnx")
    let batches =
      name.hasPrefix("digits") ? Self.calibration : goldenPath("\(name).inputs.npz")
    let shared = ["--calibration", batches, "--dump-stats-path", folder["m"], "--hp-dtype", "fp32"]
    let inside = try Command(["compile", model, "-o", folder["in.onnx"]] + shared)
    let beside = try Command(
      ["compile", model, "-o", folder["out.onnx"], "--external-data", "always"] + shared)
    #expect(inside.status == 0 && beside.status == 0, "\(inside.errors)\(beside.errors)")
    #expect(try folder.entries().contains("out.onnx.data"))
    #expect(try !folder.entries().contains("in.onnx.data"))
    // The same numbers, so the error is zero.
    let equal = try Command(["verify", folder["in.onnx"], folder["out.onnx"], "--inputs", batches])
    #expect(equal.status == 0)
    let lines = equal.output.split(separator: "\n").dropFirst()
    let none = ": inf dB, cosine 1.0, largest error 0.0"
    #expect(!lines.isEmpty && lines.allSatisfy { $0.hasSuffix(none) }, "\(equal.output)")
  }

  @Test func `a loss beyond the limit is status 1`() throws {
    let folder = try TemporaryFolder()
    let result = try Command([
      "compile", Self.digits, "-o", folder["out.onnx"], "--calibration", Self.calibration,
      "--dump-stats-path", folder["m"], "--hp-dtype", "fp32",
    ])
    #expect(result.status == 0)
    let verified = try Command([
      "verify", Self.digits, folder["out.onnx"], "--inputs", Self.calibration, "--min-sqnr", "90",
    ])
    #expect(verified.status == 1)
  }

  // MARK: Expected numbers

  private struct Port {
    let role: String
    let value: String
    let maxAbs: Double?
    let scale: Double?
  }

  private static func ports(_ table: [UInt8]) throws -> [Port] {
    let root = JSONReader(try JSON.parse(table, file: nil))
    var result: [Port] = []
    for module in try root.member("modules").items() {
      for port in try module.member("ports").items() {
        let range = try port.member("maxabs")
        result.append(
          Port(
            role: try port.member("role").string(), value: try port.member("value").string(),
            maxAbs: range.isNull ? nil : try range.double(),
            scale: try port.optional("scale")?.double()))
      }
    }
    return result
  }

  private static func activations(_ model: String) throws -> [String: Double] {
    let bytes = try InputFile.contents(of: goldenPath("activations.json"), limit: 1 << 20)
    var result: [String: Double] = [:]
    let root = JSONReader(try JSON.parse(bytes, file: nil))
    for member in try root.member(model).members() {
      result[member.key] = try member.value.double()
    }
    return result
  }

  /// The nearest bfloat16, ties to even: a float32 with its lower half gone.
  private func bfloat16(_ value: Double) -> Double {
    let bits = Float(value).bitPattern
    let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000
    return Double(Float(bitPattern: rounded))
  }

  @Test(arguments: [
    [], ["--qdq"], ["--qdq", "--hp-dtype", "fp16"],
    ["--scale-method", "act_maxabs_hw_weights_pcs_maxabs_pow2"],
    ["--scale-method", "act_maxabs_hw_weights_pcs_maxabs_pow2", "--qdq"],
  ])
  func `every form runs, as near as codes of three bits are, and errors are told apart`(
    _ flags: [String]
  ) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/mlp_small.ts.onnx")
    let batches = goldenPath("onnx/mlp_small.ts.inputs.npz")
    let compiled = try Command(
      ["compile", model, "-o", "out.onnx", "--calibration", batches] + flags, in: folder.path)
    #expect(compiled.status == 0, "\(compiled.errors)")
    let run = try Command(
      ["verify", model, "out.onnx", "--inputs", batches, "--min-sqnr", "20"], in: folder.path)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("\nfc1 "))
  }

  @Test(arguments: [[], ["--qdq"]])
  func `a model with codes for its caches is run with numbers`(_ flags: [String]) throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("bound/llama_tiny.dynamo.onnx")
    let batches = goldenPath("bound/llama_tiny.dynamo.inputs.npz")
    let compiled = try Command(
      ["compile", model, "-o", "out.onnx", "--calibration", batches, "--fp8-kv-cache"] + flags,
      in: folder.path)
    #expect(compiled.status == 0, "\(compiled.errors)")
    let run = try Command(
      ["verify", model, "out.onnx", "--inputs", batches, "--min-sqnr", "15"], in: folder.path)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("\npresent.0.key: "))
  }

  /// A weight that is tied everywhere has more readers than metadata should name.
  @Test func `of many readers of one weight the first are named`() throws {
    let folder = try TemporaryFolder()
    let names = ["x"] + (1...20).map { "h\($0)" }
    let products = zip(names, names.dropFirst()).map { Wire.node("MatMul", [$0, "w"], [$1]) }
    let model = Wire.model(
      Wire.graph(
        nodes: products,
        initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("h20", [2, 2])]))
    try folder.write("m.onnx", model.bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale", "--qdq"],
      in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let printed = try Command(["print", "out.onnx"], in: folder.path).output
    let shared = try #require(
      printed.split(separator: "\n").first { $0.contains("DequantizeLinear(@w") }, "\(printed)")
    #expect(shared.contains(", weight of n#16, … 20 in all\""), "\(shared)")
    #expect(shared.contains(", n#16, … 20 in all\""), "\(shared)")
    #expect(!shared.contains("n#17"))
  }
}

import FoundationEssentials
import Support
import TestSupport
import Testing

/// `--budget`, and the numbers of `verify` that it goes by.
@Suite(.enabled(if: runtimeIsExpected)) struct BudgetTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")
  private static let calibration = goldenPath("digits/calib.npz")
  private static let test = goldenPath("digits/test.npz")

  @Test func `what each module costs is what NumPy makes of it`() throws {
    let folder = try TemporaryFolder()
    let compiled = try Command([
      "compile", Self.digits, "-o", folder["out.onnx"], "--calibration", Self.calibration,
      "--dump-stats-path", folder["m"],
    ])
    #expect(compiled.status == 0, "\(compiled.errors)")
    let verified = try Command([
      "verify", Self.digits, folder["out.onnx"], "--inputs", Self.test, "--labels",
      "\(Self.test):label",
    ])
    #expect(verified.status == 0, "\(verified.errors)")
    // bfloat16 runs as float32.
    #expect(verified.errors.contains("float32 twin"))
    let rows = verified.output.split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    // By NumPy and ml_dtypes' float8_e4m3fn from what ONNX Runtime gives the two layers: in total, by
    // weights, by rounding activations, by saturation.
    #expect(rows.contains { $0.starts(with: ["fc1", "33.0", "35.8", "36.3", "inf"]) })
    #expect(rows.contains { $0.starts(with: ["fc2", "31.3", "34.6", "34.1", "inf"]) })
    // The costliest stands first.
    let modules = rows.drop { $0.first != "module" }.dropFirst()
    let costs = modules.compactMap { Double($0[1]) }
    #expect(costs.count == 5 && costs == costs.sorted())
  }

  @Test func `modules of bodies are looked at over all turns`() throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/if_loop_scan.onnx")
    // Between them the flags take either branch.
    let files = [
      goldenPath("onnx/if_loop_scan.inputs.npz"), goldenPath("onnx/if_loop_scan.then.npz"),
    ]
    let compiled = try Command(
      ["compile", model, "-o", "out.onnx"] + files.flatMap { ["--calibration", $0] },
      in: folder.path)
    #expect(compiled.status == 0, "\(compiled.errors)")
    let verified = try Command(
      ["verify", model, "out.onnx"] + files.flatMap { ["--inputs", $0] }, in: folder.path)
    #expect(verified.status == 0, "\(verified.errors)")
    #expect(!verified.errors.contains("not looked at alone"))
    let rows = verified.output.split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    // By NumPy and ml_dtypes' float8_e4m3fn, which ran the graph with the table's scales: three turns of
    // the loop, two of the scan.
    for expected in [
      ["loop_matmul", "26.4", "29.1", "28.6", "inf"],
      ["else_matmul", "28.4", "30.0", "31.1", "inf"],
      ["scan_gemm", "29.0", "31.3", "30.1", "inf"],
      ["then_matmul", "29.3", "30.8", "33.0", "inf"],
    ] {
      #expect(rows.contains { $0.starts(with: expected) }, "\(verified.output)")
    }
  }

  @Test func `scales of the running model cost a module what they cost its output`() throws {
    let folder = try TemporaryFolder()
    let model = goldenPath("onnx/gemm_variants.onnx")
    try folder.write(
      "c.json",
      Array(
        #"{"dynamic_quantization": true, "scale_method": "maxabs_pow2", "hp_dtype": "fp32"}"#.utf8))
    let made = try Command(
      ["quantize", model, "-o", "out.onnx", "--config", "c.json"], in: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let verified = try Command(
      [
        "verify", model, "out.onnx", "--inputs",
        goldenPath("onnx/gemm_variants.inputs.npz"),
      ], in: folder.path)
    #expect(verified.status == 0, "\(verified.errors)")
    let rows = verified.output.split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    // Output y0 is that of gemm_0 alone, and so on.
    for index in 0..<16 {
      let output = rows.first { $0.first == "y\(index):" }?.dropFirst().first
      #expect(output != nil)
      #expect(rows.first { $0.first == "gemm_\(index)" }?.dropFirst().first == output)
    }
  }

  @Test func `the fewest modules are kept`() throws {
    let folder = try TemporaryFolder()
    let shared = ["--calibration", Self.calibration, "--dump-stats-path", folder["m"]]
    let compiled = try Command(
      ["compile", Self.digits, "-o", folder["out.onnx"], "--budget", "sqnr>=24"] + shared)
    #expect(compiled.status == 0, "\(compiled.errors)")
    #expect(compiled.errors.contains("2 of 5 kept"), "\(compiled.errors)")
    #expect(try verify(folder["out.onnx"], minimum: 24) == 0)
    // No module alone is enough.
    for path in ["features.0", "features.3", "features.7", "fc1", "fc2"] {
      let one = try Command(
        ["compile", Self.digits, "-o", folder["one.onnx"], "--block-name", "^\(path)$"] + shared)
      #expect(one.status == 0)
      #expect(try verify(folder["one.onnx"], minimum: 24) == 1, "\(path)")
    }
    let again = try Command(
      ["compile", Self.digits, "-o", folder["again.onnx"], "--budget", "sqnr>=24"] + shared)
    #expect(again.status == 0)
    #expect(try folder.contents("again.onnx") == folder.contents("out.onnx"))
    // A budget that holds already changes nothing.
    let plain = try Command(["compile", Self.digits, "-o", folder["plain.onnx"]] + shared)
    let easy = try Command(
      ["compile", Self.digits, "-o", folder["easy.onnx"], "--budget", "sqnr>=10"] + shared)
    #expect(plain.status == 0 && easy.status == 0)
    #expect(try folder.contents("easy.onnx") == folder.contents("plain.onnx"))
  }

  @Test func `right answers are a budget too`() throws {
    let folder = try TemporaryFolder()
    let labelled = [
      "--calibration", Self.test, "--labels", "\(Self.test):label", "--dump-stats-path",
      folder["m"],
    ]
    // 529 of 533 are right in float32, a share of 0.99249.
    let reached = try Command(
      ["compile", Self.digits, "-o", folder["out.onnx"], "--budget", "accuracy>=0.9915"]
        + labelled)
    #expect(reached.status == 0, "\(reached.errors)")
    let missed = try Command(
      ["compile", Self.digits, "-o", folder["no.onnx"], "--budget", "accuracy>=0.999"] + labelled)
    #expect(missed.status == 1)
    #expect(missed.errors.contains("no module in FP8 gives accuracy 0.9925"), "\(missed.errors)")
    #expect(try !folder.entries().contains("no.onnx"))
  }

  @Test(arguments: [
    (["--budget", "psnr>=3", "--calibration", "x.npz"], "bad-budget"),
    (["--budget", "sqnr>=nan", "--calibration", "x.npz"], "bad-budget"),
    (["--budget", "sqnr>=3", "--scale-method", "unit_scale"], "budget-without-batches"),
    (
      ["--budget", "accuracy>=1", "--scale-method", "unit_scale", "--calibration", "x.npz"],
      "budget-without-labels"
    ),
  ])
  func `a budget that cannot be aimed at is refused`(flags: [String], id: String) throws {
    let folder = try TemporaryFolder()
    let result = try Command(["compile", Self.digits, "-o", "o.onnx"] + flags, in: folder.path)
    #expect(result.status == 64)
    #expect(result.errors.contains("[\(id)]"), "\(result.errors)")
    #expect(try folder.entries().isEmpty)
  }

  private func verify(_ output: String, minimum: Int) throws -> Int32 {
    try Command([
      "verify", Self.digits, output, "--inputs", Self.calibration, "--min-sqnr", "\(minimum)",
    ]).status
  }
}

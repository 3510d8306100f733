import NPZ
import Support
import TestSupport
import Testing

/// What goes wrong ends in one error, the documented status (cli.md section 6), and no output.
@Suite struct StatusTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")

  @Test(arguments: try goldenRows("refused.tsv"))
  func `a bad model is refused without an output`(row: [String]) throws {
    let folder = try TemporaryFolder()
    let result = try Command(
      [
        "quantize", goldenPath("bad/\(row[0])"), "-o", "out.onnx", "--scale-method", "unit_scale",
      ], in: folder.path)
    #expect(String(result.status) == row[1], "\(result.errors)")
    #expect(result.errors.hasPrefix("error: "))
    #expect(result.errors.components(of: "error: ") == 1)
    #expect(try folder.entries() == [])
  }

  @Test func `an unknown key of the configuration brings the nearest one`() throws {
    let folder = try TemporaryFolder()
    try folder.write("c.json", Array(#"{"scale_metod": "maxabs_hw"}"#.utf8))
    let result = try quantize(["--config", "c.json"], in: folder)
    #expect(result.status == 78)
    #expect(result.errors.hasPrefix("error: c.json: key 'scale_metod' is unknown"))
    #expect(result.errors.contains("did you mean 'scale_method'?"))
    #expect(try folder.entries() == ["c.json"])
  }

  @Test(arguments: [
    #"{"hp_dtype": "bf17"}"#, #"{"scale_method": "maxabs_hv"}"#, #"{"mode": "LOAD"}"#,
    #"{"use_qdq": 3}"#, #"{"allowlist": {"types": ["Linier"]}}"#, #"{"device_for_scales": "g9"}"#,
    #"{"fp8_config": "E4M3", "fp8_config": "E5M2"}"#, "{", "[]", "",
  ])
  func `a wrong value of the configuration is status 78`(text: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("c.json", Array(text.utf8))
    let result = try quantize(["--config", "c.json"], in: folder)
    #expect(result.status == 78, "\(result.errors)")
    #expect(result.errors.components(of: "error: ") == 1)
    #expect(try folder.entries() == ["c.json"])
  }

  @Test func `a missing measurement is status 66`() throws {
    let folder = try TemporaryFolder()
    let result = try quantize(["--dump-stats-path", "none/m"], in: folder)
    #expect(result.status == 66)
    #expect(result.error.contains("none/m_hooks_maxabs.json"))
    let compiled = try Command(
      ["compile", Self.digits, "-o", "out.onnx", "--dump-stats-path", "none/m"], in: folder.path)
    #expect(compiled.status == 66)
    #expect(try folder.entries() == [])
  }

  @Test func `a broken measurement is status 78`() throws {
    let folder = try TemporaryFolder()
    for text in ["{}", "{\"Nodes\": []}", "nonsense"] {
      try folder.write("m_hooks_maxabs.json", Array(text.utf8))
      let result = try quantize(["--dump-stats-path", "m"], in: folder)
      #expect(result.status == 78, "\(text): \(result.errors)")
    }
    #expect(try folder.entries() == ["m_hooks_maxabs.json"])
  }

  @Test func `a measurement that would run something is refused and runs nothing`() throws {
    let folder = try TemporaryFolder()
    // os.system("touch ran"), as a pickle of protocol 0 behind the head of an array of objects.
    let header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    let padded = header + String(repeating: " ", count: 117 - header.count) + "\n"
    let pickle = "cposix\nsystem\n(S'touch \(folder["ran"])'\ntR."
    var archive = NPZWriter()
    archive.add(
      "arr_0",
      file: [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8) + Array(pickle.utf8))
    let path = try folder.write("m.npz", archive.archive())
    let result = try Command(["scales", path, "-o", folder["s.json"]])
    #expect(result.status == 78)
    #expect(result.error.contains("the pickle names 'posix.system', which is no part of an array"))
    #expect(try folder.entries() == ["m.npz"])
  }

  @Test func `a measurement of another model names what is missing`() throws {
    let folder = try TemporaryFolder()
    let text = """
      {"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange", "Nodes":
      {"other": {"inputs": [[[1.0]]], "params": {"weight": [[1.0]]}}}}
      """
    try folder.write("m_hooks_maxabs.json", Array(text.utf8))
    let result = try quantize(["--dump-stats-path", "m"], in: folder)
    #expect(result.status == 78, "\(result.errors)")
    #expect(result.errors.contains("features.0"))
    #expect(try folder.entries() == ["m_hooks_maxabs.json"])
  }

  @Test(.enabled(if: runtimeIsExpected), arguments: ["key", "type", "rank", "missing", "shape"])
  func `wrong batches are status 65 and leave no measurement`(name: String) throws {
    let folder = try TemporaryFolder()
    let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
    let graph = Wire.graph(
      nodes: [Wire.node("MatMul", ["x", "w"], ["y"])],
      initializers: [
        Wire.tensor("w", [3, 1]).data(9, [UInt8](repeating: 0x3F, count: 12))
      ],
      inputs: [Wire.value("x", [2, 3]), Wire.value("ids", [2], type: 7)],
      outputs: [Wire.value("y", [2, 1])])
    let model = try folder.write("m.onnx", Wire.model(graph).bytes)
    func compile(_ file: String) throws -> Command {
      try Command(
        [
          "compile", model, "-o", "out.onnx", "--calibration",
          "\(tests)/Data/Calibration/\(file).npz", "--dump-stats-path", "m/measure",
        ], in: folder.path)
    }
    let result = try compile(name)
    #expect(result.status == 65, "\(result.errors)")
    #expect(result.errors.contains("\(name).npz: "))
    #expect(try folder.entries() == ["m.onnx"])
    #expect(try compile("stack").status == 0)
  }

  @Test func `other faults have the status of the contract`() throws {
    let folder = try TemporaryFolder()
    let fixed = ["--scale-method", "unit_scale"]
    try folder.write("folder/x", [])
    let cases: [(arguments: [String], status: Int32)] = [
      (["quantize", "none.onnx", "-o", "out.onnx"] + fixed, 66),
      (["quantize", folder.path, "-o", "out.onnx"] + fixed, 66),
      (["quantize", Self.digits] + fixed, 64),
      (["quantize", Self.digits, "-o", "out.onnx", "--bogus"], 64),
      (["quantize", Self.digits, "-o", "out.onnx", "--hp-dtype", "bf17"], 64),
      (["nonsense"], 64),
      (["quantize", Self.digits, "-o", "none/out.onnx"] + fixed, 73),
      (["quantize", Self.digits, "-o", "folder"] + fixed, 73),
      (["quantize", Self.digits, "-o", "out.onnx", "--scale-method", "maxabs"], 78),
      (["quantize", Self.digits, "-o", "out.onnx", "--target", "gaudi9"] + fixed, 78),
      (["quantize", Self.digits, "-o", "out.onnx", "--allow-name", "("] + fixed, 78),
      (
        [
          "compile", Self.digits, "-o", "out.onnx", "--onnxruntime", Self.digits,
          "--calibration", goldenPath("digits/calib.npz"),
        ], 69
      ),
      (["quantize", goldenPath("onnx/edge_initializers.onnx"), "-o", "out.onnx"] + fixed, 65),
      (["targets", "gaudi9"], 78),
    ]
    for item in cases {
      let result = try Command(item.arguments, in: folder.path)
      #expect(result.status == item.status, "\(item.arguments): \(result.errors)")
      #expect(try folder.entries() == ["folder"], "\(item.arguments)")
    }
    #expect(try folder.entries("folder") == ["x"])
  }

  @Test func `a failed run leaves the earlier output as it was`() throws {
    let folder = try TemporaryFolder()
    try folder.write("out.onnx", [1, 2, 3])
    _ = try quantize(["--dump-stats-path", "none"], in: folder)
    #expect(try folder.contents("out.onnx") == [1, 2, 3])
    #expect(try folder.entries() == ["out.onnx"])
  }

  @Test func `codes beyond the target's range that cannot be rescaled are status 65`() throws {
    // A Cast reads the codes, so a scale of their own cannot make up for halving them.
    let folder = try TemporaryFolder()
    let result = try Command(
      [
        "quantize", goldenPath("onnx/fp8_all_bytes.onnx"), "-o", "out.onnx", "--scale-method",
        "unit_scale",
      ], in: folder.path)
    #expect(result.status == 65)
    #expect(result.error.contains("'all_e4m3fn'"))
    #expect(try folder.entries() == [])
  }

  @Test(
    arguments: try goldenRows("structure.tsv").map { $0[0] }.filter {
      $0 != "onnx/fp8_all_bytes.onnx"
    }, [true, false])
  func `every model is written in both forms`(name: String, isQDQ: Bool) throws {
    // One of its weights is infinite, which is another test's matter.
    let allowed = name.contains("edge_initializers") ? ["--allow-nonfinite"] : []
    let folder = try TemporaryFolder()
    let result = try Command(
      ["quantize", goldenPath(name), "-o", "out.onnx", "--scale-method", "unit_scale"]
        + (isQDQ ? ["--qdq"] : []) + allowed, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try folder.entries() == ["out.onnx", "out.scales.json"])
    #expect(try Command(["print", "out.onnx"], in: folder.path).status == 0)
  }

  private func quantize(
    _ arguments: [String], in folder: borrowing TemporaryFolder
  ) throws -> Command {
    try Command(["quantize", Self.digits, "-o", "out.onnx"] + arguments, in: folder.path)
  }
}

extension String {
  /// How often another string stands in this one.
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

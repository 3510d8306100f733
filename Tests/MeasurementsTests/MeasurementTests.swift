import Glibc
import Measurements
import Support
import TestSupport
import Testing

private func read(_ text: String) throws -> Measurement {
  try Measurement(json: Array(text.utf8), file: "m.json")
}

private func failure(_ text: String) -> Diagnostic? {
  do throws(Diagnostic) {
    _ = try Measurement(json: Array(text.utf8), file: "m.json")
    return nil
  } catch {
    return error
  }
}

@Suite struct MeasurementTests {
  @Test func filesThatINCWroteAreWrittenBackByteForByte() throws {
    for name in ["mlp", "mlp.all", "mlp.shape", "gaudi_decoder", "gaudi_decoder.all", "llama_g2"] {
      let text = try expectedText("\(name).json")
      #expect(try Measurement(path: expectedPath("\(name).json")).text == text, "\(name)")
    }
    for name in ["mlp", "gaudi_decoder"] {
      let measurement = try Measurement(path: expectedPath("\(name).json"))
      #expect(measurement.moduleListText == (try expectedText("\(name).mod_list.json")))
    }
  }

  /// The archives are INC's; `PickleTests` compares more of them with their JSON.
  @Test func archivesHoldWhatTheirTextSays() throws {
    let expected = try Measurement(path: expectedPath("llama_g2.whole.json"))
    #expect(try Measurement(path: expectedPath("llama_g2.whole.npz")) == expected)
    #expect(
      try Measurement(path: expectedPath("mlp.npz"))
        == Measurement(path: expectedPath("mlp.json")))
    #expect(throws: Diagnostic.self) {
      try Measurement(path: expectedPath("mlp.GAUDI2.MAXABS_HW.npz"))
    }
    let target = "\(TemporaryFolder.root)/fp8c-archive-\(getpid()).npz"
    defer { _ = unsafe unlink(target) }
    var file = try OutputFile(path: target)
    try file.write(expected.archive)
    try file.commit(sync: false)
    #expect(try Measurement(path: target) == expected)
  }

  @Test func olderKeysAndEveryLayoutOfNumbersAreRead() throws {
    let measurement = try read(
      #"""
      {"NumSamples": 3, "GlobalRank": null, "LocalRank": 1, "Mode": "DynamicRange", "Nodes": {
        "a": {"input": [[[NaN]], 2, [3, 4]], "output": [[[Infinity]]], "params": {"weight": [[1], [2]]}},
        "b": {"inputs": []}}}
      """#)
    #expect(measurement.sampleCount == 3 && measurement.globalRank == nil)
    #expect(measurement.localRank == 1 && measurement.nodes.map(\.name) == ["a", "b"])
    let node = try #require(measurement.nodes.first)
    #expect(node.inputs.count == 3 && node.inputs[0].maxAbs.isNaN)
    #expect(node.inputs[1] == RangeTable(2) && node.inputs[2].maxAbs == 4)
    #expect(node.outputs[0].maxAbs == .infinity)
    #expect(node.weight == RangeTable(channels: [1, 2]) && node.weight?.maxAbs == 2)
    #expect(measurement.text.contains("NaN") && measurement.text.contains("Infinity"))
    #expect(try read(measurement.text).nodes.map(\.name) == ["a", "b"])
  }

  @Test func wrongFilesAreRefusedByFileAndKey() {
    func head(_ nodes: String) -> String {
      #"{"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange", "Nodes": \#(nodes)}"#
    }
    let cases: [(String, String)] = [
      (head(#"{"fc1": {"inputs": 3}}"#), "'Nodes.fc1.inputs' is 3, expected an array"),
      (
        head(#"{"fc1": {"inputs": [[["x"]]]}}"#),
        "'Nodes.fc1.inputs[0][0][0]' is 'x', expected a number"
      ),
      (
        head(#"{"fc1": {"inputs": [[[-1.5]]]}}"#),
        "'Nodes.fc1.inputs[0][0][0]' is -1.5, expected a number that is not negative"
      ),
      (
        head(#"{"fc1": {"inputs": [[[1], [2, 3]]]}}"#),
        "'Nodes.fc1.inputs[0]' is an array, expected an array of equal rows"
      ),
      (
        head(#"{"fc1": {"inputs": [[]]}}"#),
        "'Nodes.fc1.inputs[0]' is an array, expected an array with a number"
      ),
      (head(#"{"fc1": {"inptus": []}}"#), "'Nodes.fc1': unknown key 'inptus'"),
      (head("[]"), "'Nodes' is an array, expected an object"),
      (#"{"Mode": "Scale", "Nodes": {}}"#, "holds scales, expected a measurement"),
      (#"{"Mode": "Range", "Nodes": {}}"#, "'Mode' is 'Range', which is not accepted"),
      (#"{"Mode": "Shape"}"#, "key 'Nodes' is missing"),
      ("[1]", "the text is an array, expected an object"),
      ("{", "line 1, column 2: found the end, expected a key in double quotes"),
    ]
    for (text, message) in cases {
      let failure = failure(text)
      #expect(failure?.message == message)
      #expect(failure?.status == .configuration && failure?.location.file == "m.json")
    }
  }

  @Test func ranksMergeToTheElementWiseMaximum() throws {
    let first = Measurement(
      localRank: 0,
      nodes: [
        MeasuredNode(
          name: "a", inputs: [RangeTable(1), RangeTable(5)], weight: RangeTable(channels: [1, 9])),
        MeasuredNode(name: "b", inputs: [RangeTable(.nan)]),
      ])
    let second = Measurement(
      localRank: 1,
      nodes: [
        MeasuredNode(name: "c", inputs: [RangeTable(7)]),
        MeasuredNode(name: "b", inputs: [RangeTable(3)]),
        MeasuredNode(
          name: "a", inputs: [RangeTable(2), RangeTable(4)], weight: RangeTable(channels: [3, 8])),
      ])
    let merged = try Measurement.merged([first, second], localRank: -1)
    #expect(merged.localRank == -1 && merged.nodes.map(\.name) == ["a", "b", "c"])
    #expect(merged.nodes[0].inputs.map(\.maxAbs) == [2, 5])
    #expect(merged.nodes[0].weight == RangeTable(channels: [3, 9]))
    #expect(merged.nodes[1].inputs[0].maxAbs.isNaN && merged.nodes[2].inputs[0].maxAbs == 7)
    let other = Measurement(nodes: [MeasuredNode(name: "a", inputs: [RangeTable(1)])])
    #expect(throws: Diagnostic.self) { try Measurement.merged([first, other], localRank: nil) }
  }

  /// inc-fp8.md section 5.7.
  @Test func attentionTakesTheRangesOfItsCaches() throws {
    var measurement = try Measurement(path: expectedPath("llama_g2.json"))
    let path = "model.layers.7.self_attn.attn.impl"
    func input(_ name: String, _ index: Int) -> Float? {
      measurement.nodes.first { $0.name == "\(path).\(name)" }?.inputs[index].maxAbs
    }
    #expect(measurement.alignCaches() == [])
    let index = try #require(measurement.nodes.firstIndex { $0.name == "\(path).k_cache" })
    measurement.nodes[index].inputs = [RangeTable(99)]
    #expect(measurement.alignCaches() == ["\(path).matmul_qk"])
    #expect(input("matmul_qk", 1) == 99)
  }

  /// inc-fp8.md section 5.1.
  @Test func filesAreNamedAsINCNamesThem() {
    let files = MeasurementFiles(
      prefix: "out/measure", observer: "maxabs", rank: Rank(rank: 0, worldSize: 8))
    #expect(files.json == "out/measure_hooks_maxabs_0_8.json")
    #expect(files.npz == "out/measure_hooks_maxabs_0_8.npz")
    #expect(files.moduleList == "out/measure_hooks_maxabs_0_8_mod_list.json")
    #expect(files.shapes == "out/measure_hooks_shape_0_8.json")
    #expect(files.scales(method: "maxabs_hw") == "out/measure_hooks_maxabs_MAXABS_HW_0_8.json")
    let single = MeasurementFiles(prefix: "stats", observer: "maxabs")
    #expect(single.json == "stats_hooks_maxabs.json" && single.folder == ".")
    #expect(single.provenance == "stats_hooks_maxabs_provenance.json")
    #expect(
      single.tensor(module: "/a/../b.c", port: "input", batch: 2)
        == "./tensors/%2fa%2f..%2fb.c.input.2.npy")
  }

  @Test func earlierFilesMoveAsideUnlessNothingChanges() throws {
    let folder = "\(TemporaryFolder.root)/fp8c-backup-\(getpid())"
    defer {
      for entry in ["a_hooks_x.json", "backup-1/a_hooks_x.json", "backup-1", "backup-3", "ab"] {
        _ = unsafe remove("\(folder)/\(entry)")
      }; _ = unsafe rmdir(folder)
    }
    func write(_ name: String, _ text: String) throws {
      var file = try OutputFile(path: "\(folder)/\(name)", createFolders: true)
      try file.write(text)
      try file.commit()
    }
    let files = MeasurementFiles(prefix: "\(folder)/a", observer: "x")
    #expect(try files.backUp(before: [(files.json, [1])]) == nil)
    try write("a_hooks_x.json", "one")
    try write("ab", "another run's")
    #expect(try files.backUp(before: [(files.json, Array("one".utf8))]) == nil)
    #expect(try files.backUp(before: [(files.json, Array("two".utf8))]) == "\(folder)/backup-1")
    #expect(try Folder.entries(of: folder) == ["ab", "backup-1"])
    #expect(try Folder.entries(of: "\(folder)/backup-1") == ["a_hooks_x.json"])
    try write("a_hooks_x.json", "two")
    try OutputFile.createFolder("\(folder)/backup-2")
    #expect(try files.backUp(before: [(files.json, [])]) == "\(folder)/backup-3")
    for entry in ["backup-3/a_hooks_x.json", "backup-2"] { _ = unsafe remove("\(folder)/\(entry)") }
  }
}

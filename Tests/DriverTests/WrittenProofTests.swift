import IR
import Support
import TestSupport
import Testing

@testable import Driver

/// What is written is proved to be the source before it has its name; the faults are planted by hand.
@Suite struct WrittenProofTests {
  /// Lowers the model of digits, changes what is about to be written, and says what the proof finds.
  private func fault(_ change: (inout Model) -> Void) throws -> String? {
    let folder = try TemporaryFolder()
    var options = Options()
    options.model = goldenPath("digits/digits_cnn.ts.onnx")
    options.output = folder["out.onnx"]
    options.scaleMethod = "unit_scale"
    let compiler = Compiler(options: options, console: Console(MessageOptions(isQuiet: true)))
    let (configuration, _) = try options.configuration(environment: { _ in nil })
    var lowered = try compiler.lower(configuration, nil, MeasuredJust())
    change(&lowered.model)
    let path = folder["written.onnx"]
    _ = try compiler.writeModel(lowered.model, lowered.store, to: path) { _ in }
    do throws(Diagnostic) {
      return try compiler.prove(
        WrittenModel(path: path, data: nil), of: lowered, as: folder["out.onnx"])?.message
    } catch {
      #expect(error.status == .internalError)
      return error.message
    }
  }

  @Test func `what lowering made is proved`() throws {
    #expect(try fault { _ in } == nil)
  }

  @Test func `a node that was dropped is found`() throws {
    let found = try fault { model in
      let relu = model.graph.nodeIDs.first { model.graph[$0].op == "Relu" }
      guard let relu, let input = model.graph[relu].input(0),
        let output = model.graph[relu].outputs[0]
      else { return }
      model.graph.replaceUses(of: output, with: input)
      model.graph.removeNode(relu)
    }
    #expect(found?.contains("(Conv) reads the result of Conv") == true, "\(found ?? "nothing")")
    #expect(found?.contains("expected that of Relu") == true)
  }

  @Test func `a scale that is not the one of the codes is found`() throws {
    let found = try fault { model in
      // The codes of one weight are made at twice the scale that the graph takes off.
      for id in model.graph.weights {
        guard var weight = model.graph[id].weight, let last = weight.recipe.last,
          case .quantize(let known) = last
        else { continue }
        weight.recipe[weight.recipe.count - 1] = .quantize(
          Quantization(
            element: known.element, scale: .perTensor(2), fullscale: known.fullscale, via: known.via
          ))
        model.graph.setWeight(id, to: weight)
        break
      }
    }
    #expect(
      found?.hasSuffix("reads a value times 0.5, expected 1.0") == true, "\(found ?? "nothing")")
  }

  @Test func `what cannot be read again is no fault of the model`() throws {
    let folder = try TemporaryFolder()
    var options = Options()
    options.model = goldenPath("digits/digits_cnn.ts.onnx")
    options.scaleMethod = "unit_scale"
    let compiler = Compiler(options: options, console: Console(MessageOptions(isQuiet: true)))
    let (configuration, _) = try options.configuration(environment: { _ in nil })
    let lowered = try compiler.lower(configuration, nil, MeasuredJust())
    do throws(Diagnostic) {
      _ = try compiler.prove(
        WrittenModel(path: folder["nothing"], data: nil), of: lowered, as: "out.onnx")
      Issue.record("nothing was read again")
    } catch {
      #expect(error.id == "cannot-read-back")
      #expect(error.status == .inputOutput)
      #expect(
        error.text.hasPrefix("error: out.onnx: what was written cannot be opened: "),
        "\(error.text)")
    }
  }

  @Test func `very many nodes are left, and that is said`() throws {
    let folder = try TemporaryFolder()
    let names = ["h"] + (0...20_000).map { "r\($0)" }
    let relus = zip(names, names.dropFirst()).map { Wire.node("Relu", [$0], [$1]) }
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], ["h"])] + relus,
        initializers: [Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16))],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("r20000", [2, 2])]))
    try folder.write("m.onnx", model.bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale"], in: folder.path)
    #expect(result.status == 0)
    #expect(
      result.lines.contains {
        $0.hasPrefix(
          "remark: out.onnx: a model of more than 20000 nodes is not proved to be the source's")
      }, "\(result.errors)")
  }

  @Test(
    arguments: [
      "bound/llama_tiny.dynamo.onnx", "modules/attention_cat.ts.onnx",
      "architectures/kv_tensor_scatter_op24.onnx", "modules/fused_sdpa.dynamo23.onnx",
    ], [["--fp8-kv-cache"], ["--fp8-kv-cache", "--qdq"], ["--allow-type", "ModuleFusedSDPA"]])
  func `caches as codes and attention as one operator are proved at a scale that is not one`(
    _ model: String, _ flags: [String]
  ) throws {
    let folder = try TemporaryFolder()
    // The method's scale is the same for all tensors, so nothing has to be measured.
    let result = try Command(
      [
        "quantize", goldenPath(model), "-o", "out.onnx", "--scale-method",
        "hw_aligned_single_scale",
      ] + flags, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    #expect(!result.errors.contains("not proved"))
    let proof = try Command(["verify", goldenPath(model), "out.onnx"], in: folder.path)
    #expect(proof.status == 0, "\(proof.errors)")
  }

  @Test func `what cannot be compared is said, and is no proof`() throws {
    let folder = try TemporaryFolder()
    let model = Wire.model(
      Wire.graph(
        nodes: [
          Wire.node("MatMul", ["x", "w"], ["h"]), Wire.node("Mul", ["h", "i"], ["s"]),
          Wire.node("Relu", ["s"], ["y"]),
        ],
        initializers: [
          Wire.tensor("w", [2, 2]).data(9, [UInt8](repeating: 0, count: 16)),
          Wire.tensor("i", []).data(9, [0, 0, 0x80, 0x7F]),
        ],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("y", [2, 2])]))
    try folder.write("m.onnx", model.bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale"], in: folder.path)
    let reason = "node 'n' (Relu) reads a value times a constant that is not finite"
    #expect(result.status == 0 && result.errors.contains(reason), "\(result.errors)")
    let proof = try Command(["verify", "m.onnx", "out.onnx"], in: folder.path)
    #expect(proof.status == 1 && proof.errors.contains(reason), "\(proof.errors)")
    #expect(proof.errors.contains("[not-compared]"), "\(proof.errors)")
  }

  @Test(arguments: [[], ["--qdq"]])
  func `a target of one's own may saturate elsewhere`(_ flags: [String]) throws {
    let folder = try TemporaryFolder()
    let generic = try Command(["targets", "generic"]).output
    try folder.write(
      "own.json",
      Array(
        generic.replacing("\"generic\"", with: "\"own\"").replacing(
          "ai.fp8c.generic", with: "org.own"
        )
        .replacing("\"fullscale\": 448", with: "\"fullscale\": 112").utf8))
    let model = goldenPath("digits/digits_cnn.ts.onnx")
    let result = try Command(
      ["quantize", model, "-o", "out.onnx", "--scale-method", "unit_scale", "--target", "own.json"]
        + flags, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    let proof = try Command(["verify", model, "out.onnx"], in: folder.path)
    // Operators of the target say where they saturate, those of the standard do not.
    #expect(proof.status == (flags.isEmpty ? 0 : 1), "\(proof.errors)")
    let told = try Command(["verify", model, "out.onnx", "--target", "own.json"], in: folder.path)
    #expect(told.status == 0, "\(told.errors)")
    let unknown = try Command(
      ["verify", model, "out.onnx", "--target", "no.json"], in: folder.path)
    #expect(unknown.status == 66 && unknown.errors.contains("no.json"), "\(unknown.errors)")
  }

  @Test func `what the target has no operator for is left, and said to be`() throws {
    let folder = try TemporaryFolder()
    let generic = try Command(["targets", "generic"]).output
    let kernel =
      "{\"module\": \"conv2d\", \"op\": \"Fp8Conv\", \"perChannelWeights\": true, \"padding\": \"any\"},"
    #expect(generic.contains(kernel))
    try folder.write("own.json", Array(generic.replacing(kernel, with: "").utf8))
    let result = try Command(
      [
        "quantize", goldenPath("digits/digits_cnn.ts.onnx"), "-o", "out.onnx", "--scale-method",
        "unit_scale", "--target", "own.json",
      ], in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    // Of the five modules three are convolutions.
    #expect(result.errors.contains("out.onnx: 2 modules in FP8, 3 left"), "\(result.errors)")
    #expect(try folder.text("out.scales.json").contains("has no operator for its kind"))
    let inspected = try Command(
      ["inspect", goldenPath("digits/digits_cnn.ts.onnx"), "--target", "own.json", "--table"],
      in: folder.path)
    let rows = inspected.output.split(separator: "\n")
    #expect(rows.filter { $0.hasPrefix("features.") }.count == 3, "\(inspected.output)")
    #expect(
      rows.filter { $0.hasPrefix("features.") }.allSatisfy {
        $0.hasSuffix("target 'generic' has no operator for its kind")
      }, "\(inspected.output)")
  }
}

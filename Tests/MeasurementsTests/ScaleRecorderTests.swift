import FP8
import Measurements
import Support
import Targets
import Testing

@Suite struct ScaleRecorderTests {
  @Test func scalesOfRealDevicesAreReproducedByteForByte() throws {
    for name in ["llama_g2", "llama_g3", "mixtral_g2_0", "mixtral_g2_1"] {
      let measurement = try Measurement(path: expectedPath("\(name).json"))
      let recorder = try recorder(method: "MAXABS_HW", gaudi3: name.hasSuffix("g3"))
      let (file, warnings) = try recorder.scales(of: measurement)
      #expect(try text(of: file) == (try expectedText("\(name).scales.json")), "\(name)")
      #expect(warnings.allSatisfy { $0.severity == .warning })
    }
  }

  @Test func scalesOfEveryKindAreINCsByteForByte() throws {
    let methods = [
      "MAXABS_HW", "MAXABS_POW2", "UNIT_SCALE", "HW_ALIGNED_SINGLE_SCALE", "MAXABS_ARBITRARY",
    ]
    for model in ["mlp", "gaudi_decoder"] {
      let measurement = try Measurement(path: expectedPath("\(model).json"))
      for method in methods {
        for device in ["GAUDI2", "GAUDI3"] {
          // The expected files come from a CPU, which divides: for unrounded scales that is exact.
          let recorder = try recorder(
            method: method, gaudi3: device == "GAUDI3",
            arithmetic: method == "MAXABS_ARBITRARY" ? .exact : .device)
          let (file, warnings) = try recorder.scales(of: measurement)
          #expect(
            try text(of: file) == (try expectedText("\(model).\(device).\(method).json")),
            "\(model) \(device) \(method)")
          #expect(warnings.isEmpty)
        }
      }
    }
  }

  @Test func measuredOutputsDoNotChangeWhatARecordIs() throws {
    let plain = try Measurement(path: expectedPath("gaudi_decoder.json"))
    let all = try Measurement(path: expectedPath("gaudi_decoder.all.json"))
    let recorder = try recorder(method: "MAXABS_HW", gaudi3: false)
    #expect(try recorder.scales(of: all).file == recorder.scales(of: plain).file)
  }

  @Test func scalesOfWeightsMayComeFromTheirBytes() throws {
    let measurement = try Measurement(path: expectedPath("mlp.json"))
    let recorder = try recorder(method: "MAXABS_HW", gaudi3: false)
    for (method, shapes) in [
      ("MAXABS_HW_OPT_WEIGHT", ["fc1": (0, 0), "fc2": (0, 0)]),
      ("ACT_MAXABS_HW_WEIGHTS_PCS_MAXABS_POW2", ["fc1": (64, 32), "fc2": (10, 64)]),
    ] {
      // Both weights have one scale for all channels in these files.
      let scale: Float = method.contains("PCS") ? 0x1p-9 : 0x1p-8
      let weights = shapes.mapValues { shape in
        shape.0 == 0
          ? RecordedScale.list([scale])
          : .channels(Array(repeating: scale, count: shape.0), inputs: shape.1)
      }
      let file = try recorder.scales(of: measurement, weights: weights).file
      #expect(try text(of: file) == (try expectedText("mlp.GAUDI2.\(method).json")), "\(method)")
    }
  }

  /// A block product's second operand has the range of its output (inc-fp8.md section 3.1).
  @Test func blockProductsTakeTheirOutputsRange() throws {
    let recorder = try recorder(method: "MAXABS_HW", gaudi3: false)
    let measured = Measurement(nodes: [
      MeasuredNode(
        name: "attn.batch2block_matmul", inputs: [RangeTable(1), RangeTable(0.1)],
        outputs: [RangeTable(100)])
    ])
    let record = try recorder.scales(of: measured).file.records[0]
    #expect(record.inputs == [0.0625, 16] && record.outputs == [.scalar(1)])
    let without = Measurement(nodes: [
      MeasuredNode(name: "attn.batch2block_matmul", inputs: [RangeTable(1), RangeTable(0.1)])
    ])
    let (file, warnings) = try recorder.scales(of: without)
    #expect(file.records[0].inputs == [0.0625, 0x1p-8] && warnings.count == 1)
  }

  @Test func rangesWithoutAScaleAreNamed() throws {
    func scales(_ nodes: [MeasuredNode], method: String = "MAXABS_POW2") throws -> [Diagnostic] {
      try recorder(method: method, gaudi3: false).scales(of: Measurement(nodes: nodes)).warnings
    }
    func failure(_ node: MeasuredNode) -> String? {
      do {
        _ = try scales([node])
        return nil
      } catch {
        return (error as? Diagnostic)?.message
      }
    }
    let zero = try scales([MeasuredNode(name: "k", inputs: [RangeTable(0)])])
    #expect(zero.map(\.message) == ["the range of 'k input 0' is zero: scale 1"])
    #expect(
      failure(MeasuredNode(name: "k", inputs: [RangeTable(.infinity)]))
        == "range of input 0 of module 'k' is inf, expected a number with a scale")
    #expect(
      failure(MeasuredNode(name: "k"))
        == "module 'k' has 0 inputs, 0 outputs and no weight, which fits no kind of module")
    let softmax = MeasuredNode(name: "s", inputs: [RangeTable(1)])
    #expect(throws: Diagnostic.self) {
      try recorder(method: "MAXABS_HW", gaudi3: false).scales(
        of: Measurement(nodes: [softmax]), kinds: ["s": .softmax])
    }
  }

  @Test func activationsPerChannelAreRefused() throws {
    let limits = try FormatLimits(encoding: .e4m3, fullscale: 240, alignedScales: [])
    let perChannel = ScaleChoice(granularity: .perChannel, rounding: .pow2)
    #expect(throws: Diagnostic.self) {
      try ScaleRecorder(
        plan: MethodPlan(
          ScaleMethod(name: "maxabs_pcs_pow2", weight: perChannel, activation: perChannel)),
        limits: limits, arithmetic: .device, precision: .bf16)
    }
  }

  private func text(of file: ScaleFile) throws -> String {
    var sink = MemorySink()
    try file.write(to: &sink)
    return String(decoding: sink.bytes, as: UTF8.self)
  }
}

import FoundationEssentials
import Support
import TestSupport
import Testing

/// INC's object form of `scale_method`, from the configuration to the table.
@Suite struct MethodObjectTests {
  /// A product whose weight has a column of numbers near 1 and one 4096 times as large.
  private static let model: [UInt8] = {
    let numbers: [Float] = [1.1, 4505.6, -0.7, -2867.2, 0.33, 1351.68, 0.9, 3686.4]
    let weight = Wire.tensor("fc.weight", [4, 2]).data(
      9, numbers.flatMap { value in (0..<4).map { UInt8(value.bitPattern >> ($0 * 8) & 255) } })
    let graph = Wire.graph(
      nodes: [Wire.node("MatMul", ["x", "fc.weight"], ["y"])], initializers: [weight],
      inputs: [Wire.value("x", [3, 4])], outputs: [Wire.value("y", [3, 2])])
    return Wire.model(graph).bytes
  }()

  private static let measurement = Array(
    #"{"GlobalRank": null, "LocalRank": null, "Mode": "DynamicRange", "Nodes": {"fc": {"inputs": [[[3.0]]]}}}"#
      .utf8)

  /// The scales of the input and of the weight.
  private func scales(_ method: String) throws -> [Double] {
    let folder = try TemporaryFolder()
    let model = try folder.write("m.onnx", Self.model)
    _ = try folder.write("s_hooks_maxabs.json", Self.measurement)
    let configuration = try folder.write(
      "c.json", Array(#"{"hp_dtype": "BF16", "scale_method": \#(method)}"#.utf8))
    let result = try Command([
      "quantize", model, "-o", folder["o.onnx"], "--config", configuration, "--dump-stats-path",
      folder["s"],
    ])
    #expect(result.status == 0, "\(result.errors)")
    let table = JSONReader(try JSON.parse(folder.contents("o.scales.json"), file: nil))
    let ports = try table.member("modules").items()[0].member("ports").items()
    return try ports.prefix(2).map { try $0.member("scale").double() }
  }

  private func search(_ params: String) -> String {
    #"""
    {"default": {"weight": {"scale_value_type": "OPT", "rounding_method": "POW2", "params": {\#(params)}},
                 "activation": {"rounding_method": "POW2", "backoff": 0.5}}}
    """#
  }

  @Test func `a search may listen to every channel alike`() throws {
    // Squared errors are those of the large column under 32, 64 … 512, and of equals the last is taken.
    // 16 clips its largest number, and under 512 the small column is subnormal. 3 over 120 is 2^-5.3.
    #expect(try scales(search("")) == [0x1p-5, 512])
    #expect(try scales(search(#""objective": "relative-per-channel""#)) == [0x1p-5, 32])
    #expect(
      try scales(search(#""weight_scales": [0.5, 64, 128], "objective": "relative-per-channel""#))
        == [0x1p-5, 64])
  }

  @Test func `modules have methods of their own`() throws {
    let unit = #"{"scale_value_type": "FIXED_VALUE", "rounding_method": "SCALE_UNIT"}"#
    let base = #"{"rounding_method": "POW2", "backoff": 0.5}"#
    for key in [#""nodes": {"fc""#, #""layer_types": {"Linear""#] {
      let method = #"""
        {"default": {"weight": \#(base), "activation": \#(base)},
         \#(key): {"weight": \#(unit), "activation": \#(unit)}}}
        """#
      #expect(try scales(method) == [1, 1])
    }
    // 4505.6 over 120 is 37.5.
    #expect(
      try scales(#"{"default": {"weight": \#(base), "activation": \#(base)}}"#) == [0x1p-5, 64])
  }
}

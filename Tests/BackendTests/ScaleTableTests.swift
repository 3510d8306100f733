import Backend
import FP8
import IR
import Support
import Targets
import TestSupport
import Testing

@Suite struct ScaleTableTests {
  @Test func `the table is laid out as documented`() throws {
    let text = String(decoding: try written(table()), as: UTF8.self)
    #expect(
      text == """
        {
          "format_version": 1,
          "tool": {
            "name": "fp8c",
            "version": "9.8"
          },
          "model_sha256": "aa",
          "config_sha256": "bb",
          "measurement_sha256": null,
          "target": "gaudi2",
          "fp8_config": "E4M3",
          "form": "qdq",
          "scale_method": "maxabs_hw",
          "weight_bytes": {
            "source": 32,
            "output": 20
          },
          "modules": [
            {
              "path": "fc",
              "kind": "linear",
              "type": "Linear",
              "nodes": [
                "/fc/Gemm",
                "h"
              ],
              "evidence": "weight-name",
              "ports": [
                {
                  "port": "input",
                  "role": "activation",
                  "value": "x",
                  "maxabs": 6.5,
                  "scale": 0.0625,
                  "inverse_scale": 16.0,
                  "granularity": "per-tensor",
                  "exponent_bias": 11
                },
                {
                  "port": "weight",
                  "role": "weight",
                  "value": "w",
                  "maxabs": [
                    0.1,
                    0.75
                  ],
                  "scale": [
                    0.25,
                    0.5
                  ],
                  "inverse_scale": [
                    4.0,
                    2.0
                  ],
                  "granularity": "per-channel",
                  "channel_axis": 1,
                  "elements": 4,
                  "clipped_fraction": 0.25,
                  "flushed_fraction": 0.5,
                  "mean_squared_error": 0.125
                },
                {
                  "port": "bias",
                  "role": "unquantized",
                  "value": "b",
                  "maxabs": null
                },
                {
                  "port": "output",
                  "role": "output",
                  "value": "h",
                  "maxabs": 3.0,
                  "scale": 0.3,
                  "inverse_scale": 3.3333333,
                  "granularity": "per-tensor"
                }
              ]
            }
          ],
          "left": [
            {
              "path": "head",
              "kind": "linear",
              "type": "Linear",
              "node": "/head/MatMul",
              "reason": "the path matches 'head' of the blocklist"
            }
          ]
        }

        """)
  }

  @Test func `keys are those of the schema`() throws {
    let file = try #require(EmbeddedFile.all.first { $0.path == "scale-table.schema.json" })
    let schema = JSONReader(try JSON.parse(file.bytes, file: file.path))
    let table = JSONReader(try JSON.parse(written(table())))
    try check(table, against: schema)
    let module = try table.member("modules").items()[0]
    try check(module, against: schema.member("$defs").member("module"))
    for port in try module.member("ports").items() {
      try check(port, against: schema.member("$defs").member("port"))
    }
  }

  @Test func `a table is read as it was written`() throws {
    let read = try ScaleTableFile(written(table()), file: "t.json")
    #expect(read.format == .e4m3 && read.target == "gaudi2" && read.method == "maxabs_hw")
    #expect(read.weightBytes == (32, 20))
    let ports = try #require(read.modules.first).ports
    #expect(ports.map(\.name) == ["input", "weight", "bias", "output"])
    #expect(
      ports.map(\.scale) == [
        .perTensor(0.0625), .perChannel([0.25, 0.5], axis: 1), nil, .perTensor(0.3),
      ])
    #expect(ports[1].loss?.elements == 4 && ports[1].loss?.meanSquaredError == 0.125)
    #expect(read.left.map(\.path) == ["head"])
  }

  @Test(arguments: [
    (#""format_version": 1"#, #""format_version": 2"#, "'format_version' is 2"),
    (#""E4M3""#, #""E3M4""#, "'fp8_config' is 'E3M4'"),
    (#""scale": 0.0625"#, #""scale": 0"#, "expected scales above zero"),
    (#""role": "output""#, #""role": "out""#, "role' is 'out'"),
  ])
  func `a table that is none is refused`(old: String, new: String, message: String) throws {
    let text = String(decoding: try written(table()), as: UTF8.self)
    let broken = Array(text.replacing(old, with: new).utf8)
    let error = #expect(throws: Diagnostic.self) {
      try ScaleTableFile(broken, file: "t.json")
    }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  /// Every key is one of the schema's, in its order, and no required one is missing.
  private func check(_ value: JSONReader, against schema: JSONReader) throws {
    let known = try schema.member("properties").members().map(\.key)
    let found = try value.members().map(\.key)
    #expect(found == known.filter { found.contains($0) })
    for item in try schema.member("required").items() {
      #expect(try found.contains(item.string()))
    }
  }

  private func written(_ table: ScaleTable) throws -> [UInt8] {
    var sink = MemorySink()
    try table.write(to: &sink)
    return sink.bytes
  }

  private func table() throws -> ScaleTable {
    var graph = Graph(name: "g")
    let x = graph.addInput("x", nil)
    let source = Weight.Source.literal([UInt8](repeating: 0, count: 16), encoding: .raw)
    let stored = Weight(stored: TensorType(.float32, sizes: [2, 2]), source: source)
    let w = graph.addWeight("w", stored)
    let b = graph.addWeight(
      "b", Weight(stored: TensorType(.float32, sizes: [4]), source: source))
    let first = graph.addNode(
      Node(name: "new", op: "Gemm", inputs: [x, w, b], outputs: [], origin: "/fc/Gemm"),
      results: [("g", nil)])
    let g = try #require(graph[first].outputs[0])
    let second = graph.addNode(
      Node(op: "Relu", inputs: [g], outputs: []), results: [("h", nil)])
    let h = try #require(graph[second].outputs[0])
    graph.addModule(
      QuantizedModule(
        kind: "linear", type: "Linear", path: "fc", evidence: .weightName,
        ports: [
          Port("input", .activation, x, maxAbs: [6.5], scale: .perTensor(0.0625)),
          Port(
            "weight", .weight, w, channelAxis: 1, maxAbs: [0.1, 0.75],
            scale: .perChannel([0.25, 0.5], axis: 1)),
          Port("bias", .unquantized, b),
          Port("output", .output, h, maxAbs: [3], scale: .perTensor(0.3)),
        ], nodes: [first, second], result: h))
    var loss = QuantizationLoss()
    (loss.elements, loss.clipped, loss.flushed, loss.errors[3]) = (4, 1, 2, 0.5)
    return ScaleTable(
      ScaleTable.Header(
        toolVersion: "9.8", modelDigest: "aa", configurationDigest: "bb", measurementDigest: nil,
        target: "gaudi2", format: "E4M3", method: "maxabs_hw", form: "qdq", weightBytes: (32, 20)),
      model: Model(graph: graph), losses: [stored: loss],
      // Gaudi2's aligned scales; E4M3's exponent bias is 7, so 2^-4 is a bias of 11.
      limits: try FormatLimits(
        encoding: .e4m3, fullscale: 240, alignedScales: [16, 1, 0.0625, 0.00390625]),
      left: [
        ScaleTable.LeftModule(
          path: "head", kind: "linear", type: "Linear", node: "/head/MatMul",
          reason: "the path matches 'head' of the blocklist")
      ])
  }
}

package import FP8
package import IR
package import Support

/// The scales of a quantized model for people and tools, read off the graph that was written.
package struct ScaleTable {
  /// What the table's header says beside the modules.
  package struct Header: Sendable {
    package var toolVersion: String
    package var modelDigest: String
    package var configurationDigest: String
    package var measurementDigest: String?
    package var target: String
    /// E4M3 or E5M2, as `fp8_config` has it.
    package var format: String
    package var method: String
    package var form: String
    /// The bytes of all weights before and after.
    package var weightBytes: (source: Int64, output: Int64)

    package init(
      toolVersion: String, modelDigest: String, configurationDigest: String,
      measurementDigest: String?, target: String, format: String, method: String, form: String,
      weightBytes: (source: Int64, output: Int64)
    ) {
      self.toolVersion = toolVersion
      self.modelDigest = modelDigest
      self.configurationDigest = configurationDigest
      self.measurementDigest = measurementDigest
      self.target = target
      self.format = format
      self.method = method
      self.form = form
      self.weightBytes = weightBytes
    }
  }

  /// The version of the table's layout, `schemas/scale-table.schema.json`.
  static let formatVersion = 1

  private let header: Header
  private let modules: [PlacedModule]
  private let losses: [Weight: QuantizationLoss]
  private let limits: FormatLimits
  private let left: [LeftModule]

  /// What could have been a module and stays in high precision.
  package struct LeftModule: Equatable, Sendable {
    package var path: String
    package var kind: String
    package var type: String
    package var node: String
    package var reason: String

    package init(path: String, kind: String, type: String, node: String, reason: String) {
      self.path = path
      self.kind = kind
      self.type = type
      self.node = node
      self.reason = reason
    }
  }

  package init(
    _ header: Header, model: Model, losses: [Weight: QuantizationLoss], limits: FormatLimits,
    left: [LeftModule]
  ) {
    self.header = header
    self.left = left
    modules = model.placedModules
    self.losses = losses
    self.limits = limits
  }

  /// Writes the table module by module: the scales of channels can be more than memory should hold twice.
  package func write<Sink: ByteSink & ~Copyable>(to sink: inout Sink) throws(Diagnostic) {
    var writer = JSONWriter(indent: 2)
    writer.beginObject()
    for (key, value) in head {
      writer.key(key)
      writer.value(value)
    }
    writer.key("modules")
    writer.beginArray()
    for placed in modules {
      writer.value(module(placed))
      try writer.drain(into: &sink)
    }
    writer.endArray()
    writer.key("left")
    writer.beginArray()
    for item in left {
      writer.value(
        .object([
          "path": .string(item.path), "kind": .string(item.kind), "type": .string(item.type),
          "node": .string(item.node), "reason": .string(item.reason),
        ]))
      try writer.drain(into: &sink)
    }
    writer.endArray()
    writer.endObject()
    try writer.finish(into: &sink)
    try sink.write([0x0A])
  }

  /// What stands before the modules.
  private var head: KeyValuePairs<String, JSON> {
    [
      "format_version": .number(ScaleTable.formatVersion),
      "tool": .object(["name": .string("fp8c"), "version": .string(header.toolVersion)]),
      "model_sha256": .string(header.modelDigest),
      "config_sha256": .string(header.configurationDigest),
      "measurement_sha256": header.measurementDigest.map { .string($0) } ?? .null,
      "target": .string(header.target),
      "fp8_config": .string(header.format),
      "form": .string(header.form),
      "scale_method": .string(header.method),
      "weight_bytes": .object([
        "source": .number(Int(header.weightBytes.source)),
        "output": .number(Int(header.weightBytes.output)),
      ]),
    ]
  }

  private func module(_ placed: PlacedModule) -> JSON {
    let module = placed.module
    return .object([
      "path": .string(module.path),
      "kind": .string(module.kind),
      "type": .string(module.type),
      "nodes": .array(module.nodes.map { .string(placed.graph.label(of: $0)) }),
      "evidence": .string(module.evidence.rawValue),
      "ports": .array(module.ports.map { port($0, of: placed) }),
    ])
  }

  private func port(_ port: Port, of placed: PlacedModule) -> JSON {
    var members = [
      JSON.Member("port", .string(port.name)),
      JSON.Member("role", .string(port.role.rawValue)),
      JSON.Member("value", port.value.map { .string(placed.graph[$0].name) } ?? .null),
      JSON.Member("maxabs", port.maxAbs.map(list) ?? .null),
    ]
    guard let scale = port.scale else { return .object(members) }
    if case .dynamic(let axis) = scale {
      members.append(JSON.Member("dynamic", .bool(true)))
      members.append(
        JSON.Member("granularity", .string(axis == nil ? "per-tensor" : "per-channel")))
      if let axis { members.append(JSON.Member("reduced_axis", .number(axis))) }
      return .object(members)
    }
    members.append(JSON.Member("scale", list(scale.values)))
    members.append(JSON.Member("inverse_scale", list(scale.values.map { 1 / $0 })))
    members.append(
      JSON.Member("granularity", .string(scale.axis == nil ? "per-tensor" : "per-channel")))
    if let axis = scale.axis { members.append(JSON.Member("channel_axis", .number(axis))) }
    if case .perTensor(let value) = scale, limits.alignedScales.contains(value) {
      members.append(
        JSON.Member("exponent_bias", .number(limits.encoding.bias - Int(value.exponent))))
    }
    if let weight = placed.weight(of: port), let loss = losses[weight], loss.elements > 0 {
      let count = Double(loss.elements)
      members.append(JSON.Member("elements", .number(loss.elements)))
      members.append(JSON.Member("clipped_fraction", .number(Double(loss.clipped) / count)))
      members.append(JSON.Member("flushed_fraction", .number(Double(loss.flushed) / count)))
      members.append(JSON.Member("mean_squared_error", .number(loss.error / count)))
    }
    return .object(members)
  }

  /// One number where there is one, else a list; a float32 as the shortest text that is it.
  private func list(_ values: [Float]) -> JSON {
    let numbers = values.map { JSON.number($0) }
    return numbers.count == 1 ? numbers[0] : .array(numbers)
  }
}

package import FP8
package import IR
package import Support

/// A scale table as it was read from a file, for what explains or checks a written model.
package struct ScaleTableFile: Sendable {
  package struct Module: Sendable {
    package var path: String
    package var kind: String
    package var type: String
    package var ports: [Port]
  }

  package struct Port: Sendable {
    package var name: String
    package var role: IR.Port.Role
    /// The value's name in the source model.
    package var value: String?
    package var maxAbs: [Float]?
    package var scale: Scale?
    package var loss: Loss?
  }

  /// What a weight lost by its codes.
  package struct Loss: Sendable {
    package var elements: Int
    package var clippedFraction: Double
    package var flushedFraction: Double
    package var meanSquaredError: Double
  }

  package let file: String
  package let toolVersion: String
  package let modelDigest: String
  package let target: String
  package let format: FP8Format
  package let form: String
  package let method: String
  package let weightBytes: (source: Int64, output: Int64)
  package let modules: [Module]
  package let left: [ScaleTable.LeftModule]

  /// True where scales are computed when the model runs.
  package var hasDynamicScales: Bool {
    modules.contains { module in
      module.ports.contains { if case .dynamic = $0.scale { true } else { false } }
    }
  }

  /// Reads the text of a table; errors name the key.
  package init(_ bytes: [UInt8], file: String) throws(Diagnostic) {
    let root = JSONReader(try JSON.parse(bytes, file: file), file: file)
    let version = try root.member("format_version")
    guard try version.integer() == ScaleTable.formatVersion else {
      throw version.notOneOf(["\(ScaleTable.formatVersion)"])
    }
    self.file = file
    toolVersion = try root.member("tool").member("version").string()
    modelDigest = try root.member("model_sha256").string()
    target = try root.member("target").string()
    let format = try root.member("fp8_config")
    guard let known = FP8Format(rawValue: try format.string().lowercased()) else {
      throw format.notOneOf(FP8Format.allCases.map { $0.rawValue.uppercased() })
    }
    self.format = known
    form = try root.member("form").string()
    method = try root.member("scale_method").string()
    let sizes = try root.member("weight_bytes")
    weightBytes = (
      Int64(try sizes.member("source").integer()), Int64(try sizes.member("output").integer())
    )
    var modules: [Module] = []
    for item in try root.member("modules").items() { modules.append(try Module(item)) }
    self.modules = modules
    var left: [ScaleTable.LeftModule] = []
    for item in try root.member("left").items() {
      left.append(
        ScaleTable.LeftModule(
          path: try item.member("path").string(), kind: try item.member("kind").string(),
          type: try item.member("type").string(), node: try item.member("node").string(),
          reason: try item.member("reason").string()))
    }
    self.left = left
  }
}

extension ScaleTableFile.Module {
  fileprivate init(_ reader: JSONReader) throws(Diagnostic) {
    path = try reader.member("path").string()
    kind = try reader.member("kind").string()
    type = try reader.member("type").string()
    ports = []
    for item in try reader.member("ports").items() {
      ports.append(try ScaleTableFile.Port(item))
    }
  }
}

extension ScaleTableFile.Port {
  fileprivate init(_ reader: JSONReader) throws(Diagnostic) {
    name = try reader.member("port").string()
    role = try reader.member("role").choice(of: IR.Port.Role.self)
    let value = try reader.member("value")
    self.value = value.isNull ? nil : try value.string()
    maxAbs = try ScaleTableFile.Port.numbers(try reader.member("maxabs"))
    if let dynamic = try reader.optional("dynamic"), try dynamic.bool() {
      scale = .dynamic(reducing: try reader.optional("reduced_axis")?.integer())
    } else if let item = try reader.optional("scale"),
      let numbers = try ScaleTableFile.Port.numbers(item)
    {
      guard !numbers.isEmpty, numbers.allSatisfy({ $0 > 0 && $0.isFinite }) else {
        throw item.wrongType("scales above zero")
      }
      if let axis = try reader.optional("channel_axis")?.integer() {
        scale = .perChannel(numbers, axis: axis)
      } else {
        scale = .perTensor(numbers[0])
      }
    }
    guard let elements = try reader.optional("elements")?.integer() else { return }
    loss = ScaleTableFile.Loss(
      elements: elements,
      clippedFraction: try reader.member("clipped_fraction").double(),
      flushedFraction: try reader.member("flushed_fraction").double(),
      meanSquaredError: try reader.member("mean_squared_error").double())
  }

  /// One number or a list of them; `nil` for null.
  private static func numbers(_ reader: JSONReader) throws(Diagnostic) -> [Float]? {
    if reader.isNull { return nil }
    if case .array = reader.value {
      var numbers: [Float] = []
      for item in try reader.items() { numbers.append(Float(try item.double())) }
      return numbers
    }
    return [Float(try reader.double())]
  }
}

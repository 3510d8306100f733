package import Support

extension ScaleFile {
  /// The scales of weights in INC's scale file, by module.
  package static func weights(
    inFile path: String
  ) throws(Diagnostic) -> [String: RecordedScale] {
    let bytes = try InputFile.contents(of: path, limit: Measurement.sizeLimit)
    let root = JSONReader(try JSON.parse(bytes, file: path), file: path)
    try root.onlyKeys(["GlobalRank", "LocalRank", "Mode", "Nodes"])
    guard try root.member("Mode").value == .string("Scale") else {
      throw try root.member("Mode").notOneOf(["Scale"])
    }
    var weights: [String: RecordedScale] = [:]
    for (name, record) in try root.member("Nodes").members() {
      guard let weight = try record.optional("params")?.optional("weight") else { continue }
      weights[name] = try RecordedScale(json: weight)
    }
    return weights
  }
}

extension RecordedScale {
  fileprivate init(json: JSONReader) throws(Diagnostic) {
    switch json.value {
    case .array: self = .list(try RecordedScale.scales(json))
    case .object:
      try json.onlyKeys(["0", "1"])
      self = .channels(
        try RecordedScale.scales(try json.member("0")), inputs: try json.member("1").items().count)
    case .null, .bool, .number, .string: self = .scalar(try RecordedScale.scale(json))
    }
  }

  private static func scales(_ json: JSONReader) throws(Diagnostic) -> [Float] {
    try json.items().map { (item) throws(Diagnostic) in try scale(item) }
  }

  private static func scale(_ json: JSONReader) throws(Diagnostic) -> Float {
    let scale = Float(try json.double())
    guard scale > 0, scale.isFinite else { throw json.wrongType("a number above zero") }
    return scale
  }
}

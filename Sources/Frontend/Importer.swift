package import IR
internal import ONNX
package import Support
package import Weights

/// Reads an ONNX file into a model and the store of its weights.
///
/// No payload is read but those of at most 64 bytes, which become literals. Whatever the checker of
/// ONNX refuses about names, order and tensors is refused here, before a pass sees it.
package struct Importer {
  /// The IR versions and standard opsets that are read (decisions.md, Output form).
  static let irVersions: ClosedRange<Int64> = 3...14
  static let opsets: ClosedRange<Int64> = 7...28

  let path: String
  let payloads: [Payload]
  var dataFiles: [String: DataFile] = [:]
  var locations: [String] = []
  /// What the tensors outside the model declare together; several may declare the same bytes of a
  /// sparse file.
  var externalBytes: Int64 = 0
  /// Sums of sizes, in types up to eight times as wide, stay below 2^63.
  static let externalLimit: Int64 = 1 << 56

  /// Reads a whole model; `admit` is told the bytes of its structure before that is decoded.
  ///
  /// A location that is a key of `dataFiles` is read from the path beside it: a data file without its name yet.
  package static func load(
    _ path: String, dataFiles: KeyValuePairs<String, String> = [:],
    admit: (_ structure: Int64) throws(Diagnostic) -> Void = { _ in }
  ) throws(Diagnostic) -> (Model, WeightStore) {
    let file = try ModelFile(path: path)
    var importer = Importer(path: path, payloads: file.payloads)
    for (location, path) in dataFiles {
      importer.dataFiles[location] = DataFile(location: location, try InputFile(path: path))
      importer.locations.append(location)
    }
    let model: Model
    do throws(Diagnostic) {
      try admit(file.structureLength)
      model = try importer.model(of: file)
      try Verifier(status: .malformedInput).verify(model)
    } catch {
      throw error.inFile(path)
    }
    let files = importer.locations.compactMap { importer.dataFiles[$0] }
    return (model, WeightStore(model: file, dataFiles: files))
  }

  /// Reads a file of one `TensorProto` whole: its type and its elements in `raw_data` order.
  package static func loadTensor(
    _ path: String
  ) throws(Diagnostic) -> (type: TensorType, bytes: [UInt8]) {
    let file = try TensorFile(path: path)
    var importer = Importer(path: path, payloads: file.payloads)
    do throws(Diagnostic) {
      let weight = try importer.weight(file.tensor)
      return (weight.stored, try importer.bytes(of: weight))
    } catch {
      throw error.inFile(path)
    }
  }

  private init(path: String, payloads: [Payload]) {
    self.path = path
    self.payloads = payloads
  }

  private mutating func model(of file: borrowing ModelFile) throws(Diagnostic) -> Model {
    let header = file.header
    guard let irVersion = header.irVersion else { throw .noIRVersion() }
    guard Importer.irVersions.contains(irVersion) else {
      throw .irVersion(irVersion, accepted: Importer.irVersions)
    }
    let opsets = try self.opsets(header.opsetImports, of: "the model")
    if let version = opsets.version(of: ""), !Importer.opsets.contains(version) {
      throw .opset(version, accepted: Importer.opsets)
    }
    var keys: Set<String> = []
    for pair in header.metadata where !keys.insert(pair.key).inserted {
      throw .metadataTwice(pair.key)
    }
    var model = Model(
      irVersion: irVersion, opsets: opsets, producerName: header.producerName,
      producerVersion: header.producerVersion, domain: header.domain,
      modelVersion: header.modelVersion,
      annotations: Annotations(
        docString: header.docString, metadata: header.metadata.metadata, unknown: header.unknown))
    var builder = GraphBuilder(
      name: file.graphHeader.name,
      annotations: Annotations(
        docString: file.graphHeader.docString, metadata: file.graphHeader.metadata.metadata,
        unknown: file.graphHeader.unknown), depth: 0, irVersion: irVersion, isMain: true)
    try file.forEachInitializer { (tensor) throws(Diagnostic) in
      try builder.declare(tensor.name, try self.weight(tensor), tensor.annotations)
    }
    try file.forEachSparseInitializer { (tensor) throws(Diagnostic) in
      let weight = try self.weight(tensor)
      try builder.declare(tensor.values?.name ?? "", weight, Annotations())
    }
    try file.forEachValue(.input) { (value) throws(Diagnostic) in try builder.addInput(value) }
    try builder.finishWeights()
    try file.forEachNode { (node) throws(Diagnostic) in try builder.add(node, &self) }
    try file.forEachValue(.output) { (value) throws(Diagnostic) in try builder.addOutput(value) }
    try file.forEachValue(.info) { (value) throws(Diagnostic) in try builder.describe(value) }
    model.graph = builder.finish()
    try file.forEachFunction { (function) throws(Diagnostic) in
      try model.functions.append(self.function(function, irVersion: irVersion))
    }
    return model
  }

  private func opsets(
    _ imports: [OperatorSetID], of owner: String
  ) throws(Diagnostic) -> [OpsetImport] {
    guard !imports.isEmpty else { throw .noOpsetImport(of: owner) }
    var result: [OpsetImport] = []
    for item in imports {
      let domain = item.domain.standardDomain
      let accepted = 0...Int64(Int32.max)
      guard accepted.contains(item.version) else {
        throw .opset(item.version, accepted: accepted)
      }
      if let known = result.version(of: domain) {
        guard known == item.version else {
          throw .twoOpsets(known, item.version, domain: domain, of: owner)
        }
        continue
      }
      result.append(OpsetImport(domain: domain, version: item.version))
    }
    return result
  }

  private mutating func function(
    _ proto: FunctionProto, irVersion: Int64
  ) throws(Diagnostic) -> Function {
    guard !proto.name.isEmpty else { throw .unnamedFunction() }
    guard !proto.domain.isEmpty else { throw .functionWithoutDomain(proto.name) }
    var builder = GraphBuilder(
      name: proto.name, annotations: Annotations(), depth: 0, irVersion: irVersion)
    for input in proto.inputs {
      var value = ValueInfoProto()
      value.name = input
      try builder.addInput(value)
    }
    for node in proto.nodes { try builder.add(node, &self) }
    for (names, what) in [(proto.outputs, "output"), (proto.attributes, "attribute")] {
      var seen: Set<String> = []
      for name in names where !seen.insert(name).inserted {
        throw .definedTwice(name, as: "\(what) of function '\(proto.name)'")
      }
    }
    for output in proto.outputs {
      var value = ValueInfoProto()
      value.name = output
      try builder.addOutput(value)
    }
    for value in proto.valueInfo { try builder.describe(value) }
    var defaults: [Attribute] = []
    for attribute in proto.attributeProtos {
      defaults.append(try self.attribute(attribute, depth: 0, irVersion: irVersion))
    }
    return Function(
      key: FunctionKey(
        domain: proto.domain.standardDomain, name: proto.name, overload: proto.overload),
      attributes: proto.attributes, defaults: defaults,
      opsets: try opsets(proto.opsetImports, of: "function '\(proto.name)'"),
      body: builder.finish(),
      annotations: Annotations(
        docString: proto.docString, metadata: proto.metadata.metadata, unknown: proto.unknown))
  }
}

extension String {
  /// The standard operators' domain is spelled as the empty one.
  var standardDomain: String { self == "ai.onnx" ? "" : self }
}

extension [StringPair] {
  var metadata: [Metadata] { map { Metadata($0.key, $0.value) } }
}

extension TensorProto {
  var annotations: Annotations {
    Annotations(docString: docString, metadata: metadata.metadata, unknown: unknown)
  }
}

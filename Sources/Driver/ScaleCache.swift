internal import FP8
internal import IR
internal import Measurements
internal import Passes
internal import Support
internal import Targets
internal import Weights

/// What searches over weights found earlier: INC's scale file, and beside it what it follows from.
///
/// A search tries every candidate on every element. All other scales follow from ranges at no cost and
/// are computed anew (inc-fp8.md section 5.4; ).
struct ScaleCache {
  private let scales: String
  private let provenance: String
  private let fingerprint: String

  /// `nil` where no module's method searches.
  init?(
    _ files: MeasurementFiles, _ settings: PassSettings, _ configuration: Configuration,
    weights paths: [String], digest: (String) throws(Diagnostic) -> String
  ) throws(Diagnostic) {
    guard settings.plan.methods.contains(where: { $0.weight.value == .search }) else { return nil }
    let method = settings.plan.standard.name
    scales = files.scales(method: method)
    provenance = files.scalesProvenance(method: method)
    var sources: [JSON] = []
    for path in paths { sources.append(.string(try digest(path))) }
    let limits = settings.limits
    fingerprint =
      JSON.object([
        "format_version": .number(1),
        "scale_method": configuration.json.member("scale_method") ?? .null,
        "fp8_config": configuration.json.member("fp8_config") ?? .null,
        "fullscale": .number(Double(limits.fullscale)),
        "aligned_scales": .array(limits.alignedScales.map { .number(Double($0)) }),
        "hp_dtype": .string(settings.hp.rawValue),
        "scale_arithmetic": .string(settings.arithmetic.rawValue),
        "model_sha256": .array(sources),
      ]).text(indent: 2) + "\n"
  }

  /// What became of the file of an earlier run.
  enum Outcome: Equatable {
    case absent
    case used(String)
    case stale(String)
  }

  /// Gives the passes the scales of an earlier run that followed from the same.
  func fill(
    _ settings: inout PassSettings, for model: Model, _ names: [String: String]
  ) throws(Diagnostic) -> Outcome {
    guard Folder.exists(scales) else { return .absent }
    guard Folder.exists(provenance),
      try InputFile.contents(of: provenance, limit: 1 << 24) == Array(fingerprint.utf8)
    else { return .stale(scales) }
    let known = try ScaleFile.weights(inFile: scales)
    var found: [WeightSearch: Scale] = [:]
    for placed in model.placedModules {
      let module = placed.module
      let method = settings.method(of: module)
      guard method.weight.value == .search, let port = module.port("weight"),
        let recorded = names[module.path].flatMap({ known[$0] })
      else { continue }
      let channels = settings.channels(of: port, in: placed.graph, method)
      let scale: Scale
      switch (recorded, channels.axis) {
      case (.list(let values), nil) where values.count == 1: scale = .perTensor(values[0])
      case (.channels(let values, _), let axis?)
      where placed.graph.type(of: port)?.sizes?[axis] == Int64(values.count):
        scale = .perChannel(values, axis: axis)
      default: return .stale(scales)
      }
      found[WeightSearch(channels, method.weight)] = scale
    }
    settings.searchedScales.merge(found) { _, new in new }
    return .used(scales)
  }

  /// Says beside the scales what they follow from.
  func write(by write: (String, String) throws(Diagnostic) -> Void) throws(Diagnostic) {
    try write(fingerprint, provenance)
  }
}

extension JSON {
  fileprivate func member(_ key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }
}

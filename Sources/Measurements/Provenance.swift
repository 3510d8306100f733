package import Support

/// What a measurement was made of, by digests: no path, no time.
///
/// A run that finds the same beside a measurement needs no other (decisions.md, Measuring).
package struct Provenance: Equatable, Sendable {
  /// SHA-256 of the model's files.
  package var models: [String]
  /// SHA-256 of the calibration files in the order they were read.
  package var batches: [String]
  /// `K/N` where only every N-th batch was measured.
  package var shard: String?
  package var observer: String
  package var precision: String
  package var exclusion: String
  /// The paths of all modules, in the order of the graph.
  package var modules: [String]

  package init(
    models: [String], batches: [String], shard: String?, observer: String, precision: String,
    exclusion: String, modules: [String]
  ) {
    self.models = models
    self.batches = batches
    self.shard = shard
    self.observer = observer
    self.precision = precision
    self.exclusion = exclusion
    self.modules = modules
  }

  package var text: String {
    func strings(_ list: [String]) -> JSON { .array(list.map { .string($0) }) }
    var members = [
      JSON.Member("format_version", .number(1)),
      JSON.Member("model_sha256", strings(models)),
      JSON.Member("calibration_sha256", strings(batches)),
    ]
    if let shard { members.append(JSON.Member("shard", .string(shard))) }
    members += [
      JSON.Member("observer", .string(observer)),
      JSON.Member("hp_dtype", .string(precision)),
      JSON.Member("measure_exclude", .string(exclusion)),
      JSON.Member("modules", strings(modules)),
    ]
    return JSON.object(members).text(indent: 2) + "\n"
  }

  /// The modules of the graph that a measurement file was made of, as its provenance beside it has them;
  /// `nil` where there is none.
  package static func modules(besideMeasurement path: String) throws(Diagnostic) -> [String]? {
    guard let dot = path.lastIndex(of: ".") else { return nil }
    let file = "\(path[..<dot])_provenance.json"
    guard Folder.exists(file) else { return nil }
    let bytes = try InputFile.contents(of: file, limit: Measurement.sizeLimit)
    var modules: [String] = []
    let root = JSONReader(try JSON.parse(bytes, file: file), file: file)
    for item in try root.member("modules").items() { modules.append(try item.string()) }
    return modules
  }
}

package import Support

/// Which record of a measurement is whose: the names of one model in PyTorch and in ONNX.
///
/// Names are compared after the user's renaming. Where not all modules are found so, a prefix that all
/// names of one side share is dropped if more are found without it (decisions.md, What a module is).
package struct MeasurementBinding: Equatable, Sendable {
  /// The measured name of every module that was found, by the module's path.
  package private(set) var names: [String: String] = [:]
  /// What was dropped to find them.
  package private(set) var dropped: Dropped?

  package enum Dropped: Equatable, Sendable {
    case ofModel(prefix: String)
    case ofMeasurement(prefix: String)
  }

  package init(
    modules: [String], measured: [String], renaming: Renaming = Renaming()
  ) throws(Diagnostic) {
    var sources: [String: String] = [:]
    for name in measured {
      let renamed = renaming.name(of: name)
      if let other = sources.updateValue(name, forKey: renamed) {
        throw .renamedAlike(other, name, to: renamed)
      }
    }
    names = MeasurementBinding.names(of: modules, in: sources) { $0 }
    guard names.count < modules.count else { return }
    for prefix in MeasurementBinding.commonPrefixes(of: modules) {
      let found = MeasurementBinding.names(of: modules, in: sources) {
        String($0.dropFirst(prefix.count + 1))
      }
      if found.count > names.count { (names, dropped) = (found, .ofModel(prefix: prefix)) }
    }
    for prefix in MeasurementBinding.commonPrefixes(of: sources.keys.sorted()) {
      let found = MeasurementBinding.names(of: modules, in: sources) { "\(prefix).\($0)" }
      if found.count > names.count { (names, dropped) = (found, .ofMeasurement(prefix: prefix)) }
    }
  }

  private static func names(
    of modules: [String], in sources: [String: String], as spelling: (String) -> String
  ) -> [String: String] {
    var names: [String: String] = [:]
    for path in modules { names[path] = sources[spelling(path)] }
    return names
  }

  /// The parents that all names have, the shortest first.
  private static func commonPrefixes(of names: [String]) -> [String] {
    guard
      var common = names.first?.split(separator: ".", omittingEmptySubsequences: false)
        .dropLast()
    else { return [] }
    for name in names {
      let parents = name.split(separator: ".", omittingEmptySubsequences: false).dropLast()
      let count = zip(common, parents).prefix { $0 == $1 }.count
      common = common.prefix(count)
    }
    return common.indices.map { common[...$0].joined(separator: ".") }
  }
}

/// What the user says measured modules are called in the model.
package struct Renaming: Equatable, Sendable {
  /// New names by old ones.
  package var modules: [String: String]
  /// Parents to exchange in the names that no entry of `modules` has; an empty one drops or adds.
  package var prefixes: [(old: String, new: String)]

  package init(modules: [String: String] = [:], prefixes: [(old: String, new: String)] = []) {
    self.modules = modules
    self.prefixes = prefixes
  }

  /// Reads an object of new names by old ones.
  package init(file path: String) throws(Diagnostic) {
    let bytes = try InputFile.contents(of: path, limit: 1 << 28)
    self.init()
    for (old, new) in try JSONReader(try JSON.parse(bytes, file: path), file: path).members() {
      modules[old] = try new.string()
    }
  }

  func name(of measured: String) -> String {
    if let name = modules[measured] { return name }
    for (old, new) in prefixes {
      guard let rest = rest(of: measured, behind: old) else { continue }
      return [new, rest].filter { !$0.isEmpty }.joined(separator: ".")
    }
    return measured
  }

  private func rest(of name: String, behind prefix: String) -> String? {
    if prefix.isEmpty { return name }
    if name == prefix { return "" }
    return name.hasPrefix("\(prefix).") ? String(name.dropFirst(prefix.count + 1)) : nil
  }

  package static func == (first: Renaming, second: Renaming) -> Bool {
    first.modules == second.modules
      && first.prefixes.elementsEqual(second.prefixes) { $0.old == $1.old && $0.new == $1.new }
  }
}

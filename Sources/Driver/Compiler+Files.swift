internal import FP8
internal import Measurements
internal import Passes
package import Support
internal import Targets

/// The commands that need measurements and no model.
extension Compiler {
  /// `fp8c align-kv`: products take the ranges of the caches that they read, so that their scales agree.
  package func alignCaches() throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    do throws(Diagnostic) {
      var measurement = try Measurement(path: options.model)
      let changed = measurement.alignCaches()
      try write(measurement, to: output)
      console.note("\(output): \(changed.count) products take the ranges of their caches")
      for path in changed where options.isVerbose { console.note(path) }
    } catch {
      throw error.inFile(options.model)
    }
    return .done
  }

  /// `fp8c unify`: the measurements of ranks become one for each group of as many in a row.
  ///
  /// One group goes to the output itself, several beside it with `_<group>_<groups>` in their names, the
  /// rank of a run with that many.
  package func unify(_ paths: [String], groups: Int) throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    guard groups > 0, paths.count % groups == 0 else {
      throw .unevenGroups(paths.count, groups: groups)
    }
    var measurements: [Measurement] = []
    var graphOrder: [String] = []
    for path in paths {
      do throws(Diagnostic) {
        measurements.append(try Measurement(path: path))
        if graphOrder.isEmpty {
          graphOrder = try Provenance.modules(besideMeasurement: path) ?? []
        }
      } catch {
        throw error.inFile(path)
      }
    }
    let size = paths.count / groups
    var unified: [(path: String, measurement: Measurement)] = []
    for group in 0..<groups {
      let members = group * size..<(group + 1) * size
      do throws(Diagnostic) {
        let merged = try Measurement.merged(
          Array(measurements[members]), localRank: groups == 1 ? -1 : group,
          graphOrder: graphOrder)
        let isJSON = output.hasSuffix(".json")
        let stem = isJSON ? String(output.dropLast(5)) : output
        let name = groups == 1 ? output : "\(stem)_\(group)_\(groups)\(isJSON ? ".json" : "")"
        unified.append((name, merged))
      } catch {
        throw error.inFile(paths[members.lowerBound])
      }
    }
    for item in unified {
      try write(item.measurement, to: item.path)
      console.note(
        "\(item.path): \(item.measurement.nodes.count) modules of \(size) measurements")
    }
    return .done
  }

  /// `fp8c scales`: a measurement file becomes a scale file; weights by their measured maxabs.
  package func scales() throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    let (configuration, _) = try options.configuration(environment: environment)
    let settings = try settings(configuration)
    let recorder = try ScaleRecorder(
      plan: settings.plan, limits: settings.limits, arithmetic: settings.arithmetic,
      precision: settings.hp, allowsNonFinite: options.allowsNonFinite)
    do throws(Diagnostic) {
      let measurement = try Measurement(path: options.model)
      let result = try recorder.scales(of: measurement)
      for warning in result.warnings { console.report(warning.inFile(options.model)) }
      try write(result.file, to: output)
    } catch {
      throw error.inFile(options.model)
    }
    return .done
  }

  /// INC's file, as text and, beside a `.json`, as the archive that INC reads.
  func write(_ measurement: Measurement, to path: String) throws(Diagnostic) {
    try write(archive: measurement.archive, besideJSON: path)
    try write(measurement.text, to: path)
  }

  func write(_ scales: ScaleFile, to path: String) throws(Diagnostic) {
    try write(archive: scales.archive, besideJSON: path)
    try write(to: path) { (file) throws(Diagnostic) in try scales.write(to: &file) }
  }

  private func write(archive: [UInt8], besideJSON path: String) throws(Diagnostic) {
    guard path.hasSuffix(".json") else { return }
    try write(to: "\(path.dropLast(5)).npz") { (file) throws(Diagnostic) in
      try file.write(archive)
    }
  }
}

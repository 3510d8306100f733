internal import Backend
internal import Calibration
internal import FP8
internal import Frontend
internal import IR
internal import Measurements
internal import ONNX
internal import Passes
package import Support
internal import Targets
internal import Weights

extension Compiler {
  /// `fp8c measure`: runs the batches and writes the measurement files.
  package func measure() throws(Diagnostic) -> ExitStatus {
    let (configuration, _) = try options.configuration(environment: environment)
    if try printed(configuration) { return .done }
    try measure(configuration)
    return .done
  }

  /// `fp8c instrument`: the model with observers, which other runtimes run.
  package func instrument() throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    let (configuration, _) = try options.configuration(environment: environment)
    try MeasuringJob(self, configuration).instrument(to: output)
    return .done
  }

  /// `fp8c collect`: what such a runtime observed becomes the measurement files.
  package func collect(_ files: [String]) throws(Diagnostic) -> ExitStatus {
    let (configuration, _) = try options.configuration(environment: environment)
    try MeasuringJob(self, configuration, observed: files).collect()
    return .done
  }

  /// `fp8c compile`: measures where no usable measurement exists, then quantizes.
  package func compile() throws(Diagnostic) -> ExitStatus {
    var (configuration, file) = try options.configuration(environment: environment)
    if try printed(configuration) { return .done }
    var measured = MeasuredJust()
    switch configuration.mode {
    case .measure:
      try measure(configuration)
      return .done
    case .quantize: break
    case .auto:
      if try settings(configuration).needsRanges {
        measured = try measureIfNeeded(configuration)
      }
    }
    if let budget = options.budget {
      configuration = try reach(budget, configuration, measured: measured)
    }
    return try quantize(configuration, configurationFile: file, measured: measured)
  }

  /// AUTO: says which of measuring and reusing it chose and why.
  private func measureIfNeeded(
    _ configuration: Configuration
  ) throws(Diagnostic) -> MeasuredJust {
    let files = configuration.files
    guard configuration.observer.recordsRanges else {
      throw .noRanges(configuration.observer.rawValue)
    }
    guard !options.calibration.isEmpty else {
      guard Folder.exists(files.measurement) else { throw .nothingMeasured(files.json) }
      console.note("using the measurement '\(files.measurement)'")
      return MeasuredJust()
    }
    let job = try MeasuringJob(self, configuration, calibration: options.calibration)
    let paths = job.files
    if try isCurrent(files, provenance: try job.provenance()) {
      console.note("using the measurement '\(files.json)', made from the same model and batches")
      return MeasuredJust(files: paths)
    }
    console.note("measuring: no measurement of this model and these batches")
    return MeasuredJust(files: paths, said: try job.run())
  }

  private func isCurrent(
    _ files: MeasurementFiles, provenance: String
  ) throws(Diagnostic) -> Bool {
    guard Folder.exists(files.json), Folder.exists(files.provenance) else { return false }
    let text = try InputFile.contents(of: files.provenance, limit: 1 << 24)
    return text == Array(provenance.utf8)
  }

  func measure(_ configuration: Configuration) throws(Diagnostic) {
    try MeasuringJob(self, configuration, calibration: options.calibration).run()
  }
}

extension Compiler {
  /// A tensor of ONNX's test data.
  static func readTensor(_ path: String) throws(Diagnostic) -> Tensor {
    let (type, bytes) = try Importer.loadTensor(path)
    return Tensor(element: type.element, shape: type.sizes ?? [], bytes: bytes)
  }
}

/// What the same command measured just before it quantizes.
struct MeasuredJust {
  /// The calibration files.
  var files: [String] = []
  /// The diagnostics that were reported and need no repetition.
  var said: [Diagnostic] = []
}

internal import Driver
internal import FP8
internal import IR
internal import Measurements
internal import NPZ
internal import Passes
internal import Support
internal import Targets
package import TestSupport

/// What a fuzzer calls with bytes of its own: every end but a documented one stops the process.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// An ONNX file through all of `fp8c quantize`.
  case model
  /// Textual IR: parsed, printed, parsed again, and through the passes that look for modules.
  case text
  /// A configuration, or a target description.
  case configuration
  /// A measurement as JSON, turned into scales.
  case measurement
  /// An .npz archive: its arrays, and a measurement of INC in it.
  case archive

  /// Runs one input; files go to `folder`.
  package func run(_ bytes: [UInt8], in folder: borrowing TemporaryFolder) {
    do throws(Diagnostic) {
      switch self {
      case .model: try quantize(bytes, folder)
      case .text: try readText(bytes)
      case .configuration: try configure(bytes, folder)
      case .measurement:
        try scales(try folder.write("measurement.json", bytes), folder["scales.json"])
      case .archive: try readArchive(bytes, folder)
      }
    } catch {
      guard error.status != .internalError else { fatalError(error.text) }
    }
  }

  private func compiler(_ options: Options) -> Compiler {
    var messages = MessageOptions(isQuiet: true)
    // A document that is never closed is never printed.
    messages.format = .sarif
    return Compiler(options: options, console: Console(messages), environment: { _ in nil })
  }

  private func quantize(
    _ bytes: [UInt8], _ folder: borrowing TemporaryFolder
  ) throws(Diagnostic) {
    var options = Options()
    options.model = try folder.write("model.onnx", bytes)
    options.output = folder["out.onnx"]
    options.scaleMethod = "unit_scale"
    options.syncs = false
    options.jobs = 1
    options.usesQDQ = bytes.count % 2 == 1
    options.hp = bytes.count % 4 > 1 ? .fp32 : nil
    _ = try compiler(options).quantize()
  }

  private func readText(_ bytes: [UInt8]) throws(Diagnostic) {
    var model = try Model.parse(bytes)
    let text = model.text
    guard try Model.parse(text).text == text else { fatalError("a text is not read as printed") }
    // What a text says of a graph has to hold before a pass sees it.
    try Verifier(status: .malformedInput).verify(model)
    var context = PassContext(try PassSettings(), read: model)
    try Pipeline(
      parsing: "infer-types, canonicalize, inline-functions, infer-types, canonicalize, "
        + "expand-fused, expand-attention, hoist-weights, select-modules"
    ).run(on: &model, in: &context)
  }

  private func configure(
    _ bytes: [UInt8], _ folder: borrowing TemporaryFolder
  ) throws(Diagnostic) {
    let path = try folder.write("configuration.json", bytes)
    do throws(Diagnostic) {
      let configuration = try Configuration(file: path)
      // What is printed with `--print-config` is a configuration again.
      let printed = configuration.json.text(indent: 2)
      let again = try folder.write("printed.json", Array(printed.utf8))
      guard try Configuration(file: again).json.text(indent: 2) == printed else {
        fatalError("a configuration is not read as printed")
      }
    } catch {
      guard error.status != .internalError else { throw error }
    }
    _ = try Target.load(path)
  }

  private func scales(_ measurement: String, _ output: String) throws(Diagnostic) {
    var options = Options()
    options.model = measurement
    options.output = output
    options.syncs = false
    _ = try compiler(options).scales()
  }

  private func readArchive(
    _ bytes: [UInt8], _ folder: borrowing TemporaryFolder
  ) throws(Diagnostic) {
    let path = try folder.write("archive.npz", bytes)
    do throws(Diagnostic) {
      try scales(path, folder["scales.json"])
    } catch {
      guard error.status != .internalError else { throw error }
    }
    let archive = try NPZFile(path: path)
    for key in archive.keys { _ = try archive.array(key) }
  }
}

internal import Support

extension Diagnostic {
  static func cannotRun(reason: String) -> Diagnostic {
    Diagnostic(
      .error, .unavailable, "ONNX Runtime cannot run the model: \(reason)",
      notes: ["without measurements, '--scale-method unit_scale' needs no run"])
  }

  static func noMemory(_ bytes: Int) -> Diagnostic {
    Diagnostic(.error, .limitReached, "\(bytes) bytes of memory for a batch cannot be had")
  }

  static func runtimeNotFound(_ folders: [String]) -> Diagnostic {
    Diagnostic(
      .error, .unavailable, "ONNX Runtime's library 'libonnxruntime.so' was not found",
      notes: [Runtime.remedy])
  }

  static func runtimeNotLoaded(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(
      .error, .unavailable, at: Location(file: path),
      "ONNX Runtime cannot be loaded: \(reason)", notes: [Runtime.remedy])
  }
}

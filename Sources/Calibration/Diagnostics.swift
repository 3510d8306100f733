internal import Support

extension Diagnostic {
  static func cannotRun(reason: String) -> Diagnostic {
    Diagnostic(
      .error, .unavailable, "ONNX Runtime cannot run the model: \(reason)",
      notes: ["without measurements, '--scale-method unit_scale' needs no run"])
  }

  static func emptyBatches(
    _ name: String, count: Int, limit: Int, file: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .limitReached, at: Location(file: file),
      "'\(name)' holds \(count) batches without elements, expected at most \(limit)")
  }

  static func inputWithoutArray(_ name: String, file: String) -> Diagnostic {
    Diagnostic(
      at: Location(file: file), "graph input '\(name)' has no array, expected one for each input")
  }

  static func noBatches(_ path: String) -> Diagnostic {
    Diagnostic(at: Location(file: path), "holds no batch, expected .npz files with at least one")
  }

  static func noCalibration() -> Diagnostic {
    Diagnostic(.error, .usage, "no batches to run, expected '--calibration PATH'")
  }

  static func noMemory(_ bytes: Int) -> Diagnostic {
    Diagnostic(.error, .limitReached, "\(bytes) bytes of memory for a batch cannot be had")
  }

  static func channelsChanged(_ name: String, _ first: Int, _ second: Int) -> Diagnostic {
    Diagnostic(
      "observer '\(name)' saw \(first) channels and then \(second), expected as many in every batch"
    )
  }

  static func notATensor(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "observer '\(name)' gave nothing of its kind")
  }

  static func notAScalar(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "observer '\(name)' did not give one number")
  }

  static func observedNotFinite(_ name: String, batch: Int) -> Diagnostic {
    Diagnostic(
      "observer '\(name)' saw infinite or NaN elements in batch \(batch)",
      notes: ["'--allow-nonfinite' counts them as the largest finite number"])
  }

  static func rangeTooLarge(
    _ name: String, _ maximum: Float, _ precision: String, limit: Float
  ) -> Diagnostic {
    Diagnostic(
      "observer '\(name)' saw \(maximum), beyond the largest number of \(precision), \(limit)",
      notes: ["'--allow-nonfinite' counts it as that"])
  }

  static func runtimeNotFound() -> Diagnostic {
    Diagnostic(
      .error, .unavailable, "ONNX Runtime's library 'libonnxruntime.so' was not found",
      notes: [Runtime.remedy])
  }

  static func runtimeNotLoaded(_ path: String, reason: String) -> Diagnostic {
    Diagnostic(
      .error, .unavailable, at: Location(file: path),
      "ONNX Runtime cannot be loaded: \(reason)", notes: [Runtime.remedy])
  }

  static func tooManyTensors(_ found: Int, expected: Int, folder: String) -> Diagnostic {
    Diagnostic(
      at: Location(file: folder), "holds \(found) inputs, expected at most \(expected)")
  }

  static func unequalStacks(
    _ first: (name: String, count: Int), _ second: (name: String, count: Int), file: String
  ) -> Diagnostic {
    Diagnostic(
      at: Location(file: file),
      "'\(first.name)' holds \(first.count) batches and '\(second.name)' \(second.count), expected "
        + "as many")
  }

  static func keyWithoutInput(_ key: String, file: String, inputs: [String]) -> Diagnostic {
    Diagnostic(
      at: Location(file: file),
      "key '\(key)' is no graph input, expected one of \(inputs.joined(separator: ", "))",
      notes: nearest(to: key, among: inputs).map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func wrongElement(
    _ name: String, file: String, found: String, expected: String
  ) -> Diagnostic {
    Diagnostic(
      at: Location(file: file), "array '\(name)' is \(found), expected \(expected)")
  }

  static func wrongRank(
    _ name: String, file: String, found: Int, expected: Int
  ) -> Diagnostic {
    Diagnostic(
      at: Location(file: file),
      "array '\(name)' has rank \(found), expected \(expected) or, for a stack, \(expected + 1)")
  }

  static func wrongShape(
    _ name: String, file: String, found: [Int64], expected: [String]
  ) -> Diagnostic {
    Diagnostic(
      at: Location(file: file),
      "array '\(name)' has batches of shape \(found), expected "
        + "[\(expected.joined(separator: ", "))]")
  }
}

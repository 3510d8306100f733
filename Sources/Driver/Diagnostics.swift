internal import Support

extension Diagnostic {
  static func badBudget(_ text: String) -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "'--budget \(text)' is no budget, expected 'sqnr>=DB' or 'accuracy>=SHARE'")
  }

  static func badFullscale(_ fullscale: Float, of name: String, limit: Float) -> Diagnostic {
    Diagnostic(
      .error, .internalError,
      "weight '\(name)' saturates at \(fullscale), beyond the target's \(limit)")
  }

  static func badLabels(_ text: String) -> Diagnostic {
    Diagnostic(
      .error, .usage, "'--labels \(text)' names no int64 array, expected FILE.npz:KEY")
  }

  static func badScale(_ scale: Float, of name: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, "weight '\(name)' has scale \(scale), expected one above 0")
  }

  static func badShard(_ text: String) -> Diagnostic {
    Diagnostic(
      .error, .usage, "'--shard \(text)' is no shard, expected K/N with K from 1 to N")
  }

  static func budgetNotReached(_ found: String, with minimum: String) -> Diagnostic {
    Diagnostic(
      .error, .checkFailed,
      "no module in FP8 gives \(found), the budget asks for \(minimum)")
  }

  static func budgetWithoutBatches() -> Diagnostic {
    Diagnostic(.error, .usage, "'--budget' runs the model, expected '--calibration PATH'")
  }

  static func budgetWithoutLabels() -> Diagnostic {
    Diagnostic(
      .error, .usage, "an accuracy counts right answers, expected '--labels FILE.npz:KEY'")
  }

  static func clamped(_ name: String, count: Int) -> Diagnostic {
    Diagnostic(
      .remark, .done,
      "constant '\(name)' has \(count) elements beyond the range of the type that it is cast to; they "
        + "are its largest numbers now")
  }

  static func cancelled() -> Diagnostic {
    Diagnostic(.error, .limitReached, "the work was cancelled")
  }

  static func cannotReadBack(_ output: String, _ reason: String) -> Diagnostic {
    Diagnostic(
      .error, .inputOutput, at: Location(file: output), "what was written \(reason)")
  }

  static func collectsOtherObserver(_ observer: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'collect' reads what the observer 'maxabs' gives, found '\(observer)'")
  }

  static func differentKinds(_ first: String, _ second: String) -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "'\(first)' and '\(second)' are of two kinds, expected two models or two .json files")
  }

  static func dropWithoutLabels() -> Diagnostic {
    Diagnostic(
      .error, .usage, "'--max-drop' counts right answers, expected '--labels FILE.npz:KEY'")
  }

  static func dynamicMeasure() -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'dynamic_quantization' needs no measurement, expected 'quantize' or 'compile' with mode QUANTIZE "
        + "or AUTO")
  }

  static func dynamicQDQ(_ key: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'dynamic_quantization' has no form with QuantizeLinear, found '\(key)', expected the target's "
        + "operators")
  }

  static func emptyShard(_ text: String) -> Diagnostic {
    Diagnostic(.warning, .done, "shard \(text) has no batch: there are fewer than shards")
  }

  static func memoryLimit(_ limit: Int64, needed: Int64) -> Diagnostic {
    Diagnostic(
      .error, .limitReached,
      "needs \((needed + (1 << 20) - 1) >> 20) MiB of memory, and --memory-limit allows "
        + "\(limit >> 20) MiB")
  }

  static func needsWeights(_ path: String) -> Diagnostic {
    Diagnostic(
      .error, .malformedInput, at: Location(file: path),
      "textual IR has no weights, expected a binary model")
  }

  static func noModules() -> Diagnostic {
    Diagnostic(
      .warning, .done, "no module was found or allowed: the model is written unquantized")
  }

  static func noOutput() -> Diagnostic {
    Diagnostic(.error, .usage, "no output file is named, expected '-o OUT'")
  }

  static func recordDamaged(_ path: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'\(path)' is not as '--incremental' wrote it: its digest is another",
      notes: ["without the file, a run begins anew"])
  }

  static func outputIsInput(_ output: String, _ input: String) -> Diagnostic {
    Diagnostic(
      .error, .cannotCreate,
      "output '\(output)' would replace '\(input)', which is read, expected another path")
  }

  static func outputsCollide(_ first: String, _ second: String) -> Diagnostic {
    Diagnostic(
      .error, .usage, "outputs '\(first)' and '\(second)' are one file, expected two")
  }

  static func notAClassifier() -> Diagnostic {
    Diagnostic("the first output is no float tensor with a last axis of classes")
  }

  static func notObserved(_ name: String, file: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "there are no numbers under '\(name)', expected those of every observer")
  }

  static func observedUnevenly(_ name: String, file: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "'\(name)' and its '/flag' and '/count' have different lengths, expected one number a batch")
  }

  static func noRanges(_ observer: String) -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "observer '\(observer)' records no ranges, expected 'maxabs' or 'maxabs_per_channel'",
      notes: ["'measure' runs it"])
  }

  static func noGoldenTests(_ path: String) -> Diagnostic {
    Diagnostic(
      .error, .noInput, at: Location(file: path), "holds no golden test",
      notes: [
        "a test is an .ir file that begins with '// RUN:', or a model with NAME.config.json or "
          + "NAME.expected.ir beside it"
      ])
  }

  static func notAFolder(_ path: String) -> Diagnostic {
    Diagnostic(.error, .noInput, at: Location(file: path), "is not a folder")
  }

  static func notAnArray(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "observer '\(name)' gave nothing that NumPy has a type for")
  }

  /// A warning where the models are run too.
  static func notCompared(_ place: String, _ reason: String, file: String) -> Diagnostic {
    Diagnostic(
      .warning, .checkFailed, at: Location(file: file),
      "\(place) \(reason), so the models are not proved to be one",
      notes: ["'--inputs' runs both models and compares what they give"])
  }

  static func notProved(_ reason: Diagnostic, _ output: String) -> Diagnostic {
    Diagnostic(
      .error, .internalError, at: Location(file: output),
      "what was written is not the model: \(reason.location.text)\(reason.message)",
      notes: ["this is a bug of fp8c; nothing was written"])
  }

  static func notExecuted(_ path: String) -> Diagnostic {
    Diagnostic(
      .warning, .done, "module '\(path)' was not executed by any batch, so it is not measured")
  }

  static func nothingToRename(_ name: String, near: String?) -> Diagnostic {
    Diagnostic(
      .warning, .done, "'\(name)' is no measured module",
      notes: near.map { ["the nearest is '\($0)'"] } ?? [])
  }

  static func prefixMap(_ text: String) -> Diagnostic {
    Diagnostic(
      .error, .usage, "option '--module-prefix-map' has the value '\(text)', expected 'OLD=NEW'")
  }

  static func nothingToExplain(_ subject: String, near: String?) -> Diagnostic {
    Diagnostic(
      .warning, .done, "'\(subject)' is no kind, type, path or name of a node that was looked at",
      notes: near.map { ["the nearest is '\($0)'"] } ?? [])
  }

  static func nothingMeasured(_ path: String) -> Diagnostic {
    Diagnostic(
      .error, .noInput, at: Location(file: path),
      "there is no measurement, and no calibration to make one",
      notes: [
        "'--calibration PATH' gives batches to measure; '--scale-method unit_scale' needs no ranges"
      ])
  }

  static func standardOutput(_ reason: String) -> Diagnostic {
    Diagnostic(.error, .inputOutput, "standard output cannot be written: \(reason)")
  }

  static func storedCodeOutOfRange(_ name: String, limit: Float) -> Diagnostic {
    Diagnostic(
      "weight '\(name)' is FP8 already and has codes beyond the target's range of \(limit)",
      notes: ["halve its values and double its scale, or choose a target of a larger range"])
  }

  static func structureDiffers(
    _ place: String, _ message: String, count: Int, file: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .checkFailed, at: Location(file: file), "\(place) \(message)",
      notes: count > 1 ? ["\(count) differences in all, this is the first"] : [])
  }

  static func shardOfRank() -> Diagnostic {
    Diagnostic(
      .error, .configuration,
      "'--shard' names files as 'global_rank' does, expected one of the two")
  }

  static func reportNeedsBoth() -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "what modules cost is measured on the source, expected '--source MODEL' and '--inputs PATH' together"
    )
  }

  static func tooFewLabels(_ count: Int) -> Diagnostic {
    Diagnostic("the labels have \(count) entries, fewer than the batches have rows")
  }

  static func unevenGroups(_ count: Int, groups: Int) -> Diagnostic {
    Diagnostic(
      .error, .usage,
      "\(count) measurements do not make \(groups) groups, expected a multiple of as many")
  }

  static func unknownConfigurationKey(
    _ key: String, accepted: [String], file: String?
  ) -> Diagnostic {
    Diagnostic(
      .error, .configuration, at: Location(file: file),
      "key '\(key)' is unknown, expected one of \(accepted.joined(separator: ", "))",
      notes: nearest(to: key, among: accepted).map { ["did you mean '\($0)'?"] } ?? [])
  }

  static func unsupportedKey(_ value: JSONReader, _ reason: String) -> Diagnostic {
    let unknown = value.notOneOf([])
    return Diagnostic(
      unknown.severity, unknown.status, at: unknown.location, unknown.message, notes: [reason])
  }

  static func fakeQuantization() -> Diagnostic {
    Diagnostic(
      .warning, .done,
      "'fake_quant' writes QuantizeLinear and DequantizeLinear, with weights as codes: the numbers are "
        + "the same")
  }

  static func tooLargeToProve(_ output: String, limit: Int) -> Diagnostic {
    Diagnostic(
      .remark, .done, at: Location(file: output),
      "a model of more than \(limit) nodes is not proved to be the source's while it is written",
      notes: ["'fp8c verify' proves it"])
  }

  static func weightDiffers(
    _ name: String, written: String, isCode: Bool, file: String
  ) -> Diagnostic {
    Diagnostic(
      .error, .checkFailed, at: Location(file: file),
      "weight '\(name)' as '\(written)': "
        + (isCode
          ? "its codes are not those of the source at a scale that the graph takes off"
          : "its elements are not the source's"))
  }

  static func weightNotFinite(_ name: String, count: Int, first: Int) -> Diagnostic {
    Diagnostic(
      "weight '\(name)' has \(count) infinite or NaN elements, the first at index \(first)",
      notes: ["'--allow-nonfinite' quantizes it all the same"])
  }

  static func weightQuantizedAtRunTime(_ name: String) -> Diagnostic {
    Diagnostic(.error, .internalError, "weight '\(name)' is quantized at run time")
  }
}

internal import IR
internal import Passes
package import Support

/// Golden tests: models and graphs with the texts that must come out of them.
extension Compiler {
  /// `fp8c golden check`: prints how texts differ from what is expected; status 1 where one does.
  package func goldenCheck(_ folder: String) throws(Diagnostic) -> ExitStatus {
    let results = try goldenResults(folder)
    let failed = results.filter { $0.found != $0.expected }
    for result in failed {
      let change = LineDifference(from: result.expected, to: result.found).text
      try console.result("--- \(result.path)\n+++ found\n\(change)")
    }
    console.note("\(folder): \(results.count - failed.count) of \(results.count) golden tests hold")
    return failed.isEmpty ? .done : .checkFailed
  }

  /// `fp8c golden update`: writes the texts that come out over those that are expected.
  package func goldenUpdate(_ folder: String) throws(Diagnostic) -> ExitStatus {
    let results = try goldenResults(folder)
    for result in results where result.found != result.expected {
      try write(result.whole, to: result.path)
      try console.result("\(result.path)\n")
    }
    let count = results.count { $0.found != $0.expected }
    console.note("\(folder): \(count) of \(results.count) golden tests rewritten")
    return .done
  }

  private struct GoldenResult: Sendable {
    let path: String
    let expected: String
    let found: String
    /// What the file holds where the expectation is what was found.
    let whole: String
  }

  private func goldenResults(_ path: String) throws(Diagnostic) -> [GoldenResult] {
    let folder = try GoldenFolder(path)
    let results = try Parallel.map(folder.cases, jobs: options.jobs ?? Parallel.processors) {
      (item) throws(Diagnostic) in try result(of: item)
    }.compactMap { $0 }
    guard !results.isEmpty else { throw .noGoldenTests(path) }
    if folder.otherModels > 0 {
      console.note(
        "\(path): \(folder.otherModels) models have neither a configuration nor an expected text")
    }
    return results
  }

  /// `nil` for a text that is no golden one.
  private func result(of item: GoldenFolder.Case) throws(Diagnostic) -> GoldenResult? {
    let path = item.expectation
    switch item {
    case .text:
      let text = try contents(of: path)
      guard GoldenText.isGolden(text) else { return nil }
      let golden = GoldenText(text)
      let found = golden.run().output
      return GoldenResult(
        path: path, expected: golden.expected, found: found,
        whole: golden.text(expecting: found))
    case .model(let model, let configuration):
      let expected = Folder.exists(path) ? try contents(of: path) : ""
      let found = lowered(model, configuration)
      return GoldenResult(path: path, expected: expected, found: found, whole: found)
    }
  }

  private func contents(of path: String) throws(Diagnostic) -> String {
    String(
      decoding: try InputFile.contents(of: path, limit: Compiler.textLimit), as: UTF8.self)
  }

  /// The text of a model as it is quantized, or of the error; nothing is written.
  ///
  /// Weights are the digests of their stored bytes and what becomes of them.
  private func lowered(_ path: String, _ configuration: String?) -> String {
    var options = options
    options.model = path
    options.jobs = 1
    options.config = configuration
    let stem = GoldenFolder.stem(path)
    if Folder.exists("\(stem)_hooks_maxabs.json") { options.dumpStatsPath = stem }
    var quiet = MessageOptions(isQuiet: true)
    quiet.isSilent = true
    // What stands around the test decides nothing.
    let compiler = Compiler(
      options: options, console: Console(quiet), environment: { _ in nil })
    do throws(Diagnostic) {
      let (configuration, file) = try options.configuration(environment: { _ in nil })
      let lowered = try compiler.lower(configuration, file, MeasuredJust())
      let digests = try compiler.digests(of: lowered.model, lowered.store)
      return GoldenText.said(lowered.context)
        + Printer(elide: true, digests: digests).text(of: lowered.model)
    } catch {
      // Golden texts do not depend on where the folder is.
      var error = error
      error.location.file = error.location.file.map(Folder.name(of:))
      return GoldenText.comments([error])
    }
  }
}

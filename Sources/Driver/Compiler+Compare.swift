internal import Glibc
internal import IR
internal import Passes
package import Support
internal import Weights

extension Compiler {
  /// `fp8c diff`: what changed from one model, text or table to another; status 1 where anything did.
  package func diff(_ old: String, _ new: String) throws(Diagnostic) -> ExitStatus {
    let isJSON = old.hasSuffix(".json")
    guard isJSON == new.hasSuffix(".json") else { throw .differentKinds(old, new) }
    let lines = isJSON ? try changes(inJSON: old, new) : try changes(inModel: old, new)
    try console.result(lines.map { printable($0) + "\n" }.joined())
    return lines.isEmpty ? .done : .checkFailed
  }

  private func changes(inJSON old: String, _ new: String) throws(Diagnostic) -> [String] {
    func document(_ path: String) throws(Diagnostic) -> JSON {
      try JSON.parse(InputFile.contents(of: path, limit: Compiler.textLimit), file: path)
    }
    return JSONDifference(from: try document(old), to: try document(new)).lines
  }

  private func changes(inModel old: String, _ new: String) throws(Diagnostic) -> [String] {
    let first = try load(old)
    let second = try load(new)
    return ModelDifference(
      from: first.model, to: second.model,
      digests: (
        try digests(of: first.model, first.store), try digests(of: second.model, second.store)
      )
    ).lines
  }

  /// The digest of every range of a model's files, several at a time.
  func digests(of model: Model, _ store: WeightStore?) throws(Diagnostic) -> [StoredRange: String] {
    guard let store else { return [:] }
    let ranges = model.storedRanges
    let digests = try Parallel.map(ranges, jobs: options.jobs ?? Parallel.processors) {
      (range) throws(Diagnostic) in try store.digest(of: range)
    }
    return Dictionary(zip(ranges, digests)) { first, _ in first }
  }
}

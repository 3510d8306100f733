internal import Backend
internal import FP8
internal import IR
internal import Support
internal import Weights

/// What a run with `--incremental` leaves for the next one: digests of the source's weights, what was read out of
/// them, and where each lies in the output.
///
/// It is a cache of one machine and no output: it names files by path and stamp. All of it is keyed by the content of
/// weights, so a run over another model, method or target finds what is the same and nothing else. A stamp only saves
/// reading a file again to know its content.
struct IncrementalRecord {
  private let path: String
  private let stamps: [String?: FileStamp]
  private let digests: [StoredRange: String]
  /// What weights are known by.
  let keys: WeightKeys
  /// The output of the earlier run, where it is as that run left it.
  let earlier: EarlierOutput?
  private let known: [String: Answer]
  private var given: [String: Answer] = [:]

  /// What a weight was found to hold.
  struct Answer: Equatable {
    /// The largest magnitude, of each channel where the question names an axis.
    let maxAbs: [Float]
    /// The scales that a search found; `nil` where none was asked for.
    let scales: [Float]?
  }

  /// Smaller weights are made anew as fast as they are looked up.
  private static let leastBytes: Int64 = 1 << 10
  /// Another build of the same version may compute something else.
  private static func version() throws(Diagnostic) -> String {
    "1, fp8c \(Compiler.version), \(try InputFile(path: "/proc/self/exe").stamp().text)"
  }

  /// Reads what an earlier run left, and digests the weights of `model` that it does not know.
  init(
    path: String, of model: Model, _ store: WeightStore, jobs: Int
  ) throws(Diagnostic) {
    self.path = path
    stamps = try store.stamps()
    let ranges = model.storedRanges.filter {
      $0.encoding == .raw && $0.length >= IncrementalRecord.leastBytes
    }
    let contents = try Contents(file: path, version: IncrementalRecord.version())
    var places: [StoredRange: String] = [:]
    for source in contents?.sources ?? [] {
      guard let stamp = stamps[source.location], stamp.text == source.stamp,
        let written = contents?.written, stamp.isSettled(before: written)
      else { continue }
      for range in source.ranges {
        let place = StoredRange(
          file: source.location, encoding: .raw, offset: range.offset, length: range.length)
        places[place] = range.digest
      }
    }
    let found = try Parallel.map(ranges, jobs: jobs) { [places] (range) throws(Diagnostic) in
      if let digest = places[range] { return digest }
      return try store.digest(of: range)
    }
    digests = Dictionary(zip(ranges, found)) { first, _ in first }
    keys = WeightKeys(digests: digests)
    known = contents?.answers ?? [:]
    earlier = contents?.output
  }

  /// What the earlier run found of a weight's content; kept for the next run too.
  mutating func answer(to question: String, of weight: Weight) throws(Diagnostic) -> Answer? {
    guard let key = try keys.key(of: weight), let answer = known["\(key) \(question)"] else {
      return nil
    }
    given["\(key) \(question)"] = answer
    return answer
  }

  /// Keeps an answer for the next run.
  mutating func note(
    _ answer: Answer, to question: String, of weight: Weight
  ) throws(Diagnostic) {
    guard let key = try keys.key(of: weight) else { return }
    given["\(key) \(question)"] = answer
  }

  // MARK: Writing

  /// Writes what the next run may use; nothing where a file of the source changed in the meantime.
  func write(
    _ placed: [String: PlacedWeight], model: String, data: String?, of store: WeightStore,
    by write: (String, String) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    guard try store.stamps() == stamps else { return }
    var sources: [JSON] = []
    let byFile = Dictionary(grouping: digests) { $0.key.file }
    for (location, stamp) in stamps.sorted(by: { ($0.key ?? "") < ($1.key ?? "") }) {
      let ranges = (byFile[location] ?? []).sorted { $0.key.offset < $1.key.offset }
      sources.append(
        .object([
          "location": location.map(JSON.string) ?? .null,
          "stamp": .string(stamp.text),
          "ranges": .array(
            ranges.map { range, digest in
              .array([.number(Int(range.offset)), .number(Int(range.length)), .string(digest)])
            }),
        ]))
    }
    let outputs = try [model, data].map { (path) throws(Diagnostic) -> JSON in
      guard let path, !Folder.isStream(path) else { return .null }
      let stamp = try InputFile(path: path).stamp().text
      return .object(["path": .string(InputFile.realPath(path) ?? path), "stamp": .string(stamp)])
    }
    let record = JSON.object([
      "sources": .array(sources),
      "answers": .array(
        given.sorted { $0.key < $1.key }.map { question, answer in
          .object([
            "question": .string(question),
            "max_abs": .array(answer.maxAbs.map { .number($0) }),
            "scales": answer.scales.map { .array($0.map { .number($0) }) } ?? .null,
          ])
        }),
      "outputs": .array(outputs),
      "weights": .array(placed.sorted { $0.key < $1.key }.map { IncrementalRecord.json($0, $1) }),
    ])
    let file = JSON.object([
      "format_version": .string(try IncrementalRecord.version()),
      "sha256": .string(try SHA256.hex(of: Array(record.text(indent: nil).utf8))),
      "record": record,
    ])
    try write(file.text(indent: nil) + "\n", path)
  }

  private static func json(_ key: String, _ weight: PlacedWeight) -> JSON {
    let loss = weight.written.loss
    return .object([
      "key": .string(key),
      "output": .number(weight.isInDataFile ? 1 : 0),
      "offset": .number(Int(weight.range.lowerBound)),
      "length": .number(weight.range.count),
      "clamped": .number(weight.written.clamped),
      "loss": loss.map { loss in
        .object([
          "elements": .number(loss.elements), "clipped": .number(loss.clipped),
          "flushed": .number(loss.flushed),
          "errors": .array(loss.errors.indices.map { .number(loss.errors[$0]) }),
        ])
      } ?? .null,
    ])
  }
}

/// A record as it is read.
private struct Contents {
  struct Source {
    let location: String?
    let stamp: String
    let ranges: [(offset: Int64, length: Int64, digest: String)]
  }

  /// The stamp of the record itself.
  let written: FileStamp
  private(set) var sources: [Source] = []
  private(set) var answers: [String: IncrementalRecord.Answer] = [:]
  private(set) var output: EarlierOutput?

  /// `nil` where there is no file.
  init?(file path: String, version: String) throws(Diagnostic) {
    guard Folder.exists(path) else { return nil }
    let file = try InputFile(path: path)
    written = try file.stamp()
    let bytes = try InputFile.contents(of: path, limit: 1 << 28)
    let whole = JSONReader(try JSON.parse(bytes, file: path), file: path)
    guard try whole.member("format_version").string() == version else { return nil }
    let record = try whole.member("record")
    // What it says is believed without a look at the weights.
    guard
      try SHA256.hex(of: Array(record.value.text(indent: nil).utf8))
        == whole.member("sha256").string()
    else { throw .recordDamaged(path) }
    for source in try record.member("sources").items() {
      sources.append(try Contents.source(source))
    }
    for item in try record.member("answers").items() {
      let scales = try item.member("scales")
      answers[try item.member("question").string()] = IncrementalRecord.Answer(
        maxAbs: try Contents.numbers(item.member("max_abs")),
        scales: scales.isNull ? nil : try Contents.numbers(scales))
    }
    var weights: [String: PlacedWeight] = [:]
    for item in try record.member("weights").items() {
      weights[try item.member("key").string()] = try Contents.weight(item)
    }
    let listed = try record.member("outputs")
    let outputs = try listed.items().map { (item) throws(Diagnostic) in try Contents.output(item) }
    guard outputs.count == 2 else { throw listed.wrongType("a model and a data file") }
    output = EarlierOutput(model: outputs[0], data: outputs[1], weights: weights)
  }

  private static func source(_ item: JSONReader) throws(Diagnostic) -> Source {
    let location = try item.member("location")
    var ranges: [(offset: Int64, length: Int64, digest: String)] = []
    for range in try item.member("ranges").items() {
      let parts = try range.items()
      guard parts.count == 3 else { throw range.wrongType("an offset, a length and a digest") }
      ranges.append(
        (Int64(try parts[0].integer()), Int64(try parts[1].integer()), try parts[2].string()))
    }
    return Source(
      location: location.isNull ? nil : try location.string(),
      stamp: try item.member("stamp").string(), ranges: ranges)
  }

  private static func numbers(_ list: JSONReader) throws(Diagnostic) -> [Float] {
    try list.items().map { (item) throws(Diagnostic) in Float(try item.double()) }
  }

  private static func weight(_ item: JSONReader) throws(Diagnostic) -> PlacedWeight {
    let offset = try item.member("offset")
    let length = try item.member("length")
    let (first, count) = (Int64(try offset.integer()), Int64(try length.integer()))
    guard first >= 0, count >= 0, first <= Int64.max - count else {
      throw length.wrongType("the length of a range")
    }
    var loss: QuantizationLoss?
    let recorded = try item.member("loss")
    if !recorded.isNull {
      var found = QuantizationLoss()
      found.elements = try recorded.member("elements").integer()
      found.clipped = try recorded.member("clipped").integer()
      found.flushed = try recorded.member("flushed").integer()
      let errors = try recorded.member("errors")
      let numbers = try errors.items()
      guard numbers.count == found.errors.scalarCount else {
        throw errors.wrongType("a list of \(found.errors.scalarCount) numbers")
      }
      for (index, number) in numbers.enumerated() { found.errors[index] = try number.double() }
      loss = found
    }
    return PlacedWeight(
      isInDataFile: try item.member("output").integer() == 1, range: first..<first + count,
      written: WrittenWeight(loss: loss, clamped: try item.member("clamped").integer()))
  }

  /// A file of the earlier run; `nil` where it is gone or changed.
  private static func output(_ item: JSONReader) throws(Diagnostic) -> DataFile? {
    guard !item.isNull else { return nil }
    let path = try item.member("path").string()
    let stamp = try item.member("stamp").string()
    guard Folder.exists(path), !Folder.isFolder(path), !Folder.isStream(path) else { return nil }
    let file = try InputFile(path: path)
    guard try file.stamp().text == stamp else { return nil }
    return DataFile(location: path, file)
  }
}

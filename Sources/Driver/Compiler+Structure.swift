internal import FP8
internal import Frontend
internal import IR
internal import Passes
internal import Support
internal import Targets
internal import Verification
internal import Weights

/// The structural part of `fp8c verify`.
extension Compiler {
  /// Proves that a written model is the source but for its quantization; throws the first difference.
  ///
  /// Both are brought to one form first, without the passes of the compiler.
  func proveStructure(of quantized: String) throws(Diagnostic) -> StructuralProof {
    let source = try load(options.model)
    let written = try load(quantized)
    guard let sourceStore = source.store, let writtenStore = written.store else {
      throw .needsWeights(source.store == nil ? options.model : quantized)
    }
    let fullscales = try fullscales(saidBy: written.model.graph)
    let failure = ReadFailure()
    let plain = try plain(source.model, written.model, quantized, bounds(fullscales)) {
      numbers(of: $0, in: writtenStore, failure)
    }
    let proof = StructuralProof(
      source: plain.source, written: plain.written, fullscales: bounds(fullscales)
    ) { side, weight in
      numbers(of: weight, in: side == .source ? sourceStore : writtenStore, failure)
    }
    if let error = failure.first { throw error }
    try checkGraph(of: proof, quantized)
    try checkWeights(of: proof, fullscales, sourceStore, writtenStore, quantized)
    return proof
  }

  /// Proves that a model that has no name yet is what it was made from but for its quantization, and returns
  /// why where that cannot be said.
  ///
  /// The file is read again. Elements of weights are not, but for small constants: each has the scale that it
  /// was cast with, and what `fp8c verify` adds is that its codes are those of the source at that scale.
  func prove(
    _ written: WrittenModel, of lowered: LoweredModel, as output: String
  ) throws(Diagnostic) -> Diagnostic? {
    guard lowered.model.graph.nodeCount <= Compiler.provedNodes, let source = lowered.source else {
      return .tooLargeToProve(output, limit: Compiler.provedNodes)
    }
    do throws(Diagnostic) {
      let (model, store) = try readBack(written, as: output)
      let bounds = bounds(fullscales(of: [lowered.context.settings.target]))
      let failure = ReadFailure()
      let plain = try plain(source, model, output, bounds) { numbers(of: $0, in: store, failure) }
      let proof = StructuralProof(
        source: plain.source, written: plain.written, fullscales: bounds
      ) { side, weight in
        numbers(of: weight, in: side == .source ? lowered.store : store, failure)
      }
      if let error = failure.first { throw .cannotReadBack(output, error.message) }
      try checkGraph(of: proof, output)
      let known = lowered.model.graph.scalesOfCodes
      let scales = proof.claims.map { claim -> [[Double]] in
        guard claim.written.type().element.isFloat8, !claim.source.type().element.isFloat8 else {
          return [[1]]
        }
        return known[claim.writtenName] ?? []
      }
      try checkBalances(of: proof, scales, output)
      return nil
    } catch {
      var error = error
      guard error.severity != .warning else {
        error.severity = .remark
        return error
      }
      throw error.status == .inputOutput ? error : .notProved(error, output)
    }
  }

  private func readBack(
    _ written: WrittenModel, as output: String
  ) throws(Diagnostic) -> (Model, WeightStore) {
    do throws(Diagnostic) {
      return try Importer.load(
        written.path, dataFiles: written.data.map { [$0.location: $0.path] } ?? [:])
    } catch {
      // Not to be read is another fault than to be no model.
      guard error.status == .malformedInput else { throw .cannotReadBack(output, error.message) }
      throw error
    }
  }

  /// Both models as they are compared.
  private func plain(
    _ source: Model, _ written: Model, _ file: String, _ fullscales: [Double],
    _ numbers: @escaping (Weight) -> [Double]?
  ) throws(Diagnostic) -> (source: Graph, written: Graph) {
    let operators = try OperatorTable.embedded()
    guard
      let erased = PlainForm.ofWritten(
        written, operators, fullscales: fullscales, numbers: numbers),
      let plain = PlainForm.ofSource(source, of: erased, opset: written.opset, operators)
    else {
      throw .notCompared(
        "model", "has calls that become more than \(PlainForm.nodeLimit) nodes", file: file)
    }
    return (plain, erased)
  }

  /// Throws the first difference of the graphs, or what could not be compared.
  private func checkGraph(of proof: StructuralProof, _ quantized: String) throws(Diagnostic) {
    if let first = proof.differences.first {
      throw .structureDiffers(
        first.place, first.message, count: proof.differences.count, file: quantized)
    }
    if let (place, reason) = proof.notCompared {
      throw .notCompared(place, reason, file: quantized)
    }
  }

  /// Finds the scale that each weight's codes were made with, and puts it into the equations.
  private func checkWeights(
    of proof: StructuralProof, _ fullscales: [FP8Format: [Float]], _ source: WeightStore,
    _ written: WeightStore, _ quantized: String
  ) throws(Diagnostic) {
    var scales = [[[Double]]](repeating: [], count: proof.claims.count)
    var constants = [[[Double]]](repeating: [], count: proof.claims.count)
    for balance in proof.balances {
      for claim in balance.claims {
        for constant in balance.constants where !constants[claim].contains(constant) {
          constants[claim].append(constant)
        }
      }
    }
    let later = Set(proof.sameCodes.keys).subtracting(proof.balances.flatMap(\.claims))
    let asked = constants.enumerated().filter { !later.contains($0.offset) }
      .map { (claim: $0.offset, candidates: $0.element) }
    let claims = proof.claims
    func answer(_ questions: [(claim: Int, candidates: [[Double]])]) throws(Diagnostic) {
      let found = try Parallel.map(questions, jobs: options.jobs ?? Parallel.processors) {
        (question) throws(Diagnostic) in
        try self.scales(
          of: claims[question.claim], among: question.candidates, fullscales, source, written)
      }
      for (question, found) in zip(questions, found) { scales[question.claim] = found }
    }
    try answer(asked)
    // A scale that was merged with another constant follows from the equation once the others are known. Where
    // several of one equation are left: only powers of two are merged, so a scale is one, or one times a
    // constant of some layer.
    let vectors = constants.joined().reduce(into: Set<[Double]>()) { set, constant in
      if constant.count > 1 { set.insert(constant) }
    }.sorted { $0.lexicographicallyPrecedes($1) }
    var guessed = later
    while let first = scales.indices.first(where: { scales[$0].isEmpty && !guessed.contains($0) }) {
      let count = scales.count(where: \.isEmpty)
      var questions: [(claim: Int, candidates: [[Double]])] = []
      for balance in proof.balances {
        let open = balance.claims.filter { scales[$0].isEmpty }
        guard let claim = open.first, open.count == 1,
          !questions.contains(where: { $0.claim == claim })
        else { continue }
        let known = balance.claims.compactMap { scales[$0].first }
        questions.append((claim, balance.remainder(scales: known)))
      }
      try answer(questions)
      guard scales.count(where: \.isEmpty) == count else { continue }
      guessed.insert(first)
      let candidates = Compiler.powers.flatMap { power in
        [[power]] + vectors.map { $0.map { $0 * power } }
      }
      try answer([(first, candidates)])
    }
    func checkFound(_ claims: some Sequence<Int>) throws(Diagnostic) {
      for claim in claims where scales[claim].isEmpty {
        throw .weightDiffers(
          proof.claims[claim].sourceName, written: proof.claims[claim].writtenName,
          isCode: proof.claims[claim].written.type().element.isFloat8, file: quantized)
      }
    }
    try checkFound(scales.indices.filter { !later.contains($0) })
    for balance in proof.balances where !holds(balance, scales) {
      // Codes that are all zero or all at the limit follow from several scales, of which the constants may
      // have named another one.
      let weights = balance.claims.reduce(into: [Int]()) { if !$0.contains($1) { $0.append($1) } }
      try answer(
        weights.map { weight in
          (
            weight,
            scales[weight].flatMap { scale in
              Compiler.powers.map { power in scale.map { $0 * power } }
            }
          )
        })
    }
    try checkBalances(of: proof, scales, quantized)
    let same = proof.sameCodes.sorted { $0.key < $1.key }
    try answer(same.map { ($0.key, scales[$0.value]) })
    try checkFound(same.map(\.key))
  }

  /// Throws the first equation that does not hold with what was found of the scales of each claim.
  private func checkBalances(
    of proof: StructuralProof, _ scales: [[[Double]]], _ quantized: String
  ) throws(Diagnostic) {
    for balance in proof.balances where !holds(balance, scales) {
      let first = balance.claims.map { scales[$0].first ?? [1] }
      throw .structureDiffers(
        balance.place, "reads a value times \(balance.text(scales: first))", count: 1,
        file: quantized)
    }
  }

  /// True where one choice of the scales that were found, the same wherever a weight is read, fulfils an equation.
  private func holds(_ balance: StructuralProof.Balance, _ scales: [[[Double]]]) -> Bool {
    var choices: [[Int: [Double]]] = [[:]]
    for claim in balance.claims where choices.first?[claim] == nil {
      choices = choices.prefix(Compiler.choiceLimit).flatMap { choice in
        scales[claim].map { scale in choice.merging([claim: scale]) { old, _ in old } }
      }
    }
    return choices.contains { choice in
      balance.holds(scales: balance.claims.compactMap { choice[$0] })
    }
  }

  /// The most nodes with which a model is proved while it is written: with calls written out, the proof takes
  /// longer than the rest where there are hardly any weights.
  static let provedNodes = 20_000

  /// The powers of two that scales are.
  private static let powers = (-48...24).map { Double(sign: .plus, exponent: $0, significand: 1) }

  /// The most combinations of scales that are tried for one equation.
  private static let choiceLimit = 128

  /// The most elements that a constant which is looked at may have.
  private static let smallCount = 1 << 16

  /// The elements of a small constant; what keeps them from being read is left in `failure`.
  private func numbers(
    of weight: Weight, in store: WeightStore, _ failure: ReadFailure
  ) -> [Double]? {
    let type = weight.type()
    guard type.element.isHighPrecision, let count = type.elementCount,
      count > 0, count <= Compiler.smallCount
    else { return nil }
    var wide = weight
    if type.element != .float32 { wide.recipe.append(.cast(.float32)) }
    var sink = MemorySink()
    do throws(Diagnostic) {
      _ = try store.write(wide, to: &sink)
    } catch {
      failure.first = failure.first ?? error
      return nil
    }
    return stride(from: 0, to: sink.bytes.count, by: 4).map { start in
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(sink.bytes[start + $1]) << UInt32(8 * $1) }
      return Double(Float(bitPattern: bits))
    }
  }

  // MARK: Weights

  /// The full scales that targets have for a format.
  private func fullscales(of targets: [Target]) -> [FP8Format: [Float]] {
    var result: [FP8Format: [Float]] = [:]
    for limits in targets.flatMap(\.formats)
    where result[limits.encoding]?.contains(limits.fullscale) != true {
      result[limits.encoding, default: []].append(limits.fullscale)
    }
    return result
  }

  /// The same of a file: which target it was written for is said by an option or not at all, but the operators
  /// of one that is not built in say where they saturate.
  private func fullscales(saidBy graph: Graph) throws(Diagnostic) -> [FP8Format: [Float]] {
    var targets = try Target.names.map { (name) throws(Diagnostic) in try Target.load(name) }
    let known = Set(targets.map(\.domain))
    if let name = options.target { targets.append(try Target.load(name)) }
    var result = fullscales(of: targets)
    for id in graph.nodeIDs where !graph[id].domain.isEmpty && !known.contains(graph[id].domain) {
      guard let fullscale = graph[id].float("saturate_at"), let element = graph[id].int("to"),
        let format = FP8Format.allCases.first(where: { Int64($0.element.rawValue) == element }),
        result[format]?.contains(fullscale) != true
      else { continue }
      result[format, default: []].append(fullscale)
    }
    return result
  }

  private func bounds(_ fullscales: [FP8Format: [Float]]) -> [Double] {
    fullscales.values.flatMap { $0 }.map { Double($0) }.sorted()
  }

  /// The scales with which the source's bytes give those that were written, `[1]` for what is not quantized.
  private func scales(
    of claim: StructuralProof.Claim, among candidates: [[Double]],
    _ fullscales: [FP8Format: [Float]], _ source: WeightStore, _ written: WeightStore
  ) throws(Diagnostic) -> [[Double]] {
    var expected = claim.source
    expected.isOverridable = false
    if let permutation = claim.permutation { expected.recipe.append(.transpose(permutation)) }
    let type = claim.written.type()
    guard expected.type().elementCount == type.elementCount else { return [] }
    let found = try written.digest(of: claim.written)
    if try source.digest(of: expected) == found { return [[1]] }
    let from = expected.type().element
    guard from != type.element, from.isHighPrecision else { return [] }
    guard let format = FP8Format.allCases.first(where: { $0.element == type.element }) else {
      guard type.element.isHighPrecision else { return [] }
      expected.recipe.append(.cast(type.element, saturates: true))
      return try source.digest(of: expected) == found ? [[1]] : []
    }
    let channels =
      (type.shape?.indices.contains(claim.channelAxis) ?? false)
      ? type.shape?[claim.channelAxis].size : nil
    var result: [[Double]] = []
    for numbers in candidates {
      let floats = numbers.map { Float($0) }
      guard floats.allSatisfy({ $0.isFinite && $0 > 0 }),
        floats.count == 1 || Int64(floats.count) == channels
      else { continue }
      let scale =
        floats.count == 1
        ? Scale.perTensor(floats[0]) : .perChannel(floats, axis: claim.channelAxis)
      search: for fullscale in fullscales[format] ?? [] {
        for via in [nil, ElementType.bfloat16, .float16] {
          var candidate = expected
          candidate.recipe.append(
            .quantize(
              Quantization(element: type.element, scale: scale, fullscale: fullscale, via: via)))
          guard try source.digest(of: candidate) == found else { continue }
          result.append(numbers)
          break search
        }
      }
    }
    return result
  }
}

/// What kept constants from being read, the first of it.
private final class ReadFailure {
  var first: Diagnostic?
}

/// A model and its data file, written and without their names yet.
struct WrittenModel {
  let path: String
  let data: (location: String, path: String)?
}

extension Graph {
  /// The scales of the weights that are cast to codes, by name; bodies may have several of one.
  fileprivate var scalesOfCodes: [String: [[Double]]] {
    var result: [String: [[Double]]] = [:]
    for id in weights {
      for case .quantize(let quantization) in self[id].weight?.recipe ?? [] {
        switch quantization.scale {
        case .perTensor(let value): result[self[id].name, default: []].append([Double(value)])
        case .perChannel(let values, _):
          result[self[id].name, default: []].append(values.map { Double($0) })
        case .dynamic: break
        }
      }
    }
    for body in nodeIDs.flatMap({ self[$0].bodies }) {
      result.merge(body.scalesOfCodes) { $0 + $1 }
    }
    return result
  }
}

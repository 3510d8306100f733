internal import FP8
internal import IR
internal import ONNX
internal import Passes
internal import Support
internal import Weights

/// What has to be known of one weight before scales are assigned: its range and, where the method
/// searches, its best scale.
private struct WeightQuestion: Sendable {
  let name: String
  let weight: Weight
  let channels: WeightChannels
  /// The axis of the output channels, whatever the method's granularity.
  let channelAxis: Int?
  let search: WeightSearch
  let searches: Bool
  let rule: ScaleRule
  let hp: HighPrecision

  struct Answer: Sendable {
    var maxAbs: [Float]
    var scale: Scale?
    var nonFiniteCount = 0
    var firstNonFinite: Int?
  }

  /// The question in words, without the weight: what its answer follows from.
  var text: String {
    var words = ["axis", channels.axis.map(String.init) ?? "none"]
    if searches {
      let choice = search.choice
      words += [
        "search", choice.granularity.rawValue, choice.rounding.rawValue, "\(choice.backoff)",
        "\(choice.candidates ?? [])", choice.objective.rawValue,
        channelAxis.map(String.init) ?? "none", "\(rule.limits.encoding)",
        "\(rule.limits.fullscale)", "\(rule.limits.alignedScales)", rule.arithmetic.rawValue,
        rule.precision.rawValue, hp.rawValue,
      ]
    }
    return words.joined(separator: " ")
  }

  /// Reads the weight once for its range and a search over the whole tensor, and once more for one over
  /// its channels, which needs their ranges first.
  func answer(from store: WeightStore) throws(Diagnostic) -> Answer {
    let choice = search.choice
    let axis = channels.axis
    var whole: ScaleSearch?
    if searches, axis == nil, choice.objective == .squaredError {
      whole = ScaleSearch(
        encoding: rule.limits.encoding, fullscale: rule.limits.fullscale,
        candidates: rule.tensorCandidates, elements: weight.type().elementCount ?? 0)
    }
    let ranges = try store.ranges(of: weight, axis: axis, feeding: &whole)
    var scale = whole?.best(comparingIn: hp).map { Scale.perTensor($0) }
    if searches, axis == nil, choice.objective == .relativePerChannel {
      scale = try scaleByRelativeError(store).map { .perTensor($0) }
    } else if searches, let axis {
      scale = .perChannel(try channelScales(axis, ranges, store), axis: axis)
    }
    return Answer(
      maxAbs: ranges.maxAbs, scale: scale, nonFiniteCount: ranges.nonFiniteCount,
      firstNonFinite: ranges.firstNonFinite)
  }

  /// What an earlier run answered; `nil` where it does not fit the question.
  func answer(_ known: IncrementalRecord.Answer) -> Answer? {
    guard searches else { return Answer(maxAbs: known.maxAbs) }
    guard let scales = known.scales, scales.count == known.maxAbs.count, let first = scales.first
    else { return nil }
    return Answer(
      maxAbs: known.maxAbs,
      scale: channels.axis.map { .perChannel(scales, axis: $0) } ?? .perTensor(first))
  }

  /// The scale of a whole tensor that its channels are best with.
  private func scaleByRelativeError(_ store: WeightStore) throws(Diagnostic) -> Float? {
    var search = ScaleSearch(
      encoding: rule.limits.encoding, fullscale: rule.limits.fullscale,
      candidates: rule.tensorCandidates,
      channels: try store.layout(of: weight, axis: channelAxis))
    try store.feed(weight, to: &search)
    return search.bestByRelativeError()
  }

  /// The multiples of each channel's own scale with the least error.
  private func channelScales(
    _ axis: Int, _ ranges: RangeAccumulator, _ store: WeightStore
  ) throws(Diagnostic) -> [Float] {
    let precision = HighPrecision(weight.type().element) ?? .fp32
    let references = ranges.maxAbs.map {
      rule.channelScale(forMaxAbs: $0, in: precision).value ?? 1
    }
    var search = ScaleSearch(
      encoding: rule.limits.encoding, fullscale: rule.limits.fullscale, references: references,
      multipliers: rule.channelMultipliers, layout: try store.layout(of: weight, axis: axis))
    try store.feed(weight, to: &search)
    return search.bestPerChannel(comparingIn: hp)
  }
}

extension Compiler {
  /// How many processors may work on the weights of a model.
  ///
  /// `channels` are those whose scales are still to be found.
  func jobs(
    for model: Model, _ store: WeightStore, isQDQ: Bool, channels: Int = 0
  ) throws(Diagnostic) -> Int {
    var plan = MemoryPlan(model, structure: store.model.structureLength, isQDQ: isQDQ)
    plan.addChannels(channels)
    do throws(Diagnostic) {
      return try plan.jobs(
        upTo: options.jobs ?? Parallel.processors, within: options.memoryLimit)
    } catch {
      throw error.inFile(options.model)
    }
  }

  /// Answers the questions that the passes have of weights, several at a time; the answers do not depend on
  /// how many.
  ///
  /// What the record of an earlier run answers is not read again.
  func gatherWeightStatistics(
    of model: Model, _ store: WeightStore, _ context: inout PassContext,
    _ record: inout IncrementalRecord?
  ) throws(Diagnostic) {
    var questions = try questions(of: model, context.settings)
    if var earlier = record {
      questions = try left(of: questions, by: &earlier, &context)
      record = earlier
    }
    let channels = questions.reduce(0) { sum, question in
      let sizes = question.weight.type().sizes ?? []
      guard let axis = question.channels.axis, sizes.indices.contains(axis) else { return sum }
      return sum + Int(sizes[axis])
    }
    let jobs = try jobs(
      for: model, store, isQDQ: context.settings.form == .qdq, channels: channels)
    if !questions.isEmpty {
      console.begin(
        "reading weights", of: questions.reduce(0) { $0 + $1.weight.byteCount }, in: .bytes)
    }
    let answers = try Parallel.map(questions, jobs: jobs) { (question) throws(Diagnostic) in
      let answer = try question.answer(from: store)
      try console.advance(by: question.weight.byteCount)
      let count = answer.nonFiniteCount
      guard count == 0 || options.allowsNonFinite else {
        throw .weightNotFinite(question.name, count: count, first: answer.firstNonFinite ?? 0)
      }
      return answer
    }
    console.finish()
    for (question, answer) in zip(questions, answers) {
      if answer.nonFiniteCount > 0 {
        context.warn(
          .weightNotFinite(
            question.name, count: answer.nonFiniteCount, first: answer.firstNonFinite ?? 0))
      } else {
        try record?.note(
          IncrementalRecord.Answer(maxAbs: answer.maxAbs, scales: answer.scale?.values),
          to: question.text, of: question.weight)
      }
      give(answer, to: question, &context)
    }
  }

  private func give(
    _ answer: WeightQuestion.Answer, to question: WeightQuestion, _ context: inout PassContext
  ) {
    context.settings.weightRanges[question.channels] = answer.maxAbs
    if let scale = answer.scale { context.settings.searchedScales[question.search] = scale }
  }

  /// Gives the passes what an earlier run found, and returns the questions that are left.
  private func left(
    of questions: [WeightQuestion], by record: inout IncrementalRecord,
    _ context: inout PassContext
  ) throws(Diagnostic) -> [WeightQuestion] {
    var left: [WeightQuestion] = []
    for question in questions {
      guard let known = try record.answer(to: question.text, of: question.weight),
        let answer = question.answer(known)
      else {
        left.append(question)
        continue
      }
      give(answer, to: question, &context)
    }
    return left
  }

  private func questions(
    of model: Model, _ settings: PassSettings
  ) throws(Diagnostic) -> [WeightQuestion] {
    var questions: [WeightQuestion] = []
    var asked: Set<WeightSearch> = []
    var ranged: Set<WeightChannels> = []
    for placed in model.placedModules {
      let method = settings.method(of: placed.module)
      let rule = try settings.rule(method.weight)
      for port in placed.module.ports where port.role == .weight {
        guard let weight = placed.weight(of: port) else { continue }
        let channels = settings.channels(of: port, in: placed.graph, method)
        let search = WeightSearch(channels, method.weight)
        let searches =
          method.weight.value == .search && settings.searchedScales[search] == nil
          && asked.insert(search).inserted
        guard ranged.insert(channels).inserted || searches else { continue }
        questions.append(
          WeightQuestion(
            name: placed.graph.name(of: port), weight: weight, channels: channels,
            channelAxis: port.channelAxis, search: search, searches: searches, rule: rule,
            hp: settings.hp))
      }
    }
    return questions
  }
}

internal import FP8
internal import IR
package import Support
internal import Targets

/// What a golden file says about a run beside the graph: comment lines in front of it.
///
///     // RANGE: fc input 6.5             a module's measured range: path, port, one number or more
///     // WEIGHT: @w 0.8                  a weight's largest magnitude, over all its elements
///     // WEIGHT: @w axis 1 0.8 0.4       the same for each index of an axis
///     // SEARCHED: @w 0.0625             the scale that a search over a weight found
///     // SEARCHED: @w axis 1 0.5 0.25    the same for each index of an axis
///     // METHOD: maxabs_pow2             the scale method
///     // METHODS: {"default": …}        INC's object form of the scale method
///     // DYNAMIC: scales                 scales of activations are computed when the model runs
///     // TARGET: gaudi3                  the accelerator
///     // FORMAT: e5m2                    the FP8 format
///     // HP: fp32                        the high precision type, and the arithmetic that goes with it
///     // VIA: bf16                       the type that weights are rounded to before FP8
///     // ALLOW-NAME: ^fc$                the same for ALLOW-TYPE, BLOCK-NAME and BLOCK-TYPE
///     // MEASURE: outputs                outputs are measured too
///     // UNMEASURED: ignored             modules without a measurement are left
///     // CACHE: fp8                      caches enter and leave the graph as codes
///     // NONFINITE: allowed              an infinite range counts as the largest number
///
/// Names are separated by spaces. Any other comment is for people.
package struct GoldenFacts {
  private let lines: [(key: String, words: [String])]

  package init(_ text: String) {
    lines = text.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("// "), let colon = line.firstIndex(of: ":") else { return nil }
      let key = line[..<colon].dropFirst(3)
      guard key != "RUN", key.allSatisfy({ $0.isUppercase || $0 == "-" }) else { return nil }
      let words = line[colon...].dropFirst().split(separator: " ").map(String.init)
      return (String(key), words)
    }
  }

  /// The default settings with what the lines change.
  package func settings() throws(Diagnostic) -> PassSettings {
    var settings = try PassSettings()
    if let name = word("TARGET") { settings.target = try Target.load(name) }
    let format = word("FORMAT").flatMap(FP8Format.init) ?? .e4m3
    settings.limits = try settings.target.limits(of: format)
    if let hp = word("HP").flatMap(HighPrecision.init) { settings.hp = hp }
    settings.arithmetic = ScaleArithmetic.standard(for: settings.hp)
    if let name = word("METHOD") {
      settings.plan = MethodPlan(try MethodTable.embedded().method(name))
    }
    if let line = lines.first(where: { $0.key == "METHODS" }) {
      let text = line.words.joined(separator: " ")
      let object = JSONReader(try JSON.parse(Array(text.utf8), file: nil))
      settings.plan = try MethodPlan(object, try MethodTable.embedded())
    }
    settings.weightsVia = word("VIA").flatMap(HighPrecision.init)
    settings.measuresOutputs = word("MEASURE") == "outputs"
    settings.ignoresUnmeasured = word("UNMEASURED") == "ignored"
    settings.allowsNonFinite = word("NONFINITE") == "allowed"
    settings.hasFP8Cache = word("CACHE") == "fp8"
    settings.isDynamic = word("DYNAMIC") == "scales"
    if settings.isDynamic {
      settings.selection.dynamicTypes = settings.modules.types.filter(\.isDynamic).map(\.name)
    }
    settings.selection.allowedTypes = words("ALLOW-TYPE")
    settings.selection.blockedTypes = words("BLOCK-TYPE")
    settings.selection.allowedNames = try patterns("ALLOW-NAME")
    settings.selection.blockedNames = try patterns("BLOCK-NAME")
    for line in lines { try read(line.key, line.words, &settings) }
    return settings
  }

  private func read(
    _ key: String, _ words: [String], _ settings: inout PassSettings
  ) throws(Diagnostic) {
    switch key {
    case "RANGE":
      guard words.count >= 3 else { throw .goldenLine(key, words) }
      if settings.ranges[words[0]] == nil { settings.unboundNames.append(words[0]) }
      settings.ranges[words[0], default: [:]][words[1]] = try numbers(words[2...], key)
    case "WEIGHT":
      let (value, axis, numbers) = try weight(words, key)
      settings.weightRanges[WeightChannels(value, axis: axis)] = numbers
    case "SEARCHED":
      let (value, axis, numbers) = try weight(words, key)
      let search = WeightSearch(
        WeightChannels(value, axis: axis), settings.plan.standard.weight)
      settings.searchedScales[search] =
        axis.map { .perChannel(numbers, axis: $0) } ?? .perTensor(numbers[0])
    case "ALLOW-NAME", "ALLOW-TYPE", "BLOCK-NAME", "BLOCK-TYPE", "CACHE", "DYNAMIC", "FORMAT", "HP",
      "MEASURE",
      "METHOD", "METHODS", "NONFINITE", "TARGET", "UNMEASURED", "VIA":
      return
    default: throw .goldenLine(key, words)
    }
  }

  /// A weight by name, its axis and the numbers; no weight where a pass took it away.
  private func weight(_ words: [String], _ key: String) throws(Diagnostic) -> (
    String, axis: Int?, [Float]
  ) {
    guard let name = words.first, name.hasPrefix("@") else { throw .goldenLine(key, words) }
    let axis = words.count > 3 && words[1] == "axis" ? Int(words[2]) : nil
    return (
      String(name.dropFirst()), axis, try numbers(words.dropFirst(axis == nil ? 1 : 3), key)
    )
  }

  private func numbers(_ words: ArraySlice<String>, _ key: String) throws(Diagnostic) -> [Float] {
    let numbers = words.compactMap { Float($0) }
    guard !numbers.isEmpty, numbers.count == words.count else {
      throw .goldenLine(key, Array(words))
    }
    return numbers
  }

  private func patterns(_ key: String) throws(Diagnostic) -> [PathPattern] {
    try words(key).map { (word) throws(Diagnostic) in try PathPattern(word) }
  }

  private func word(_ key: String) -> String? { words(key).last }

  private func words(_ key: String) -> [String] {
    lines.filter { $0.key == key }.flatMap { $0.words }
  }
}

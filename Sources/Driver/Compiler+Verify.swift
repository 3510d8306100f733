internal import Calibration
internal import Glibc
internal import IR
internal import NPZ
package import Support
internal import Verification

extension Compiler {
  /// `fp8c verify`: proves that the models are one but for the quantization; with inputs, runs both too and
  /// prints the SQNR of every output, and with labels how many answers are right.
  package func verify(
    quantized: String, inputs: [String], labels: String?, minimum: Double?, maximumDrop: Double?
  ) throws(Diagnostic) -> ExitStatus {
    if maximumDrop != nil, labels == nil { throw .dropWithoutLabels() }
    do throws(Diagnostic) {
      let proof = try proveStructure(of: quantized)
      let (nodes, weights) = (proof.nodeCount, proof.claims.count)
      try console.result("structure: \(nodes) operators and \(weights) weights are the source's\n")
    } catch {
      // Running the models says something all the same.
      guard error.severity == .warning, !inputs.isEmpty else {
        var error = error
        error.severity = .error
        throw error
      }
      console.report(error)
    }
    guard !inputs.isEmpty else { return .done }
    let (model, _) = try load(options.model)
    let graph = model.graph
    let place = try labels.map { (text) throws(Diagnostic) in
      guard let place = ArrayPlace(text) else { throw .badLabels(text) }
      return place
    }
    let set = try CalibrationSet(
      paths: inputs,
      inputs: graph.inputs.map { id in
        CalibrationSet.Input(
          name: graph[id].name, type: graph[id].type?.tensor, isOptional: graph[id].weight != nil)
      }, labels: place, readTensor: Compiler.readTensor)
    let runtime = try Runtime.find(
      options.onnxruntime, environment: environment, executable: executablePath)
    let reference = try Session(runtime, path: options.model)
    let candidate = try Session(runtime, path: quantized)
    let outputs = graph.outputs.map { graph[$0].name }
    var comparison = Comparison(outputs: outputs)
    var answers = try place.map { (place) throws(Diagnostic) in try Answers(place) }
    try set.forEachBatch { (batch, _) throws(Diagnostic) in
      let expected = try reference.run(batch, outputs: outputs)
      let found = try candidate.run(batch, outputs: outputs)
      comparison.add(expected, found)
      try answers?.add(expected.first ?? nil, found.first ?? nil)
    }
    try console.result(comparison.text)
    if let answers { try console.result(answers.text) }
    if let minimum, comparison.worst < minimum { return .checkFailed }
    if let maximumDrop, let answers, answers.drop > maximumDrop { return .checkFailed }
    return .done
  }
}

/// How far every float output is from the source's over all batches.
private struct Comparison {
  private struct Sums {
    var isCompared = false
    var signal = 0.0
    var found = 0.0
    var product = 0.0
    var error = 0.0
    var largest = 0.0
  }

  private let outputs: [String]
  private var sums: [Sums]

  init(outputs: [String]) {
    self.outputs = outputs
    sums = Array(repeating: Sums(), count: outputs.count)
  }

  mutating func add(_ expected: [Tensor?], _ found: [Tensor?]) {
    for index in outputs.indices {
      guard let left = expected[index]?.floats, let right = found[index]?.floats,
        left.count == right.count
      else { continue }
      sums[index].isCompared = true
      for (x, y) in zip(left, right) {
        let (x, y) = (Double(x), Double(y))
        sums[index].signal += x * x
        sums[index].found += y * y
        sums[index].product += x * y
        sums[index].error += (x - y) * (x - y)
        let distance = abs(x - y)
        if !(distance <= sums[index].largest) { sums[index].largest = distance }
      }
    }
  }

  private func decibels(_ sums: Sums) -> Double {
    if sums.error == 0 { return .infinity }
    return sums.error.isNaN ? -.infinity : 10 * log10(sums.signal / sums.error)
  }

  /// The cosine of the angle between all elements before and after; 1 where both are zero.
  private func cosine(_ sums: Sums) -> Double {
    if sums.error == 0 { return 1 }
    return sums.product / (sums.signal * sums.found).squareRoot()
  }

  /// The least SQNR of a compared output, in dB.
  var worst: Double { sums.filter(\.isCompared).map { decibels($0) }.min() ?? .infinity }

  var text: String {
    zip(outputs, sums).map { name, sums in
      guard sums.isCompared else { return "\(printable(name)): not compared\n" }
      return "\(printable(name)): \(rounded(decibels(sums), 10)) dB, "
        + "cosine \(rounded(cosine(sums), 1e6)), largest error \(Float(sums.largest))\n"
    }.joined()
  }

  private func rounded(_ value: Double, _ steps: Double) -> String {
    value.isFinite ? String((value * steps).rounded() / steps) : "\(value)"
  }
}

/// How many of a classifier's answers are right, before and after.
private struct Answers {
  private let labels: [Int64]
  private var position = 0
  private var right = (reference: 0, candidate: 0)

  /// Class numbers in an array of any shape.
  init(_ place: ArrayPlace) throws(Diagnostic) {
    let array = try NPZFile(path: place.file).array(place.key)
    guard array.type == .int64 else { throw .badLabels("\(place.file):\(place.key)") }
    var labels: [Int64] = []
    for start in stride(from: 0, to: array.bytes.count, by: 8) {
      var label: UInt64 = 0
      for byte in 0..<8 { label |= UInt64(array.bytes[start + byte]) << UInt64(8 * byte) }
      labels.append(Int64(bitPattern: label))
    }
    self.labels = labels
  }

  mutating func add(_ reference: Tensor?, _ candidate: Tensor?) throws(Diagnostic) {
    guard let reference, let candidate, let first = reference.classes,
      let second = candidate.classes, first.count == second.count
    else { throw .notAClassifier() }
    guard position + first.count <= labels.count else {
      throw .tooFewLabels(labels.count)
    }
    for index in first.indices {
      let label = labels[position + index]
      if first[index] == label { right.reference += 1 }
      if second[index] == label { right.candidate += 1 }
    }
    position += first.count
  }

  /// The share of all answers that FP8 gets right less often.
  var drop: Double {
    position == 0 ? 0 : Double(right.reference - right.candidate) / Double(position)
  }

  var text: String {
    "right of \(position): \(right.reference) by the source, \(right.candidate) in FP8\n"
  }
}

extension Tensor {
  /// The place of the largest element in each row of the last axis.
  fileprivate var classes: [Int64]? {
    guard let values = floats, let size = shape.last.map({ Int($0) }), size > 0 else { return nil }
    return stride(from: 0, to: values.count, by: size).map { start in
      var best = start
      for index in start..<start + size where values[index] > values[best] { best = index }
      return Int64(best - start)
    }
  }
}

internal import Calibration
internal import IR
internal import NPZ
internal import Reports
internal import Support

/// How far every float output is from the source's over all batches.
struct OutputComparison {
  private struct Sums {
    var isCompared = false
    var signal = 0.0
    var found = 0.0
    var product = 0.0
    var error = 0.0
    var largest = 0.0
  }

  private let outputs: [String]
  /// What is said behind the name of an output.
  private let remark: String
  private var sums: [Sums]

  init(outputs: [String], remark: String = "") {
    self.outputs = outputs
    self.remark = remark
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
    Decibels.ratio(signal: sums.signal, error: sums.error)
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
      guard sums.isCompared else { return "\(printable(name))\(remark): not compared\n" }
      return "\(printable(name))\(remark): \(Decibels.text(decibels(sums))) dB, "
        + "cosine \(rounded(cosine(sums), 1e6)), largest error \(Float(sums.largest))\n"
    }.joined()
  }

  private func rounded(_ value: Double, _ steps: Double) -> String {
    value.isFinite ? String((value * steps).rounded() / steps) : "\(value)"
  }
}

/// How many of a classifier's answers are right, before and after.
struct Answers {
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

  /// The share of answers that are right in FP8.
  var accuracy: Double { position == 0 ? 0 : Double(right.candidate) / Double(position) }

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

/// What a value is multiplied by: a number, and vectors where channels have numbers of their own.
///
/// Vectors are kept by their length: the layers of a network without anything between them have channels
/// each, and only what multiplies the same channels is multiplied together.
struct Factor: Equatable, Sendable {
  private(set) var number = 1.0
  private(set) var channels: [Int: [Double]] = [:]
  /// The constants that it is the product of, as they are stored.
  private(set) var constants: [[Double]] = []

  /// The scales that are computed when the model runs: how often each multiplies, by its name.
  private(set) var measured: [String: Int] = [:]
  /// Where such a scale is not one number, along which axes it is.
  private var evenAxes: [String: EvenAxes] = [:]

  /// The axes along which a tensor has one number.
  enum EvenAxes: Equatable {
    case all
    /// Counted from the end.
    case some(Set<Int64>)
    case unknown
  }

  /// True where more was multiplied than is followed, or what is not finite.
  var isUnknown = false

  init() {}

  /// The factor of a constant.
  init(_ values: [Double]) {
    if values.count == 1 { number = values[0] } else { channels[values.count] = values }
    constants = [values]
    isUnknown = !values.allSatisfy(\.isFinite)
  }

  init(number: Double) {
    self.number = number
    isUnknown = !number.isFinite
  }

  /// The factor of a scale that is computed when the model runs.
  init(measured name: String, evenAlong axes: EvenAxes) {
    measured[name] = 1
    if axes != .all { evenAxes[name] = axes }
  }

  /// Along which axes it is one number, where it is nothing but one scale of the running model.
  var axesOfOneMeasured: EvenAxes? {
    guard let name = measured.keys.first,
      self == Factor(measured: name, evenAlong: evenAxes[name] ?? .all)
    else { return nil }
    return evenAxes[name] ?? .all
  }

  var isScalar: Bool { channels.isEmpty && isEven }

  /// True where no scale of the running model has rows of its own.
  var isEven: Bool { evenAxes.isEmpty }

  /// True where every scale of the running model is one number along an axis, so that it passes a sum over it.
  func isEven(along axis: Int64) -> Bool {
    evenAxes.values.allSatisfy { axes in
      if case .some(let axes) = axes { axes.contains(axis) } else { axes == .all }
    }
  }

  /// The most constants that are kept: the scale of a weight is looked for among them.
  private static let constantLimit = 64

  func times(_ other: Factor) -> Factor {
    var result = self
    result.number *= other.number
    result.isUnknown = isUnknown || other.isUnknown
    for (count, values) in other.channels {
      result.channels[count] =
        result.channels[count].map { zip($0, values).map { $0 * $1 } } ?? values
    }
    for (name, count) in other.measured {
      let sum = (result.measured[name] ?? 0) + count
      result.measured[name] = sum == 0 ? nil : sum
      result.evenAxes[name] = sum == 0 ? nil : other.evenAxes[name]
    }
    result.constants += other.constants.prefix(max(0, Factor.constantLimit - constants.count))
    return result
  }

  var inverted: Factor {
    var result = self
    result.number = 1 / number
    result.channels = channels.mapValues { $0.map { 1 / $0 } }
    result.measured = measured.mapValues { -$0 }
    return result
  }

  /// The same with the sign changed.
  var negated: Factor {
    var result = self
    result.number = -number
    return result
  }

  /// The one number that all channels are multiplied by; `nil` where they differ.
  func common(within tolerance: Double) -> Double? {
    guard measured.isEmpty else { return nil }
    var result = number
    for count in channels.keys.sorted() {
      guard let values = channels[count], let first = values.first,
        values.allSatisfy({ abs($0 - first) <= tolerance * abs(first) })
      else { return nil }
      result *= first
    }
    return result
  }

  /// Equal up to what rounding constants takes away: a share of them, or where they are tiny, up to `apart`.
  func isNear(_ other: Factor, within tolerance: Double, apart: Double = 0) -> Bool {
    guard measured == other.measured else { return false }
    if isScalar, other.isScalar, abs(number - other.number) <= apart { return true }
    guard number != 0, other.number != 0 else { return number == other.number }
    // What stands on both sides falls out, channel by channel; what is zero on both says nothing.
    var ratio = number / other.number
    for count in Set(channels.keys).union(other.channels.keys).sorted() {
      let ones = [Double](repeating: 1, count: count)
      let pairs = zip(channels[count] ?? ones, other.channels[count] ?? ones)
      let ratios = pairs.compactMap { ours, theirs -> Double? in
        if ours == theirs { return ours == 0 ? nil : 1 }
        return ours / theirs
      }
      guard let first = ratios.first else { return true }
      guard ratios.allSatisfy({ abs($0 - first) <= tolerance * abs(first) }) else { return false }
      ratio *= first
    }
    return abs(ratio - 1) <= tolerance
  }

  /// For messages.
  var text: String {
    if let name = measured.keys.min() { return "the scale '\(name)'" }
    return common(within: 1e-6).map { "\($0)" } ?? "numbers of channels"
  }
}

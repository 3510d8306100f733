internal import Glibc

/// Pieces of SVG that stretch with the page; text stands beside them, so that it does not.
enum Chart {
  /// A bar over a share of its width, 0 to 1.
  static func bar(_ share: Double) -> HTML {
    """
    <svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">\
    <rect class="ground" width="1000" height="10"/><rect class="mark" width="\(thousandths(share))" height="10"/></svg>
    """
  }

  /// The amplitude of an error beside the worst, from ratios in dB.
  static func share(ofError decibels: Double, worst: Double) -> Double {
    decibels == .infinity ? 0 : min(max(pow(10, (worst - decibels) / 20), 0), 1)
  }

  static func thousandths(_ share: Double) -> Int {
    share.isFinite ? Int((min(max(share, 0), 1) * 1000).rounded()) : 0
  }

  /// An axis in powers of two, and where on it a number stands.
  struct Axis {
    let first: Int
    let last: Int

    /// From the power at or below the least to that at or above the largest number.
    init?(_ numbers: [Double]) {
      let exponents = numbers.filter { $0 > 0 && $0.isFinite }.map { log2($0) }
      guard let least = exponents.min(), let largest = exponents.max() else { return nil }
      first = Int(least.rounded(.down))
      last = max(Int(largest.rounded(.up)), first + 1)
    }

    /// 0 at the left end, 1 at the right; what lies outside is put on the end.
    func place(_ number: Double) -> Double {
      guard number > 0 else { return 0 }
      return min(max((log2(number) - Double(first)) / Double(last - first), 0), 1)
    }

    /// About six powers that are labelled.
    var ticks: [Int] {
      let step = max((last - first + 5) / 6, 1)
      return Array(stride(from: first, through: last, by: step))
    }
  }
}

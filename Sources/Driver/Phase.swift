/// A long piece of work, and how much of it is done.
package struct Phase: Sendable {
  package enum Unit: Sendable {
    case bytes
    case batches
  }

  package let title: String
  /// How much there is, where that is known.
  package let total: Int64?
  let unit: Unit
  let start: ContinuousClock.Instant
  package private(set) var done: Int64 = 0
  private var nextLine: ContinuousClock.Instant?
  /// True while its line is on the terminal.
  var isShown = false

  init(title: String, total: Int64?, unit: Unit, start: ContinuousClock.Instant) {
    self.title = title
    self.total = total
    self.unit = unit
    self.start = start
  }

  /// The line of a log.
  var line: String { total.map { "\(title): \(text(of: Double($0)))" } ?? title }

  mutating func add(_ amount: Int64) { done += amount }

  /// The line of a terminal, where the last one is a tenth of a second old.
  mutating func advance(by amount: Int64, at now: ContinuousClock.Instant) -> String? {
    add(amount)
    if let nextLine, now < nextLine { return nil }
    nextLine = now + .milliseconds(100)
    isShown = true
    return line(after: now - start)
  }

  /// `writing out.onnx: 40 %, 1.2 GB/s, 3 s left`.
  func line(after elapsed: Duration) -> String {
    let seconds =
      Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    var parts = [text(of: Double(done))]
    if let total, total > 0 { parts = ["\(Int(Double(done) / Double(total) * 100)) %"] }
    if seconds > 0, done > 0 {
      let rate = Double(done) / seconds
      parts.append("\(text(of: rate))/s")
      if let total, let left = Int(exactly: (Double(total - done) / rate).rounded(.up)) {
        parts.append("\(left) s left")
      }
    }
    return "\(title): \(parts.joined(separator: ", "))"
  }

  /// A number with one digit behind the point and its unit.
  private func text(of amount: Double) -> String {
    switch unit {
    case .batches: "\(rounded(amount)) \(amount == 1 ? "batch" : "batches")"
    case .bytes:
      switch amount {
      case 1e9...: "\(rounded(amount / 1e9)) GB"
      case 1e6...: "\(rounded(amount / 1e6)) MB"
      default: "\(rounded(amount / 1e3)) kB"
      }
    }
  }

  private func rounded(_ amount: Double) -> String {
    guard let tenths = Int(exactly: (amount * 10).rounded()) else { return "\(amount)" }
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
  }
}

internal import Glibc
internal import Synchronization

/// Work on several processors whose results come in the order in which it was given.
package enum Parallel {
  /// How many processors there are for this process.
  package static var processors: Int { max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1) }

  /// The results of `body` for every item, in their order; of several errors the first by item.
  ///
  /// At most `jobs` items are worked on at once. After an error no more are begun.
  package static func map<Item: Sendable, Value: Sendable>(
    _ items: [Item], jobs: Int,
    _ body: @escaping @Sendable (Item) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> [Value] {
    guard jobs > 1, items.count > 1 else {
      var values: [Value] = []
      values.reserveCapacity(items.count)
      for item in items { values.append(try body(item)) }
      return values
    }
    let outcomes = Outcomes(items, body)
    let helpers = (1..<min(jobs, items.count)).map { _ in Job { outcomes.work() } }
    for helper in helpers { Pool.shared.add(helper) }
    outcomes.work()
    for helper in helpers { helper.finish() }
    return try outcomes.values()
  }
}

/// Items that several threads work on, and what came of them.
private final class Outcomes<Item: Sendable, Value: Sendable>: Sendable {
  private let items: [Item]
  private let body: @Sendable (Item) throws(Diagnostic) -> Value
  private let next = Atomic(0)
  private let outcomes: Mutex<[Result<Value, Diagnostic>?]>

  init(_ items: [Item], _ body: @escaping @Sendable (Item) throws(Diagnostic) -> Value) {
    self.items = items
    self.body = body
    outcomes = Mutex(Array(repeating: nil, count: items.count))
  }

  /// Takes one item after the other until there is none.
  func work() {
    while true {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < items.count else { return }
      let outcome: Result<Value, Diagnostic>
      do throws(Diagnostic) {
        outcome = .success(try body(items[index]))
      } catch {
        outcome = .failure(error)
        next.store(items.count, ordering: .relaxed)
      }
      outcomes.withLock { $0[index] = outcome }
    }
  }

  /// Items before the first error were begun before it and have an outcome.
  func values() throws(Diagnostic) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(items.count)
    for outcome in outcomes.withLock({ $0 }) {
      guard let outcome else { break }
      values.append(try outcome.get())
    }
    return values
  }
}

/// Work that is handed over and taken back in the same order.
package struct WorkQueue<Value: Sendable>: ~Copyable {
  private let jobs: Int
  private var slots: [Slot<Value>] = []

  /// At most `jobs` pieces are under way; with one, they are done where they are handed over.
  package init(jobs: Int) { self.jobs = max(jobs, 1) }

  package var isFull: Bool { slots.count >= jobs }

  package mutating func add(_ work: @escaping @Sendable () -> Value) {
    let slot = Slot(work)
    slots.append(slot)
    if jobs > 1 { Pool.shared.add(slot.job) } else { slot.job.finish() }
  }

  /// The result of what was handed over first, after waiting for it; `nil` where there is nothing.
  package mutating func next() -> Value? {
    slots.isEmpty ? nil : slots.removeFirst().take()
  }
}

/// Where one result arrives.
private final class Slot<Value: Sendable>: Sendable {
  let job: Job
  private let value: Box<Value>

  init(_ work: @escaping @Sendable () -> Value) {
    let value = Box<Value>()
    self.value = value
    job = Job {
      let result = work()
      value.contents.withLock { $0 = result }
    }
  }

  func take() -> Value? {
    job.finish()
    return value.contents.withLock { $0 }
  }
}

private final class Box<Value: Sendable>: Sendable {
  let contents = Mutex<Value?>(nil)
}

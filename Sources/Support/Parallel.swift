internal import Dispatch
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
    _ items: [Item], jobs: Int, _ body: @Sendable (Item) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> [Value] {
    guard jobs > 1, items.count > 1 else {
      var values: [Value] = []
      values.reserveCapacity(items.count)
      for item in items { values.append(try body(item)) }
      return values
    }
    let next = Atomic(0)
    let outcomes = Mutex<[Result<Value, Diagnostic>?]>(Array(repeating: nil, count: items.count))
    DispatchQueue.concurrentPerform(iterations: min(jobs, items.count)) { _ in
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
    // Items before the first error were begun before it and have an outcome.
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
  private let queue = DispatchQueue(label: "fp8c.work", attributes: .concurrent)
  private var slots: [Slot<Value>] = []

  /// At most `jobs` pieces are under way; with one, they are done where they are handed over.
  package init(jobs: Int) { self.jobs = max(jobs, 1) }

  package var isFull: Bool { slots.count >= jobs }

  package mutating func add(_ work: @escaping @Sendable () -> Value) {
    let slot = Slot<Value>()
    slots.append(slot)
    guard jobs > 1 else {
      slot.fill(work())
      return
    }
    queue.async { slot.fill(work()) }
  }

  /// The result of what was handed over first, after waiting for it; `nil` where there is nothing.
  package mutating func next() -> Value? {
    slots.isEmpty ? nil : slots.removeFirst().take()
  }
}

/// Where one result arrives.
private final class Slot<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let isFilled = DispatchSemaphore(value: 0)

  func fill(_ result: Value) {
    value.withLock { $0 = result }
    isFilled.signal()
  }

  func take() -> Value? {
    isFilled.wait()
    return value.withLock { $0 }
  }
}

internal import CSystem
internal import Dispatch

/// A piece of work that is done once, by a thread of the pool or by the one that waits for it.
final class Job: @unchecked Sendable {
  /// Gone once somebody has begun, with all that it holds; looked at under the pool's lock.
  private var work: (@Sendable () -> Void)?
  private let isDone = DispatchSemaphore(value: 0)

  init(_ work: @escaping @Sendable () -> Void) { self.work = work }

  /// Does the work where nobody has begun it.
  func run() {
    guard let work = claimed() else { return }
    work()
    isDone.signal()
  }

  /// Returns when the work is done.
  ///
  /// What no thread has begun is done here, so that work which waits for other work never waits for a thread.
  func finish() {
    run()
    isDone.wait()
    // Done stays done, for who asks again.
    isDone.signal()
  }

  private func claimed() -> (@Sendable () -> Void)? {
    Pool.shared.locked { _ in
      defer { work = nil }
      return work
    }
  }
}

/// The threads of this process: as many as it has processors, started when there is work for them.
///
/// Where the system gives no thread, the work is done by those who wait for it. A queue of the system's library
/// would wait for one without end, as it does in containers that limit processes.
@safe final class Pool: @unchecked Sendable {
  static let shared = Pool()

  /// Looked at under the lock, which is the system's: checkers of threads do not see Swift's `Mutex`.
  private var state = State()
  private let lock = unsafe fp8c_new_lock()
  private let isThere = DispatchSemaphore(value: 0)

  struct State {
    var pending: [Job] = []
    var threads = 0
    var idle = 0
  }

  func add(_ job: Job) {
    let needsThread = locked { state in
      state.pending.append(job)
      guard state.pending.count > state.idle, state.threads < Parallel.processors else {
        return false
      }
      state.threads += 1
      return true
    }
    if needsThread, !startThread() {
      locked { state in
        state.threads -= 1
        if state.threads == 0 { state.pending = [] }
      }
    }
    isThere.signal()
  }

  /// Calls the body with the lock held.
  func locked<Result>(_ body: (inout State) -> Result) -> Result {
    unsafe fp8c_take_lock(lock)
    defer { unsafe fp8c_give_lock(lock) }
    return body(&state)
  }

  private func startThread() -> Bool {
    unsafe fp8c_start_thread({ _ in Pool.shared.work() }, nil) == 0
  }

  private func work() {
    while true {
      locked { $0.idle += 1 }
      isThere.wait()
      let job = locked { state -> Job? in
        state.idle -= 1
        return state.pending.isEmpty ? nil : state.pending.removeFirst()
      }
      job?.run()
    }
  }
}

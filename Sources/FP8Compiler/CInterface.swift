internal import CFP8Compiler
internal import Glibc
internal import Synchronization

/// What stands behind a handle of the C interface.
@safe private final class Handle {
  var job: Job
  private let listener: Listener
  private var error: UnsafeMutablePointer<CChar>?

  init(model: String) {
    let listener = Listener()
    self.listener = listener
    job = Job(model: model) { listener.hear($0) }
  }

  deinit { unsafe free(error) }

  func listen(_ observer: fp8c_observer?, _ context: UnsafeMutableRawPointer?) {
    unsafe listener.set(observer, context)
  }

  var errorText: UnsafePointer<CChar>? { unsafe UnsafePointer(error) }

  /// Keeps an error for `fp8c_job_error`, and gives the status.
  func run(_ work: (Job) throws(Failure) -> Void) -> Int32 {
    do throws(Failure) {
      try work(job)
      return keep(nil, 0)
    } catch {
      return keep(error.message.text, error.status)
    }
  }

  func keep(_ text: String?, _ status: Int32) -> Int32 {
    unsafe free(error)
    unsafe error = text.flatMap { unsafe strdup($0) }
    return status
  }

  /// Takes the value of an option; false where it is none of the option's.
  func set(_ name: String, _ value: String) -> Bool? {
    switch name {
    case "config": job.options.configuration = value
    case "scale-method": job.options.scaleMethod = value
    case "calibration": job.options.calibration.append(value)
    case "dump-stats-path": job.options.statisticsPath = value
    case "onnxruntime": job.options.runtime = value
    case "target": job.options.target = value
    case "qdq", "sync":
      guard let flag = Bool(value) else { return false }
      if name == "qdq" { job.options.writesQDQ = flag } else { job.options.syncs = flag }
    case "jobs":
      guard let count = Int(value), count > 0 else { return false }
      job.options.jobs = count
    case "memory-limit":
      guard let bytes = Int64(value), bytes > 0 else { return false }
      job.options.memoryLimit = bytes
    default: return nil
    }
    return true
  }
}

/// Hands events to a function of C.
private final class Listener: Sendable {
  @safe private struct Observer: @unchecked Sendable {
    let function: fp8c_observer
    let context: UnsafeMutableRawPointer?
  }

  private let observer = Mutex<Observer?>(nil)

  func set(_ function: fp8c_observer?, _ context: UnsafeMutableRawPointer?) {
    let new = unsafe function.map { unsafe Observer(function: $0, context: context) }
    observer.withLock { $0 = new }
  }

  func hear(_ event: Event) {
    guard let observer = observer.withLock({ $0 }) else { return }
    func call(
      _ kind: fp8c_event_kind, _ text: String, message: Message? = nil, done: Int64 = 0,
      total: Int64 = 0
    ) {
      let parts = [text, message?.severity, message?.identifier, message?.file, message?.node]
      let copies = unsafe parts.map { part in unsafe part.flatMap { unsafe strdup($0) } }
      var event = unsafe fp8c_event(
        kind: kind, text: copies[0], severity: copies[1], identifier: copies[2], file: copies[3],
        node: copies[4], done: done, total: total)
      unsafe observer.function(observer.context, &event)
      unsafe copies.forEach { unsafe free($0) }
    }
    switch event {
    case .message(let message): call(FP8C_DIAGNOSTIC, message.text, message: message)
    case .note(let line): call(FP8C_NOTE, line)
    case .result(let text): call(FP8C_RESULT, text)
    case .progress(let progress):
      call(FP8C_PROGRESS, progress.title, done: progress.done, total: progress.total ?? -1)
    }
  }
}

private func handle(_ job: OpaquePointer?) -> Handle? {
  unsafe job.map { unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

private func text(_ string: UnsafePointer<CChar>?) -> String? {
  unsafe string.map { unsafe String(cString: $0) }
}

/// What a function returns that is given NULL for a job or a string.
private let usage: Int32 = 64

@_cdecl("fp8c_job_new")
public func jobNew(_ path: UnsafePointer<CChar>?) -> OpaquePointer? {
  unsafe text(path).map {
    unsafe OpaquePointer(Unmanaged.passRetained(Handle(model: $0)).toOpaque())
  }
}

@_cdecl("fp8c_job_free")
public func jobFree(_ job: OpaquePointer?) {
  guard let job = unsafe job else { return }
  unsafe Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(job)).release()
}

@safe private struct Version: @unchecked Sendable {
  let text: UnsafePointer<CChar>? = unsafe UnsafePointer(strdup(Job.version))
}

private let version = Version()

@_cdecl("fp8c_version")
public func versionText() -> UnsafePointer<CChar>? { unsafe version.text }

@_cdecl("fp8c_job_set")
public func jobSet(
  _ job: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?
) -> Int32 {
  guard let handle = unsafe handle(job), let name = unsafe text(name),
    let value = unsafe text(value)
  else { return usage }
  return switch handle.set(name, value) {
  case true?: handle.keep(nil, 0)
  case false?: handle.keep("error: option '\(name)' has the value '\(value)'", 64)
  case nil: handle.keep("error: there is no option '\(name)'", 64)
  }
}

@_cdecl("fp8c_job_observe")
public func jobObserve(
  _ job: OpaquePointer?,
  _ observer: (@convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?) -> Void)?,
  _ context: UnsafeMutableRawPointer?
) {
  let function = unsafe observer.map { unsafe unsafeBitCast($0, to: fp8c_observer.self) }
  unsafe handle(job)?.listen(function, context)
}

@_cdecl("fp8c_job_inspect")
public func jobInspect(_ job: OpaquePointer?) -> Int32 {
  unsafe handle(job)?.run { (job) throws(Failure) in try job.inspect() } ?? usage
}

@_cdecl("fp8c_job_measure")
public func jobMeasure(_ job: OpaquePointer?) -> Int32 {
  unsafe handle(job)?.run { (job) throws(Failure) in try job.measure() } ?? usage
}

@_cdecl("fp8c_job_quantize")
public func jobQuantize(_ job: OpaquePointer?, _ output: UnsafePointer<CChar>?) -> Int32 {
  guard let handle = unsafe handle(job), let output = unsafe text(output) else { return usage }
  return handle.run { (job) throws(Failure) in try job.quantize(to: output) }
}

@_cdecl("fp8c_job_compile")
public func jobCompile(_ job: OpaquePointer?, _ output: UnsafePointer<CChar>?) -> Int32 {
  guard let handle = unsafe handle(job), let output = unsafe text(output) else { return usage }
  return handle.run { (job) throws(Failure) in try job.compile(to: output) }
}

@_cdecl("fp8c_job_verify")
public func jobVerify(
  _ job: OpaquePointer?, _ quantized: UnsafePointer<CChar>?,
  _ inputs: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int
) -> Int32 {
  guard let handle = unsafe handle(job), let quantized = unsafe text(quantized) else {
    return usage
  }
  let paths = unsafe UnsafeBufferPointer(start: inputs, count: inputs == nil ? 0 : count)
  let batches = unsafe paths.compactMap { unsafe text($0) }
  guard batches.count == paths.count else { return usage }
  return handle.run { (job) throws(Failure) in
    try job.verify(quantized, inputs: batches)
  }
}

@_cdecl("fp8c_job_cancel")
public func jobCancel(_ job: OpaquePointer?) { unsafe handle(job)?.job.cancel() }

@_cdecl("fp8c_job_error")
public func jobError(_ job: OpaquePointer?) -> UnsafePointer<CChar>? {
  unsafe handle(job)?.errorText
}

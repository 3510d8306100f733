internal import CSystem
internal import Glibc
package import Support
internal import Synchronization
internal import Targets

/// Where messages and results go: standard error and standard output.
package struct Console: Sendable {
  private let options: MessageOptions
  /// Messages are coloured on a terminal, as NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR and TERM say.
  private let usesColor: Bool
  /// A phase is one line that changes, not one for each.
  private let isLive: Bool
  /// Takes everything that would go to a stream, where the compiler is part of another program.
  private let observer: (@Sendable (ConsoleEvent) -> Void)?
  private let state = State()

  /// A console of another program.
  package init(observer: @escaping @Sendable (ConsoleEvent) -> Void) {
    options = MessageOptions()
    usesColor = false
    isLive = false
    self.observer = observer
  }

  package init(
    _ options: MessageOptions = MessageOptions(),
    environment: (String) -> String? = { processEnvironment($0) }
  ) {
    self.options = options
    observer = nil
    let isTerminal = isatty(STDERR_FILENO) == 1
    usesColor =
      options.format == .text && Console.usesColor(isTerminal: isTerminal, environment: environment)
    isLive =
      switch options.progress {
      case .always: true
      case .never: false
      case .auto:
        isTerminal && options.format == .text && !options.isQuiet && isEmpty(environment("CI"))
      }
  }

  /// True where a warning was made an error.
  package var hasFailed: Bool { state.hasFailed.load(ordering: .relaxed) }

  /// A diagnostic on standard error, where the user wants to see it.
  package func report(_ diagnostic: Diagnostic) {
    guard let shown = options.applied(to: diagnostic) else { return }
    if shown != diagnostic { state.hasFailed.store(true, ordering: .relaxed) }
    if let observer { return observer(.diagnostic(shown)) }
    switch options.format {
    case .text: say(shown.text(inColor: usesColor))
    case .json: say(shown.json.text(indent: nil))
    case .github: say(shown.gitHub)
    case .sarif: state.results.withLock { $0.append(shown) }
    }
  }

  /// Says what was kept for the end: a SARIF document is one whole.
  package func close() {
    guard options.format == .sarif else { return }
    say(sarifDocument(state.results.withLock { $0 }).text(indent: 2))
  }

  private func sarifDocument(_ results: [Diagnostic]) -> JSON {
    let catalogue = try? DiagnosticCatalogue.embedded()
    var identifiers: [String] = []
    for result in results where !identifiers.contains(result.id) { identifiers.append(result.id) }
    let rules = identifiers.map { id -> JSON in
      var members = [JSON.Member("id", .string(id))]
      if let entry = try? catalogue?.require(id) {
        members.append(
          JSON.Member("fullDescription", .object(["text": .string(entry.meaning)])))
        members.append(JSON.Member("help", .object(["text": .string(entry.remedy)])))
      }
      return .object(members)
    }
    let driver = JSON.object([
      "name": .string("fp8c"), "version": .string(Compiler.version), "rules": .array(rules),
    ])
    return .object([
      "$schema": .string("https://json.schemastore.org/sarif-2.1.0.json"),
      "version": .string("2.1.0"),
      "runs": .array([
        .object([
          "tool": .object(["driver": driver]), "results": .array(results.map(\.sarif)),
        ])
      ]),
    ])
  }

  /// A line on what was done, which `-q` leaves out.
  package func note(_ line: String) {
    if !options.isQuiet { answer(line) }
  }

  /// A line that the user asked for with a flag.
  package func answer(_ line: String) {
    if let observer { return observer(.note(line)) }
    switch options.format {
    case .text, .github: say(printable(line))
    case .sarif: break
    case .json:
      say(
        JSON.object(["severity": .string("remark"), "message": .string(line)]).text(indent: nil))
    }
  }

  /// A result on standard output.
  package func result(_ text: String) throws(Diagnostic) {
    if let observer { return observer(.result(text)) }
    guard write(text, to: STDOUT_FILENO) else { throw .standardOutput(systemMessage()) }
  }

  // MARK: Phases

  /// Begins a long piece of work: a line in a log, on a terminal one that follows it.
  package func begin(_ title: String, of total: Int64?, in unit: Phase.Unit) {
    let phase = Phase(title: title, total: total, unit: unit, start: ContinuousClock.now)
    state.phase.withLock { $0 = phase }
    if let observer { return observer(.progress(phase)) }
    if !isLive, options.progress != .never { note(phase.line) }
  }

  /// Says that so much more of the phase is done; from any thread.
  ///
  /// Throws where the work was cancelled.
  package func advance(by amount: Int64) throws(Diagnostic) {
    try checkCancelled()
    if let observer {
      let phase = state.phase.withLock { phase -> Phase? in
        phase?.add(amount)
        return phase
      }
      if let phase { observer(.progress(phase)) }
      return
    }
    guard isLive else { return }
    let line = state.phase.withLock { phase -> String? in
      phase?.advance(by: amount, at: ContinuousClock.now)
    }
    if let line { write("\r\u{1B}[K\(printable(line))", to: STDERR_FILENO) }
  }

  /// Lets what is under way end with an error at the next place where it can; from any thread.
  package func cancel() { state.isCancelled.store(true, ordering: .relaxed) }

  package func checkCancelled() throws(Diagnostic) {
    if state.isCancelled.load(ordering: .relaxed) { throw .cancelled() }
  }

  /// Ends the phase; its line goes from the terminal.
  package func finish() {
    eraseLine()
    state.phase.withLock { $0 = nil }
  }

  private func eraseLine() {
    let wasShown = state.phase.withLock { phase -> Bool in
      defer { phase?.isShown = false }
      return phase?.isShown ?? false
    }
    if wasShown { write("\r\u{1B}[K", to: STDERR_FILENO) }
  }

  // MARK: Writing

  private func say(_ text: String) {
    eraseLine()
    write(text + "\n", to: STDERR_FILENO)
  }

  @discardableResult
  private func write(_ text: String, to descriptor: Int32) -> Bool {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return 0 }
        return unsafe Glibc.write(descriptor, base + done, bytes.count - done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  /// NO_COLOR comes first, then CLICOLOR_FORCE and FORCE_COLOR, then TERM (no-color.org and
  /// bixense.com/clicolors).
  static func usesColor(isTerminal: Bool, environment: (String) -> String?) -> Bool {
    if !isEmpty(environment("NO_COLOR")) { return false }
    for name in ["CLICOLOR_FORCE", "FORCE_COLOR"] {
      if let value = environment(name), !value.isEmpty { return value != "0" || isTerminal }
    }
    return isTerminal && environment("TERM") != "dumb"
  }

  /// What changes while a command runs, shared by the copies of its console.
  private final class State: Sendable {
    let hasFailed = Atomic(false)
    let isCancelled = Atomic(false)
    let phase = Mutex<Phase?>(nil)
    let results = Mutex<[Diagnostic]>([])
  }
}

/// What a console has to say.
package enum ConsoleEvent: Sendable {
  case diagnostic(Diagnostic)
  /// A line on what was done.
  case note(String)
  /// What goes to standard output.
  case result(String)
  case progress(Phase)
}

/// What this process was started with, its name first.
///
/// `CommandLine.arguments` is empty where /proc is not mounted.
package func processArguments() -> [String] {
  var result: [String] = []
  while let argument = unsafe fp8c_argument(Int32(result.count)) {
    result.append(unsafe String(cString: argument))
  }
  return result
}

/// The value of an environment variable of this process.
package func processEnvironment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

private func isEmpty(_ value: String?) -> Bool { value?.isEmpty ?? true }

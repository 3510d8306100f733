internal import Glibc
package import Support

/// Where messages and results go: standard error and standard output.
package struct Console: Sendable {
  package var isQuiet: Bool
  package var showsProgress: Bool

  package init(isQuiet: Bool = false, progress: Options.Progress = .never) {
    self.isQuiet = isQuiet
    showsProgress =
      switch progress {
      case .always: true
      case .never: false
      case .auto: isatty(STDERR_FILENO) == 1 && !isQuiet
      }
  }

  /// A diagnostic on standard error; remarks are left out where the user wants quiet.
  package func report(_ diagnostic: Diagnostic) {
    if isQuiet, diagnostic.severity == .remark { return }
    write(diagnostic.text + "\n", to: STDERR_FILENO)
  }

  /// A line of explanation on standard error.
  package func note(_ line: String) { write(printable(line) + "\n", to: STDERR_FILENO) }

  /// A result on standard output.
  package func result(_ text: String) throws(Diagnostic) {
    guard write(text, to: STDOUT_FILENO) else { throw .standardOutput(systemMessage()) }
  }

  /// One line on the terminal that the next one replaces; an empty one ends it.
  package func progress(_ line: String) {
    guard showsProgress else { return }
    write("\r\u{1B}[K\(printable(line))", to: STDERR_FILENO)
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
}

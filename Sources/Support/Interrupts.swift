internal import CSystem

/// Signals that end the process leave no temporary file behind.
package enum Interrupts {
  /// Installs the handlers; called once, before any output is opened.
  package static func install() { fp8c_install_interrupts() }

  static func add(_ path: String) { _ = unsafe fp8c_add_temporary(path) }

  static func remove(_ path: String) { unsafe fp8c_remove_temporary(path) }
}

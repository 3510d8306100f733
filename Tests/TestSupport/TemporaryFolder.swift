internal import Glibc
package import Support

/// A folder of its own for one test, removed with all that is in it.
package struct TemporaryFolder: ~Copyable {
  package let path: String

  /// The system's folder for temporary files.
  package static var root: String {
    guard let folder = unsafe getenv("TMPDIR") else { return "/tmp" }
    return unsafe String(cString: folder)
  }

  package init() throws(Diagnostic) {
    path = "\(TemporaryFolder.root)/fp8c-test-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
    try OutputFile.createFolder(path)
  }

  deinit { TemporaryFolder.remove(path) }

  /// The path of an entry.
  package subscript(name: String) -> String { "\(path)/\(name)" }

  /// Writes a file, with the folders above it, and gives its path.
  @discardableResult
  package func write(_ name: String, _ bytes: [UInt8]) throws(Diagnostic) -> String {
    var file = try OutputFile(path: self[name], createFolders: true)
    try file.write(bytes)
    try file.commit(sync: false)
    return self[name]
  }

  /// Makes a symbolic link and gives its path.
  @discardableResult
  package func link(_ name: String, to target: String) throws(Diagnostic) -> String {
    try OutputFile.createFolder(InputFile.folder(of: self[name]))
    precondition(unsafe symlink(target, self[name]) == 0, "a link cannot be made")
    return self[name]
  }

  /// Copies a file under its own name and gives the copy's path.
  @discardableResult
  package func copy(_ source: String) throws(Diagnostic) -> String {
    let name = source.split(separator: "/").last.map(String.init) ?? source
    return try write(name, try InputFile.contents(of: source, limit: 1 << 24))
  }

  /// Every file below the folder but those in `hqt_output`-like subfolders, sorted.
  package func entries(_ folder: String = "") throws(Diagnostic) -> [String] {
    try Folder.entries(of: folder.isEmpty ? path : self[folder])
  }

  package func contents(_ name: String) throws(Diagnostic) -> [UInt8] {
    try InputFile.contents(of: self[name], limit: 1 << 24)
  }

  package func text(_ name: String) throws(Diagnostic) -> String {
    String(decoding: try contents(name), as: UTF8.self)
  }

  private static func remove(_ path: String) {
    if unsafe unlink(path) == 0 { return }
    for name in (try? Folder.entries(of: path)) ?? [] { remove("\(path)/\(name)") }
    unsafe rmdir(path)
  }
}

internal import Glibc

/// What fp8c does with folders beside opening files in them.
///
/// The unsafe calls hold because a directory stream is closed before its function returns, and an
/// entry's name is copied before the next is read.
package enum Folder {
  /// The names of a folder's entries, sorted by their bytes; without `.` and `..`.
  package static func entries(of path: String) throws(Diagnostic) -> [String] {
    guard let stream = unsafe opendir(path) else {
      throw .cannotOpen(path, reason: systemMessage())
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// The last component of a path.
  package static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  package static func isFolder(_ path: String) -> Bool {
    var information = stat()
    return unsafe stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFDIR
  }

  /// True for a device, a pipe or a socket.
  package static func isStream(_ path: String) -> Bool {
    var information = stat()
    guard unsafe stat(path, &information) == 0 else { return false }
    let kind = information.st_mode & S_IFMT
    return kind != S_IFREG && kind != S_IFDIR
  }

  package static func exists(_ path: String) -> Bool {
    var information = stat()
    return unsafe lstat(path, &information) == 0
  }

  /// Which file a path leads to, whatever its spelling.
  ///
  /// Links are followed, and of a file that is not there yet the folder and the name count. `nil` where there
  /// is no such folder, and for devices and pipes, which are written to and not replaced.
  package static func identity(of path: String) -> FileIdentity? {
    if isStream(path) { return nil }
    var information = stat()
    if unsafe stat(path, &information) == 0 {
      return FileIdentity(device: information.st_dev, inode: information.st_ino, name: nil)
    }
    guard unsafe stat(InputFile.folder(of: path), &information) == 0 else { return nil }
    return FileIdentity(
      device: information.st_dev, inode: information.st_ino, name: name(of: path))
  }

  /// Moves an entry within one file system, never over an existing one.
  package static func move(_ source: String, to target: String) throws(Diagnostic) {
    guard !exists(target) else { throw .cannotCreate(target, reason: "file exists") }
    guard unsafe rename(source, target) == 0 else {
      throw .cannotCreate(target, reason: systemMessage())
    }
  }
}

/// A file of the system, or a name in one of its folders.
package struct FileIdentity: Hashable, Sendable {
  fileprivate let device: UInt
  fileprivate let inode: UInt
  fileprivate let name: String?
}

internal import CSystem
internal import Glibc

/// A regular file open for reading by position; closed when it goes.
///
/// Nothing is ever mapped, so a file that another process truncates gives an error and no signal.
package struct InputFile: ~Copyable, Sendable {
  package let path: String
  package let size: Int64
  /// The file's descriptor, for moving ranges of it inside the kernel.
  package let descriptor: Int32

  /// Opens the file a user named; links are followed.
  package init(path: String) throws(Diagnostic) {
    // O_NONBLOCK keeps the opening of a FIFO from waiting; regular files ignore it.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw .cannotOpen(path, reason: systemMessage()) }
    try self.init(descriptor: descriptor, path: path, notRegular: .noInput)
  }

  /// Takes over an open descriptor and closes it if the file is not a regular one.
  private init(
    descriptor: Int32, path: String, notRegular: ExitStatus
  ) throws(Diagnostic) {
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0 else {
      let reason = systemMessage()
      close(descriptor)
      throw .cannotOpen(path, reason: reason)
    }
    guard information.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .notRegular(path, status: notRegular)
    }
    self.descriptor = descriptor
    self.path = path
    size = Int64(information.st_size)
  }

  /// Opens a data file that a model names, never leaving what the model may read (cli.md section 7).
  ///
  /// The location is resolved below the folder the model was reached through. Where that ends in a
  /// link leading out, the file must lie below the folder of the model's own real file: the layout
  /// of package caches, whose entries are all links into one folder.
  package init(location: String, ofModel model: String) throws(Diagnostic) {
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.hasPrefix("/"), !parts.contains(".."),
      !location.contains("\\"), location.utf8.count <= 4096
    else { throw .locationRefused(location, model: model) }
    let folder = InputFile.folder(of: model)
    var descriptor = InputFile.openBeneath(folder, location)
    var reason = errno
    if descriptor < 0, reason == EXDEV,
      let realModel = InputFile.realPath(model),
      let realFile = InputFile.realPath("\(folder)/\(location)")
    {
      let realFolder = InputFile.folder(of: realModel)
      if realFile.hasPrefix("\(realFolder)/") {
        descriptor = InputFile.openBeneath(
          realFolder, String(realFile.dropFirst(realFolder.count + 1)))
        reason = errno
      }
    }
    guard descriptor >= 0 else {
      if reason == EXDEV || reason == ELOOP {
        throw .locationRefused(location, model: model)
      }
      // What opening says of a socket.
      if reason == ENXIO {
        throw .notRegular("\(folder)/\(location)", status: .notPermitted)
      }
      throw .cannotOpen("\(folder)/\(location)", reason: systemMessage(reason))
    }
    try self.init(
      descriptor: descriptor, path: "\(folder)/\(location)", notRegular: .notPermitted)
  }

  deinit { close(descriptor) }

  /// What tells this file, as it is now, from another and from what it was before.
  package func stamp() throws(Diagnostic) -> FileStamp {
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0 else {
      throw .cannotRead(path, reason: systemMessage())
    }
    return FileStamp(information)
  }

  /// The folder part of a path, `.` where it has none.
  package static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func openBeneath(_ folder: String, _ location: String) -> Int32 {
    let base = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard base >= 0 else { return -1 }
    let descriptor = unsafe fp8c_open_beneath(base, location)
    let reason = errno
    close(base)
    errno = reason
    return descriptor
  }

  /// The path of a file from the root, without links.
  package static func realPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(validatingCString: resolved)
  }

  /// Reads exactly `buffer.count` bytes at `offset`; a file that ends before is an error.
  package func read(
    at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Diagnostic) {
    var done = 0
    while done < buffer.count {
      guard let base = buffer.baseAddress else { return }
      let count = unsafe pread(descriptor, base + done, buffer.count - done, Int(offset) + done)
      if count < 0 {
        if errno == EINTR { continue }
        throw .cannotRead(path, reason: systemMessage())
      }
      guard count > 0 else { throw .endedEarly(path, at: offset + Int64(done)) }
      done += count
    }
  }

  /// Reads exactly as many bytes as `span` holds.
  package func read(at offset: Int64, into span: inout MutableSpan<UInt8>) throws(Diagnostic) {
    var failure: Diagnostic?
    unsafe span.withUnsafeMutableBufferPointer { buffer in
      do throws(Diagnostic) {
        try unsafe read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// A part of a file that is stored, or a hole, which reads as zeros.
  package struct Segment: Sendable {
    package let range: Range<Int64>
    package let isHole: Bool
  }

  /// The segment that begins at `offset`, cut off at `limit`; a file that ends before is an error.
  ///
  /// A file system that knows no holes says that everything is stored.
  package func segment(at offset: Int64, limit: Int64) throws(Diagnostic) -> Segment {
    let stored = fp8c_next_data(descriptor, offset)
    if stored < 0, errno == ENXIO {
      guard lseek(descriptor, 0, SEEK_END) >= limit else { throw .endedEarly(path, at: offset) }
      return Segment(range: offset..<limit, isHole: true)
    }
    if stored > offset {
      return Segment(range: offset..<min(stored, limit), isHole: true)
    }
    let hole = stored < 0 ? -1 : fp8c_next_hole(descriptor, offset)
    let end = hole > offset ? min(hole, limit) : limit
    return Segment(range: offset..<end, isHole: false)
  }

  /// The bytes of a range that the caller knows to be small.
  package func bytes(at offset: Int64, count: Int) throws(Diagnostic) -> [UInt8] {
    guard offset >= 0, count >= 0, Int64(count) <= size, offset <= size - Int64(count) else {
      throw .endedEarly(path, at: size)
    }
    var failure: Diagnostic?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(Diagnostic) {
        try unsafe read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
        filled = count
      } catch {
        failure = error
        filled = 0
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// The whole file, where it is at most `limit` bytes.
  package static func contents(of path: String, limit: Int64) throws(Diagnostic) -> [UInt8] {
    let file = try InputFile(path: path)
    guard file.size <= limit else { throw .tooLarge(path, size: file.size, limit: limit) }
    return try file.bytes(at: 0, count: Int(file.size))
  }
}

/// The system's words for an error number, in the C locale.
package func systemMessage(_ number: Int32 = errno) -> String {
  guard let text = unsafe strerror(number) else { return "error \(number)" }
  return unsafe String(cString: text).lowercased()
}

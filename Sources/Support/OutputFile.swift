internal import CSystem
internal import Glibc

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary file in the same folder; `commit` syncs it and renames it over the
/// target; where that is a link, the link is replaced and not what it leads to. Without `commit` the
/// temporary file is removed and the target left as it was.
///
/// A device or a pipe that is there, such as /dev/null, is no file to replace: it is written to as it is.
package struct OutputFile: ~Copyable {
  package let path: String
  private let temporary: String
  private let descriptor: Int32
  /// True for a device or a pipe, which has no length, no holes and no content to compare.
  private let isStream: Bool
  private var buffer: [UInt8] = []
  private var isCommitted = false
  /// Where what was flushed can be read again before it is committed; `nil` for a device or a pipe.
  package var written: String? { isStream ? nil : temporary }

  /// Bytes given so far.
  package private(set) var length: Int64 = 0
  /// Set for a long file that will be synced: the disk begins while the rest is still being made.
  package var startsWriteback = false
  /// Up to where the disk was told to begin.
  private var writebackLength: Int64 = 0

  /// After how many bytes the disk is told again.
  package static let writebackStep: Int64 = 1 << 24

  private static let bufferSize = 1 << 18

  /// Shorter runs of zeros are written: a hole costs system calls.
  private static let leastHole: Int64 = 1 << 16

  /// Creates the temporary file, and the folders above it where `createFolders` is set.
  package init(path: String, createFolders: Bool = false) throws(Diagnostic) {
    if createFolders { try OutputFile.createFolder(InputFile.folder(of: path)) }
    // Found here and not at the rename, when other outputs of the same run are already in place.
    guard !Folder.isFolder(path) else { throw .cannotCreate(path, reason: "is a directory") }
    let isStream = Folder.isStream(path)
    let opened = isStream ? try OutputFile.stream(path) : try OutputFile.temporaryFile(for: path)
    self.path = path
    self.isStream = isStream
    descriptor = opened.descriptor
    temporary = opened.path
  }

  /// A pipe that nobody reads is an error, not a wait.
  private static func stream(_ path: String) throws(Diagnostic) -> (descriptor: Int32, path: String)
  {
    let descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .cannotCreate(path, reason: systemMessage()) }
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    return (descriptor, path)
  }

  /// A new file beside the target, which a signal removes.
  private static func temporaryFile(
    for path: String
  ) throws(Diagnostic) -> (descriptor: Int32, path: String) {
    let (folder, name) = (InputFile.folder(of: path), Folder.name(of: path))
    var attempt = 0
    while true {
      let candidate = "\(folder)/.\(name).\(getpid()).\(attempt).tmp"
      let descriptor = unsafe open(
        candidate, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      if descriptor >= 0 {
        Interrupts.add(candidate)
        return (descriptor, candidate)
      }
      guard errno == EEXIST, attempt < 1000 else {
        throw .cannotCreate(path, reason: systemMessage())
      }
      attempt += 1
    }
  }

  deinit {
    close(descriptor)
    if !isCommitted, !isStream {
      unsafe unlink(temporary)
      Interrupts.remove(temporary)
    }
  }

  /// Creates a folder and those above it.
  package static func createFolder(_ folder: String) throws(Diagnostic) {
    if folder.isEmpty || folder == "/" || folder == "." { return }
    if unsafe mkdir(folder, 0o777) == 0 || errno == EEXIST { return }
    guard errno == ENOENT else { throw .cannotCreate(folder, reason: systemMessage()) }
    try createFolder(InputFile.folder(of: folder))
    guard unsafe mkdir(folder, 0o777) == 0 || errno == EEXIST else {
      throw .cannotCreate(folder, reason: systemMessage())
    }
  }

  package mutating func write(_ bytes: [UInt8]) throws(Diagnostic) { try write(bytes[...]) }

  package mutating func write(_ text: String) throws(Diagnostic) { try write(Array(text.utf8)) }

  package mutating func write(_ bytes: ArraySlice<UInt8>) throws(Diagnostic) {
    buffer += bytes
    length += Int64(bytes.count)
    if buffer.count >= OutputFile.bufferSize { try flush() }
  }

  package mutating func write(_ bytes: Span<UInt8>) throws(Diagnostic) {
    try flush()
    var failure: Diagnostic?
    unsafe bytes.withUnsafeBufferPointer { buffer in
      do throws(Diagnostic) {
        try unsafe writeAll(UnsafeRawBufferPointer(buffer))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    length += Int64(bytes.count)
    startWriteback()
  }

  /// Lets the system write what it holds of the file, where that is so many bytes, while other work is done.
  ///
  /// A hint only: what goes wrong is seen when the file is synced.
  package mutating func startWriteback(ofAtLeast count: Int64 = writebackStep) {
    guard startsWriteback, !isStream, length - writebackLength >= count else { return }
    fp8c_start_writeback(descriptor, writebackLength, length - writebackLength)
    writebackLength = length
  }

  /// Zeros that the file system need not store: where there is room for one, they become a hole.
  package mutating func writeZeros(_ count: Int64) throws(Diagnostic) {
    guard count >= OutputFile.leastHole, !isStream else {
      let zeros = [UInt8](repeating: 0, count: min(Int(count), OutputFile.bufferSize))
      var left = Int(count)
      while left > 0 {
        try write(zeros.prefix(left))
        left -= min(left, zeros.count)
      }
      return
    }
    try flush()
    try extend(to: length + count)
  }

  /// Makes the file longer by a hole, and goes on behind it.
  private mutating func extend(to end: Int64) throws(Diagnostic) {
    guard ftruncate(descriptor, Int(end)) == 0, lseek(descriptor, Int(end), SEEK_SET) >= 0 else {
      throw .cannotWrite(path, reason: systemMessage())
    }
    length = end
  }

  /// Copies a range of another file with its holes, inside the kernel where it can be done there.
  package mutating func copy(
    _ range: Range<Int64>, of file: borrowing InputFile
  ) throws(Diagnostic) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let segment = try file.segment(at: offset, limit: range.upperBound)
      if segment.isHole {
        try writeZeros(Int64(segment.range.count))
      } else {
        try copyStored(segment.range, of: file)
      }
      offset = segment.range.upperBound
    }
  }

  private mutating func copyStored(
    _ range: Range<Int64>, of file: borrowing InputFile
  ) throws(Diagnostic) {
    try flush()
    var offset = range.lowerBound
    while offset < range.upperBound, !isStream {
      let wanted = Int(min(range.upperBound - offset, 1 << 30))
      let moved = fp8c_copy_range(file.descriptor, offset, descriptor, length, wanted)
      if moved < 0, errno == EINTR { continue }
      guard moved > 0 else { break }
      offset += Int64(moved)
      length += Int64(moved)
      startWriteback()
    }
    guard isStream || lseek(descriptor, Int(length), SEEK_SET) >= 0 else {
      throw .cannotWrite(path, reason: systemMessage())
    }
    while offset < range.upperBound {
      let count = Int(min(range.upperBound - offset, Int64(OutputFile.bufferSize)))
      try write(try file.bytes(at: offset, count: count))
      try flush()
      offset += Int64(count)
    }
  }

  /// Hands on what is buffered, so that a full disk is met before another file is renamed.
  package mutating func flush() throws(Diagnostic) {
    guard !buffer.isEmpty else { return }
    let pending = buffer
    buffer.removeAll(keepingCapacity: true)
    var failure: Diagnostic?
    unsafe pending.withUnsafeBytes { bytes in
      do throws(Diagnostic) { try unsafe writeAll(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) throws(Diagnostic) {
    var done = 0
    while done < bytes.count {
      guard let base = bytes.baseAddress else { return }
      let count = unsafe Glibc.write(descriptor, base + done, bytes.count - done)
      if count < 0 {
        if errno == EINTR { continue }
        throw .cannotWrite(path, reason: systemMessage())
      }
      done += count
    }
  }

  /// Syncs the file and renames it to its final name; afterwards it is there, whatever happens.
  ///
  /// With `keepIfEqual`, a target of the same content keeps its time.
  package consuming func commit(
    sync: Bool = true, keepIfEqual: Bool = false
  ) throws(Diagnostic) {
    try flush()
    if isStream { return }
    if keepIfEqual, hasSameContent() { return }
    if sync, fsync(descriptor) != 0 { throw .cannotWrite(path, reason: systemMessage()) }
    guard unsafe rename(temporary, path) == 0 else {
      throw .cannotCreate(path, reason: systemMessage())
    }
    isCommitted = true
    Interrupts.remove(temporary)
    if sync {
      let folder = unsafe open(InputFile.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      if folder >= 0 {
        fsync(folder)
        close(folder)
      }
    }
  }

  private func hasSameContent() -> Bool {
    do throws(Diagnostic) {
      let old = try InputFile(path: path)
      let new = try InputFile(path: temporary)
      guard old.size == new.size else { return false }
      var offset: Int64 = 0
      while offset < old.size {
        let count = Int(min(old.size - offset, Int64(OutputFile.bufferSize)))
        guard try old.bytes(at: offset, count: count) == new.bytes(at: offset, count: count)
        else { return false }
        offset += Int64(count)
      }
      return true
    } catch {
      return false
    }
  }
}

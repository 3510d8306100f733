internal import Glibc

/// What tells a file from another and from what it was before, without reading it.
///
/// Nobody sets the time at which a file's contents or owner last changed, so a file that has the stamp it had holds
/// what it held; only a change within the same tick of the clock can hide.
package struct FileStamp: Equatable, Sendable {
  private let device: UInt64
  private let inode: UInt64
  private let size: Int64
  /// In nanoseconds since 1970.
  private let modified: Int64
  private let changed: Int64

  init(_ information: stat) {
    device = UInt64(information.st_dev)
    inode = UInt64(information.st_ino)
    size = Int64(information.st_size)
    modified = FileStamp.nanoseconds(information.st_mtim)
    changed = FileStamp.nanoseconds(information.st_ctim)
  }

  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue
      &+ Int64(time.tv_nsec)
  }

  /// The stamp as a word.
  package var text: String { "\(device):\(inode):\(size):\(modified):\(changed)" }

  /// True where the file had changed for the last time well before the other one did: no clock is so coarse that a
  /// change could hide between them.
  package func isSettled(before other: FileStamp) -> Bool {
    changed < other.changed && other.changed - changed >= 2_000_000_000
  }
}

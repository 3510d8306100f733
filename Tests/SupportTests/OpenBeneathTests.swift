import CSystem
import Glibc
import Support
import TestSupport
import Testing

/// The kernel's own resolution beneath a folder (openat2) says what the one by steps has to give.
@Suite struct OpenBeneathTests {
  @Test func `one step at a time leads where the kernel leads`() throws {
    let folder = try TemporaryFolder()
    try folder.write("outside", [1])
    try folder.write("in/a/b/file", [2])
    try folder.write("in/top", [3])
    for (name, target) in [
      ("in/to-file", "a/b/file"), ("in/a/up", "../top"), ("in/a/b/twice", "../up"),
      ("in/out", "../outside"), ("in/absolute", folder["in/top"]), ("in/loop", "loop"),
      ("in/a/escape", "../../outside"), ("in/linked", "a"), ("in/broken", "nowhere"),
      ("in/a/round", "../a/b/../../top"), ("in/around", "../in/top"), ("in/self", "."),
      ("in/slashes", "a//b/./file"), ("in/dir", "a/b/"), ("in/slashed", "top/"),
    ] {
      try folder.link(name, to: target)
    }
    let base = unsafe open(folder["in"], O_RDONLY | O_DIRECTORY)
    defer { close(base) }
    let long = String(repeating: "x", count: 300)
    for path in [
      "top", "./top", "a/b/file", "a//b/file", "to-file", "a/up", "a/b/twice", "out", "absolute",
      "loop", "a/escape", "linked/b/file", "linked/up", "broken", "a/round", "around", "none",
      "a/none/file", "top/file", "a/../top", "../in/top", "..", "a/../../outside", "/etc/hostname",
      "self/top", "slashes", "dir/file", "linked/../top", "top/", "top/.", "to-file/", "slashed",
      "a/", "a/b/file//", "self/", long, "a/\(long)",
    ] {
      let found = content(unsafe fp8c_open_beneath_by_steps(base, path))
      let expected = content(unsafe fp8c_open_beneath(base, path))
      #expect(found == expected, "\(path)")
    }
  }

  /// The file's only byte, or the reason why there is none.
  private func content(_ descriptor: Int32) -> String {
    guard descriptor >= 0 else { return "errno \(errno)" }
    defer { close(descriptor) }
    var byte: UInt8 = 0
    return unsafe read(descriptor, &byte, 1) == 1 ? "\(byte)" : "errno \(errno)"
  }
}

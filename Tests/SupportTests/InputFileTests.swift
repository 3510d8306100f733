import Glibc
import Support
import TestSupport
import Testing

@Suite struct InputFileTests {
  @Test func `a file that ends early is an error`() throws {
    let folder = try TemporaryFolder()
    let file = try InputFile(path: try folder.write("f", [1, 2, 3]))
    #expect(try file.bytes(at: 1, count: 2) == [2, 3])
    let short = #expect(throws: Diagnostic.self) { _ = try file.bytes(at: 2, count: 2) }
    #expect(short?.id == "ended-early")
  }

  /// The loopback interface has no speed, and Linux refuses to read it.
  @Test(.enabled(if: unsafe access("/sys/class/net/lo/speed", R_OK) == 0))
  func `what the system refuses to read is named with its reason`() throws {
    let file = try InputFile(path: "/sys/class/net/lo/speed")
    let error = #expect(throws: Diagnostic.self) { _ = try file.bytes(at: 0, count: 1) }
    #expect(error?.id == "cannot-read")
    #expect(error?.status == .inputOutput)
    #expect(error?.message == "cannot be read: invalid argument")
  }
}

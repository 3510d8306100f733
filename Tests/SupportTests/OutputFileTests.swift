import Support
import TestSupport
import Testing

@Suite struct OutputFileTests {
  /// No file system has files of 2^63 bytes.
  @Test func `what the system refuses to write is named with its reason, and nothing is left`()
    throws
  {
    let folder = try TemporaryFolder()
    func write() throws(Diagnostic) {
      var file = try OutputFile(path: folder["out"])
      try file.writeZeros(Int64.max)
      try file.commit()
    }
    let error = #expect(throws: Diagnostic.self) { try write() }
    #expect(error?.id == "cannot-write")
    #expect(error?.status == .inputOutput)
    #expect(try folder.entries() == [])
  }
}

import FuzzHarness
import Support
import TestSupport
import Testing

/// Every file that fuzzing begins with, and what once stopped a target, ends as the contract says.
@Suite struct CorpusTests {
  private static let tests = InputFile.folder(of: InputFile.folder(of: #filePath))

  private static let corpora: [(target: FuzzTarget, folder: String)] = [
    (.model, "\(tests)/../golden/models/onnx"), (.model, "\(tests)/../golden/models/bad"),
    (.model, "\(tests)/Fuzz/Corpora/model"), (.text, "\(tests)/Fuzz/Corpora/text"),
    (.text, "\(tests)/../golden/hoist-weights"), (.text, "\(tests)/../golden/expand-attention"),
    (.configuration, "\(tests)/Fuzz/Corpora/configuration"),
    (.configuration, "\(tests)/../schemas/targets"),
    (.measurement, "\(tests)/Data/Measurements"), (.archive, "\(tests)/Data/Measurements"),
    (.archive, "\(tests)/Data/NPZ"),
  ]

  @Test(arguments: corpora.indices)
  func `no file of a corpus stops the process`(index: Int) throws {
    let (target, folder) = Self.corpora[index]
    let names = try Folder.entries(of: folder)
    #expect(!names.isEmpty)
    for name in names where !Folder.isFolder("\(folder)/\(name)") {
      let bytes = try InputFile.contents(of: "\(folder)/\(name)", limit: 1 << 20)
      let scratch = try TemporaryFolder()
      target.run(bytes, in: scratch)
    }
  }
}

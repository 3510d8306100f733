internal import IR
internal import Passes
internal import Support

/// The golden tests of a folder and of all below it.
///
/// A text that begins with `// RUN:` holds both its halves. A model `m.onnx` is a test where `m.config.json`
/// or `m.expected.ir` stands beside it; its measurement is `m_hooks_maxabs.json`, if it has one.
struct GoldenFolder {
  enum Case: Sendable {
    case text(path: String)
    case model(path: String, configuration: String?)

    /// The file that says what is expected.
    var expectation: String {
      switch self {
      case .text(let path): path
      case .model(let path, _): GoldenFolder.stem(path) + GoldenFolder.expectedSuffix
      }
    }
  }

  private(set) var cases: [Case] = []
  /// Models without a configuration and an expectation.
  private(set) var otherModels = 0

  private static let expectedSuffix = ".expected.ir"
  private static let depthLimit = 32

  init(_ path: String) throws(Diagnostic) {
    guard Folder.isFolder(path) else { throw .notAFolder(path) }
    try add(path, depth: 0)
  }

  private mutating func add(_ folder: String, depth: Int) throws(Diagnostic) {
    guard depth < GoldenFolder.depthLimit else { return }
    let names = try Folder.entries(of: folder)
    let present = Set(names)
    for name in names {
      let path = "\(folder)/\(name)"
      if name.hasPrefix(".") {
        continue
      } else if Folder.isFolder(path) {
        try add(path, depth: depth + 1)
      } else if name.hasSuffix(".onnx") {
        let stem = GoldenFolder.stem(name)
        let configuration = "\(stem).config.json"
        if present.contains(configuration) {
          cases.append(.model(path: path, configuration: "\(folder)/\(configuration)"))
        } else if present.contains(stem + GoldenFolder.expectedSuffix) {
          cases.append(.model(path: path, configuration: nil))
        } else {
          otherModels += 1
        }
      } else if name.hasSuffix(".ir"), !name.hasSuffix(GoldenFolder.expectedSuffix) {
        cases.append(.text(path: path))
      }
    }
  }

  static func stem(_ path: String) -> String { String(path.dropLast(".onnx".count)) }
}

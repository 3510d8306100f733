package import Support

/// The path of a file of `golden/models`; see the README there.
package func goldenPath(_ name: String) -> String {
  let root = InputFile.folder(of: InputFile.folder(of: InputFile.folder(of: #filePath)))
  return "\(root)/golden/models/\(name)"
}

/// The lines of a table of `golden/models` without its comments, split at tabs.
package func goldenRows(_ name: String) throws(Diagnostic) -> [[String]] {
  let bytes = try InputFile.contents(of: goldenPath(name), limit: 1 << 20)
  return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    .filter { !$0.hasPrefix("#") }
    .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
}

/// What a call throws; `nil` where it throws nothing.
package func failure<Result>(_ body: () throws(Diagnostic) -> Result) -> Diagnostic? {
  do throws(Diagnostic) {
    _ = try body()
    return nil
  } catch {
    return error
  }
}

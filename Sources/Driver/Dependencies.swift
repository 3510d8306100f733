/// Files in the order they were read, each once.
struct FileList {
  private(set) var paths: [String] = []

  init(_ paths: [String] = []) { add(paths) }

  mutating func add(_ more: [String]) {
    for path in more where !paths.contains(path) { paths.append(path) }
  }
}

/// The files that an output was made from, as a rule for Make and Ninja.
struct Dependencies {
  let target: String
  let files: FileList

  /// `out.onnx: model.onnx config.json`, and an empty rule for every input so that a deleted one
  /// does not stop Make.
  var text: String {
    let paths = files.paths.map(escaped)
    let rule = ["\(escaped(target)):"] + paths
    return rule.joined(separator: " \\\n  ") + "\n" + paths.map { "\($0):\n" }.joined()
  }

  private func escaped(_ path: String) -> String {
    var result = ""
    for character in path {
      switch character {
      case " ", "#", "\\", ":": result += "\\\(character)"
      case "$": result += "$$"
      default: result.append(character)
      }
    }
    return result
  }
}

/// The files that an output was made from, as a rule for Make and Ninja.
struct Dependencies {
  private let target: String
  private var files: [String] = []

  init(target: String) { self.target = target }

  mutating func add(_ paths: [String]) {
    for path in paths where !files.contains(path) { files.append(path) }
  }

  /// `out.onnx: model.onnx config.json`, and an empty rule for every input so that a deleted one
  /// does not stop Make.
  var text: String {
    var lines = ["\(escaped(target)): \\"]
    for (index, file) in files.enumerated() {
      lines.append("  \(escaped(file))\(index + 1 < files.count ? " \\" : "")")
    }
    lines += files.map { "\(escaped($0)):" }
    return lines.joined(separator: "\n") + "\n"
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

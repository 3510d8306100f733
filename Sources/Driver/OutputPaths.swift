internal import Support

/// The files that one command is about to write.
struct OutputPaths {
  private var known: [(path: String, identity: FileIdentity)] = []

  /// Throws where two outputs are one file, or an output is a file that is read.
  ///
  /// `model` is the one input that may be replaced: its output is renamed over it when all is written.
  init(
    _ paths: [String], inputs: [String], model: String? = nil
  ) throws(Diagnostic) {
    let model = model.flatMap { Folder.identity(of: $0) }
    let read = inputs.compactMap { path in Folder.identity(of: path).map { (path, $0) } }
    for path in paths {
      guard let identity = Folder.identity(of: path) else { continue }
      if let other = known.first(where: { $0.identity == identity }) {
        throw .outputsCollide(other.path, path)
      }
      let isModel = known.isEmpty && identity == model
      if !isModel, let input = read.first(where: { $0.1 == identity }) {
        throw .outputIsInput(path, input.0)
      }
      known.append((path, identity))
    }
  }
}

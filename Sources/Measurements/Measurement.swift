internal import NPZ
package import Support

/// The ranges of one run: INC's measurement file (inc-fp8.md section 5.3).
package struct Measurement: Equatable, Sendable {
  package enum Mode: String, CaseIterable, Sendable {
    case dynamicRange = "DynamicRange"
    case shape = "Shape"
  }

  /// Forward passes so far, where the file was written during a run.
  package var sampleCount: Int?
  package var globalRank: Int?
  package var localRank: Int?
  package var mode: Mode
  package var nodes: [MeasuredNode]

  package init(
    sampleCount: Int? = nil, globalRank: Int? = nil, localRank: Int? = nil,
    mode: Mode = .dynamicRange, nodes: [MeasuredNode] = []
  ) {
    self.sampleCount = sampleCount
    self.globalRank = globalRank
    self.localRank = localRank
    self.mode = mode
    self.nodes = nodes
  }

  /// The largest measurement file that is read, in bytes.
  package static let sizeLimit: Int64 = 1 << 30

  /// Reads INC's JSON or, where the name ends in `.npz`, INC's archive.
  package init(path: String) throws(Diagnostic) {
    if path.hasSuffix(".npz") {
      try self.init(JSONReader(try Measurement.object(inFile: path), file: path))
    } else {
      try self.init(
        json: try InputFile.contents(of: path, limit: Measurement.sizeLimit), file: path)
    }
  }

  /// The one object of an archive; a malformed one is a wrong measurement, as wrong JSON is.
  private static func object(inFile path: String) throws(Diagnostic) -> JSON {
    do throws(Diagnostic) {
      let archive = try NPZFile(path: path)
      guard let key = archive.keys.first, archive.keys.count == 1 else {
        throw .notOneArray(archive.keys.count, file: path)
      }
      return try archive.object(key)
    } catch {
      var error = error
      if error.status == .malformedInput { error.status = .configuration }
      throw error
    }
  }
}

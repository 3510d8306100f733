package import Support

/// The names of the files of a run, which INC derives from `dump_stats_path` (inc-fp8.md section 5.1).
package struct MeasurementFiles: Equatable, Sendable {
  /// `dump_stats_path`: a folder and the beginning of the files' names.
  package let prefix: String
  package let observer: String
  private let suffix: String

  package init(prefix: String, observer: String, rank: Rank? = nil) {
    self.prefix = prefix
    self.observer = observer
    suffix = rank.map { "_\($0.rank)_\($0.worldSize)" } ?? ""
  }

  private var stem: String { "\(prefix)_hooks_\(observer)" }

  package var json: String { "\(stem)\(suffix).json" }
  package var npz: String { "\(stem)\(suffix).npz" }
  /// The measurement that is there: the archive alone where only INC's loader was thought of.
  package var measurement: String {
    !Folder.exists(json) && Folder.exists(npz) ? npz : json
  }
  package var moduleList: String { "\(stem)\(suffix)_mod_list.json" }
  package var shapes: String { "\(prefix)_hooks_shape\(suffix).json" }
  /// Digests of what was measured, by which a later run tells whether to measure again.
  package var provenance: String { "\(stem)\(suffix)_provenance.json" }

  /// The scale file of a method, named in upper case as INC does.
  package func scales(method: String) -> String { "\(stem)_\(method.uppercased())\(suffix).json" }

  /// What the scales of a method follow from, by which a later run tells whether they are still right.
  package func scalesProvenance(method: String) -> String {
    "\(stem)_\(method.uppercased())\(suffix)_provenance.json"
  }

  package var folder: String { InputFile.folder(of: prefix) }

  /// The file of one tensor of one batch that the observer `save` dumps.
  ///
  /// A module path comes from the model: every byte that is not a letter, a digit, `.`, `-` or `_`
  /// is written as `%` and two digits, so that a name never leads to another folder.
  package func tensor(module: String, port: String, batch: Int) -> String {
    "\(tensorFolder)/\(escaped(module)).\(escaped(port)).\(batch).npy"
  }

  package var tensorFolder: String { "\(folder)/tensors" }

  /// Moves the tensors of an earlier run to a new folder `backup-N`, and returns that.
  package func backUpTensors() throws(Diagnostic) -> String? {
    guard Folder.exists(tensorFolder) else { return nil }
    let backup = try newBackup()
    try OutputFile.createFolder(backup)
    try Folder.move(tensorFolder, to: "\(backup)/tensors")
    return backup
  }

  /// The first `backup-N` that is higher than all that there are.
  private func newBackup() throws(Diagnostic) -> String {
    var number = 1
    for entry in try Folder.entries(of: folder) where entry.hasPrefix("backup-") {
      if let used = Int(entry.dropFirst(7)), used < Int.max { number = max(number, used + 1) }
    }
    return "\(folder)/backup-\(number)"
  }

  private func escaped(_ name: String) -> String {
    var result = ""
    for byte in name.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "_"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16)
        result += "%\(digits.count < 2 ? "0" : "")\(digits)"
      }
    }
    return result
  }

  /// Moves the earlier files of the prefix to a new folder `backup-N`, and returns that.
  ///
  /// Nothing moves, and the result is `nil`, where there are none, or where every one of `contents`,
  /// the files about to be written, is there already with the same bytes.
  package func backUp(
    before contents: [(path: String, bytes: [UInt8])]
  ) throws(Diagnostic) -> String? {
    guard Folder.exists(folder) else { return nil }
    let base = prefix.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    let entries = try Folder.entries(of: folder)
    let earlier = entries.filter { $0.hasPrefix("\(base)_hooks_") }
    if earlier.isEmpty || contents.allSatisfy({ isUnchanged($0.path, $0.bytes) }) { return nil }
    let backup = try newBackup()
    try OutputFile.createFolder(backup)
    for name in earlier { try Folder.move("\(folder)/\(name)", to: "\(backup)/\(name)") }
    return backup
  }

  private func isUnchanged(_ path: String, _ bytes: [UInt8]) -> Bool {
    do throws(Diagnostic) {
      return try InputFile.contents(of: path, limit: Int64(bytes.count)) == bytes
    } catch {
      return false
    }
  }
}

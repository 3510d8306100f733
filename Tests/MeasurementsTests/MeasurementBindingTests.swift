import Measurements
import Support
import TestSupport
import Testing

@Suite struct MeasurementBindingTests {
  private func names(
    _ modules: [String], _ measured: [String], _ renaming: Renaming = Renaming()
  ) throws -> [String: String] {
    try MeasurementBinding(modules: modules, measured: measured, renaming: renaming).names
  }

  @Test func aPrefixOfOneSideIsDropped() throws {
    let model = ["model.model.layers.0.q", "model.model.layers.1.q", "model.lm_head"]
    let measured = ["model.layers.0.q", "model.layers.1.q", "lm_head"]
    let binding = try MeasurementBinding(modules: model, measured: measured)
    #expect(binding.names == Dictionary(uniqueKeysWithValues: zip(model, measured)))
    #expect(binding.dropped == .ofModel(prefix: "model"))
    let reverse = try MeasurementBinding(modules: measured, measured: model)
    #expect(reverse.names == Dictionary(uniqueKeysWithValues: zip(measured, model)))
    #expect(reverse.dropped == .ofMeasurement(prefix: "model"))
  }

  /// All names begin with `model.model.layers`, and only the first part is a wrapper's.
  @Test func noMoreIsDroppedThanHelps() throws {
    let binding = try MeasurementBinding(
      modules: ["model.model.layers.0.q", "model.model.layers.1.q"],
      measured: ["model.layers.0.q", "model.layers.1.q", "lm_head"])
    #expect(binding.dropped == .ofModel(prefix: "model"))
    #expect(binding.names.count == 2)
  }

  @Test func nothingIsDroppedWhereAllAreFound() throws {
    let binding = try MeasurementBinding(modules: ["a.b", "a.c"], measured: ["a.b", "a.c", "b"])
    #expect(binding.dropped == nil && binding.names == ["a.b": "a.b", "a.c": "a.c"])
    // Nor where it would not help.
    let other = try MeasurementBinding(modules: ["a.b", "a.c"], measured: ["x"])
    #expect(other.dropped == nil && other.names.isEmpty)
  }

  @Test func usersRename() throws {
    #expect(
      try names(["fc"], ["linear", "x"], Renaming(modules: ["linear": "fc"])) == ["fc": "linear"])
    #expect(
      try names(["m.a.b"], ["n.a.b"], Renaming(prefixes: [("n", "m")])) == ["m.a.b": "n.a.b"])
    // A part of a name is no prefix.
    #expect(try names(["mm.a"], ["nm.a"], Renaming(prefixes: [("n", "m")])).isEmpty)
    #expect(try names(["m.a"], ["a"], Renaming(prefixes: [("", "m")])) == ["m.a": "a"])
    #expect(try names(["a"], ["n.a"], Renaming(prefixes: [("n", "")])) == ["a": "n.a"])
    #expect(throws: Diagnostic.self) {
      try names(["a"], ["a", "b"], Renaming(modules: ["b": "a"]))
    }
  }

  @Test func renamingsAreReadFromAFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("map.json", Array(#"{"old": "new"}"#.utf8))
    #expect(try Renaming(file: path) == Renaming(modules: ["old": "new"]))
    let wrong = try folder.write("wrong.json", Array(#"{"old": 1}"#.utf8))
    #expect(throws: Diagnostic.self) { try Renaming(file: wrong) }
  }
}

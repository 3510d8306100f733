import Foundation
import Support
import TestSupport
import Testing

/// Scales of an earlier run: used again only where they follow from the same.
@Suite struct ScaleCacheTests {
  private let name = "m_hooks_maxabs_MAXABS_POW2_OPT_WEIGHT"

  private func measured() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let data = "\(InputFile.folder(of: InputFile.folder(of: #filePath)))/Data/Measurements"
    _ = try folder.write(
      "m_hooks_maxabs.json", InputFile.contents(of: "\(data)/mlp.json", limit: 1 << 20))
    return folder
  }

  private func quantize(
    _ folder: borrowing TemporaryFolder, _ options: [String] = []
  ) throws -> (text: String, notes: String) {
    let result = try Command(
      [
        "quantize", goldenPath("onnx/mlp_small.ts.onnx"), "-o", folder["out.onnx"],
        "--dump-stats-path", folder["m"], "--scale-method", "maxabs_pow2_opt_weight",
      ] + options)
    #expect(result.status == 0, "\(result.errors)")
    return (try folder.contents("out.scales.json").text, result.errors)
  }

  /// Doubles every scale of a weight in the file, as a hand would.
  private func edit(_ folder: borrowing TemporaryFolder) throws {
    let text = try folder.contents("\(name).json").text
    let edited = text.replacing(/("weight": \[\n +)([0-9.e-]+)/) { match in
      "\(match.1)\((Double(match.2) ?? 0) * 2)"
    }
    #expect(edited != text)
    _ = try folder.write("\(name).json", Array(edited.utf8))
  }

  @Test func `what a search found is used again where nothing changed`() throws {
    let folder = try measured()
    let first = try quantize(folder)
    #expect(!first.notes.contains("searched"))
    let second = try quantize(folder)
    #expect(second.notes.contains("using the scales that were searched for in"))
    #expect(second.text == first.text)
    // They are read, not computed once more: an edited one arrives in the table.
    try edit(folder)
    #expect(try quantize(folder).text != first.text)
    try edit(folder)
    let configuration = try folder.write("c.json", Array(#"{"recalc_scales": true}"#.utf8))
    let anew = try quantize(folder, ["--config", configuration])
    #expect(!anew.notes.contains("using the scales"))
    #expect(try quantize(folder).text == first.text)
  }

  @Test(arguments: [["--target", "gaudi3"], ["--fp8-config", "E5M2"], ["--hp-dtype", "fp32"]])
  func `other conditions make them stale`(options: [String]) throws {
    let folder = try measured()
    let first = try quantize(folder, options)
    _ = try quantize(folder)
    try edit(folder)
    let other = try quantize(folder, options)
    #expect(other.notes.contains("follow from another model, method, format or target: not used"))
    #expect(other.text == first.text)
  }

  /// The last module's scales have a form that the method does not give: the first one's are not used either.
  @Test func `of a file with one wrong entry nothing is used`() throws {
    let folder = try measured()
    let first = try quantize(folder)
    try edit(folder)
    let text = try folder.contents("\(name).json").text
    let place = try #require(text.range(of: "\"weight\": [", options: .backwards))
    let broken = text.replacingCharacters(in: place, with: "\"weight\": [1.0, ")
    _ = try folder.write("\(name).json", Array(broken.utf8))
    let other = try quantize(folder)
    #expect(other.notes.contains("not used"))
    #expect(other.text == first.text)
  }

  @Test func `a scale file from elsewhere is not used`() throws {
    let folder = try measured()
    let first = try quantize(folder)
    _ = try folder.write("\(name)_provenance.json", Array("{}".utf8))
    try edit(folder)
    let other = try quantize(folder)
    #expect(other.notes.contains("not used"))
    #expect(other.text == first.text)
  }
}

extension [UInt8] {
  fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}

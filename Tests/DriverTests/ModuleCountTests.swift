import Support
import TestSupport
import Testing

/// How many modules of which type `inspect` finds, against counts that come from the modules of the
/// PyTorch models or were made by hand (golden/models/modules/README.md).
@Suite struct ModuleCountTests {
  /// The types that an empty allowlist takes.
  private static let thirteen = [
    "Matmul", "Linear", "FalconLinear", "KVCache", "Conv2d", "LoRACompatibleLinear",
    "LoRACompatibleConv", "Softmax", "ModuleFusedSDPA", "LinearLayer", "LinearAllreduce",
    "ScopedLinearAllReduce", "LmHeadLinearAllreduce",
  ]

  @Test(arguments: try Case.all(in: "modules/counts.tsv"))
  func `a model has the modules that INC patches and no others`(counted: Case) throws {
    try check(counted)
  }

  @Test(arguments: try Case.all(in: "modules/extensions.tsv"))
  func `a type that is named is taken beside or instead of the default ones`(
    counted: Case
  ) throws {
    try check(counted)
  }

  /// Reports each type whose number is wrong on its own.
  private func check(_ counted: Case) throws {
    let options = counted.types.flatMap { ["--allow-type", $0] }
    let result = try Command(["inspect", goldenPath(counted.model)] + options)
    try #require(result.status == 0, "\(counted.model): \(result.errors)")
    let root = JSONReader(try JSON.parse(Array(result.output.utf8), file: nil))
    var found: [String: Int] = [:]
    var paths: [String] = []
    for module in try root.member("modules").items() {
      found[try module.member("type").string(), default: 0] += 1
      paths.append(try module.member("path").string())
    }
    for type in Set(found.keys).union(counted.counts.keys).sorted() {
      let (number, expected) = (found[type, default: 0], counted.counts[type, default: 0])
      #expect(number == expected, "\(counted.model): \(type) \(counted.how[type] ?? "")")
    }
    if !counted.how.isEmpty, counted.how.values.allSatisfy({ $0.hasPrefix("modules.json") }) {
      let listed = try Self.modules(of: counted).filter { counted.counts[$0.type] != nil }
      #expect(paths.sorted() == listed.map(\.path).sorted(), "\(counted.model)")
    }
  }

  @Test(arguments: thirteen)
  func `every type occurs in a file of every exporter`(type: String) throws {
    let models = try Case.all(in: "modules/counts.tsv")
      .filter { $0.counts[type] != nil }.map(\.model)
    for exporter in ["dynamo", "dynamo23", "dynamo_noopt", "ts"] {
      let occurs = models.contains {
        $0.hasPrefix("modules/") && $0.hasSuffix(".\(exporter).onnx")
      }
      // TorchScript's exporter writes no classes, and no operator tells these two from Linear.
      let isHidden = exporter == "ts" && (type == "FalconLinear" || type == "LinearLayer")
      #expect(occurs != isHidden, "\(type) \(exporter)")
    }
  }

  @Test func `the counts of the modules that PyTorch lists are those of its lists`() throws {
    let tables = ["modules/counts.tsv", "modules/extensions.tsv"]
    for counted in try tables.flatMap({ try Case.all(in: $0) }) {
      for (type, how) in counted.how where how.hasPrefix("modules.json") {
        let number = try Self.modules(of: counted).count { $0.type == type }
        #expect(counted.counts[type] == number, "\(counted.model): \(type)")
      }
    }
  }

  /// The modules that PyTorch lists, without those that belong to an adapter.
  private static func modules(of counted: Case) throws -> [(path: String, type: String)] {
    let bytes = try InputFile.contents(of: goldenPath("modules/modules.json"), limit: 1 << 20)
    let lists = JSONReader(try JSON.parse(bytes, file: nil))
    let name = counted.model.split(separator: "/").last?.split(separator: ".").first ?? ""
    return try lists.member(String(name)).members()
      .filter { !$0.key.contains("lora_layer") }
      .map { (path: $0.key, type: try $0.value.string()) }
  }

  @Test func `every exported model is counted`() throws {
    let counted = Set(try Case.all(in: "modules/counts.tsv").map(\.model))
    for folder in ["modules", "architectures"] {
      for name in try Folder.entries(of: goldenPath(folder)) where name.hasSuffix(".onnx") {
        #expect(counted.contains("\(folder)/\(name)"), "\(folder)/\(name)")
      }
    }
  }

  /// The lines of a table that belong to one model and one allowlist.
  struct Case: CustomTestStringConvertible {
    let model: String
    /// The allowed types; none stands for the default ones.
    let types: [String]
    var counts: [String: Int] = [:]
    /// How each type was counted.
    var how: [String: String] = [:]

    var testDescription: String { ([model] + types).joined(separator: " ") }

    static func all(in table: String) throws -> [Case] {
      var cases: [Case] = []
      for row in try goldenRows(table) {
        let types = row.count == 5 ? row[1].split(separator: ",").map(String.init) : []
        let rest = Array(row.suffix(3))
        let count = try #require(Int(rest[1]))
        if cases.last?.model != row[0] || cases.last?.types != types {
          cases.append(Case(model: row[0], types: types))
        }
        if rest[0] == "-" { continue }
        cases[cases.count - 1].counts[rest[0]] = count
        cases[cases.count - 1].how[rest[0]] = rest[2]
      }
      return cases
    }
  }
}

import FoundationEssentials
import Glibc
import Support
import TestSupport
import Testing

/// What a model may name, and what an output may replace, by the groups of reliability.md 3.7 as decisions.md
/// amends them: links that stay inside and hard links are allowed.
@Suite struct ContainmentTests {
  /// Twice two numbers that no model should ever be given from outside.
  private static let secret: [UInt8] = Array("a secret of more".utf8)
  private static let inside = [UInt8](repeating: 0, count: 16)

  /// `model/m.onnx` reads 16 bytes of `location`, and `secret.bin` lies beside the folder.
  private func folder(
    _ entries: KeyValuePairs<String, String>, data: [UInt8]? = inside
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.write("secret.bin", Self.secret)
    try makeFolder(folder["model"])
    if let data { _ = try folder.write("model/w.bin", data) }
    _ = try folder.write("model/m.onnx", Self.model(entries))
    return folder
  }

  private static func model(_ entries: KeyValuePairs<String, String>) -> [UInt8] {
    Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], ["y"])],
        initializers: [Wire.tensor("w", [2, 2]).external(entries)],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("y", [2, 2])])
    ).bytes
  }

  private func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  private func quantize(_ folder: borrowing TemporaryFolder, _ flags: [String] = []) throws
    -> Command
  {
    try Command(
      ["quantize", "model/m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale"] + flags,
      in: folder.path)
  }

  /// Refused with one of the statuses; nothing is written, and nothing of the secret is said.
  private func expectRefused(
    _ folder: borrowing TemporaryFolder, _ statuses: Set<Int32>, _ what: String
  ) throws {
    let result = try quantize(folder)
    #expect(statuses.contains(result.status), "\(what): \(result.status) \(result.errors)")
    #expect(result.errors.hasPrefix("error: "), "\(what)")
    #expect(!result.errors.contains("a secret"), "\(what)")
    #expect(try !folder.entries().contains("out.onnx"), "\(what)")
  }

  // MARK: Names

  @Test(arguments: [
    "../secret.bin", "a/../../secret.bin", "./../secret.bin", "a/./../../secret.bin", "..", ".", "",
    "/etc/hostname", "//host/x", #"C:\x"#, #"..\secret.bin"#, #"a\..\..\secret.bin"#,
  ])
  func `group 1, names that lead out`(location: String) throws {
    let folder = try folder(["location": location])
    try makeFolder(folder["model/a"])
    try expectRefused(folder, [65, 66, 77], location)
  }

  @Test(arguments: [
    "w.bin\u{0}", "w.bin\n", String(repeating: "n", count: 4097), "w.bin/", "w.bin ", " w.bin",
    // The composed and the decomposed spelling are two names.
    "w\u{308}.bin",
  ])
  func `group 2, names that are other files`(location: String) throws {
    let folder = try folder(["location": location])
    _ = try folder.write("model/\u{1E85}.bin", Self.secret)
    try expectRefused(folder, [65, 66, 77], location)
  }

  @Test func `group 2, names that are no text`() throws {
    let folder = try TemporaryFolder()
    try makeFolder(folder["model"])
    let entry = Wire().text(1, "location").data(2, [0x77, 0xFF, 0xFE])
    let tensor = Wire.tensor("w", [2, 2]).message(13, entry).number(14, 1)
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], ["y"])], initializers: [tensor],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("y", [2, 2])]))
    _ = try folder.write("model/m.onnx", model.bytes)
    try expectRefused(folder, [65], "invalid UTF-8")
  }

  // MARK: Links

  @Test func `group 3, links that stay inside are followed`() throws {
    let folder = try folder(["location": "l.bin"])
    _ = try folder.link("model/l.bin", to: "w.bin")
    #expect(try quantize(folder).status == 0)
  }

  @Test func `groups 4 and 5, links that lead out`() throws {
    for location in ["l.bin", "d/secret.bin"] {
      let folder = try folder(["location": location])
      _ = try folder.link("model/l.bin", to: folder["secret.bin"])
      _ = try folder.link("model/d", to: folder.path)
      try expectRefused(folder, [77], location)
    }
  }

  @Test func `group 6, hard links are files like others`() throws {
    let folder = try folder(["location": "h.bin"])
    #expect(unsafe Glibc.link(folder["model/w.bin"], folder["model/h.bin"]) == 0)
    #expect(try quantize(folder).status == 0)
  }

  @Test func `groups 7 and 8, a cache of links, and one that leaves it`() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("secret.bin", Self.secret)
    for name in ["cache/blobs", "cache/snapshots/1"] { try makeFolder(folder[name]) }
    _ = try folder.write("cache/blobs/m", Self.model(["location": "w.bin"]))
    _ = try folder.write("cache/blobs/w", Self.inside)
    _ = try folder.link("cache/snapshots/1/m.onnx", to: "../../blobs/m")
    _ = try folder.link("cache/snapshots/1/w.bin", to: "../../blobs/w")
    let arguments = [
      "quantize", "cache/snapshots/1/m.onnx", "-o", "out.onnx", "--scale-method", "unit_scale",
    ]
    #expect(try Command(arguments, in: folder.path).status == 0)
    try FileManager.default.removeItem(atPath: folder["cache/snapshots/1/w.bin"])
    _ = try folder.link("cache/snapshots/1/w.bin", to: folder["secret.bin"])
    let out = try Command(arguments, in: folder.path)
    #expect(out.status == 77, "\(out.errors)")
  }

  // MARK: Kinds of files

  @Test(arguments: ["/dev/zero", "/dev/stdin", "/proc/self/mem", "/proc/self/environ"])
  func `group 9, devices and the process by a link`(target: String) throws {
    let folder = try folder(["location": "l.bin"])
    _ = try folder.link("model/l.bin", to: target)
    try expectRefused(folder, [77], target)
  }

  @Test func `group 9, pipes, sockets and folders in the place of data`() throws {
    let pipe = try folder(["location": "p.bin"])
    #expect(unsafe mkfifo(pipe["model/p.bin"], 0o600) == 0)
    try expectRefused(pipe, [77], "a pipe")
    let sub = try folder(["location": "d.bin"])
    try makeFolder(sub["model/d.bin"])
    try expectRefused(sub, [77], "a folder")
    let socket = try folder(["location": "s.bin"])
    #expect(unsafe mknod(socket["model/s.bin"], S_IFSOCK | 0o600, 0) == 0)
    try expectRefused(socket, [77], "a socket")
  }

  // MARK: Keys and ranges

  @Test(arguments: ["*/_ORT_MEM_ADDR_/*", "*/_org_mem_addr_/*", "_ORT_MEM_ADDR_"])
  func `group 11, addresses in memory are names like others`(location: String) throws {
    try expectRefused(try folder(["location": location]), [65, 66, 77], location)
  }

  @Test(
    arguments: [
      ["location": "w.bin", "Location": "w.bin"], ["location": "w.bin", "size": "16"],
      ["location": "w.bin", "offset": "0", "offset": "0"], ["location": "w.bin", "offset": "-1"],
      ["location": "w.bin", "offset": "+0"], ["location": "w.bin", "offset": "0x0"],
      ["location": "w.bin", "offset": " 0"], ["location": "w.bin", "length": "16 "],
      ["location": "w.bin", "length": "1e1"],
      ["location": "w.bin", "offset": "9223372036854775808"],
      ["location": "w.bin", "length": "18446744073709551616"], ["offset": "0"],
      // Group 13: sums that overflow, one byte too many, lengths that are not the tensor's.
      ["location": "w.bin", "offset": "9223372036854775807", "length": "16"],
      ["location": "w.bin", "offset": "1"], ["location": "w.bin", "offset": "1", "length": "16"],
      ["location": "w.bin", "length": "15"], ["location": "w.bin", "length": "17"],
    ] as [KeyValuePairs<String, String>])
  func `groups 12 and 13, keys and numbers`(entries: KeyValuePairs<String, String>) throws {
    try expectRefused(try folder(entries), [65], "\(entries)")
  }

  @Test func `group 13, what is left out has a meaning`() throws {
    for entries in [["location": "w.bin"], ["location": "w.bin", "length": "16"]]
      as [KeyValuePairs<String, String>]
    {
      #expect(try quantize(try folder(entries)).status == 0)
    }
  }

  @Test func `group 14, ranges may be shared, overlap, and lie in the model`() throws {
    let tensors = [
      Wire.tensor("w", [2, 2]).external(["location": "w.bin", "length": "16"]),
      Wire.tensor("v", [2, 2]).external(["location": "w.bin", "length": "16"]),
      Wire.tensor("u", [2, 2]).external(["location": "w.bin", "offset": "8", "length": "16"]),
      Wire.tensor("t", [2, 2]).external(["location": "m.onnx", "offset": "4", "length": "16"]),
    ]
    let nodes = ["w", "v", "u", "t"].map { Wire.node("MatMul", ["x", $0], ["y.\($0)"], name: $0) }
    let folder = try folder(["location": "w.bin"], data: Array(0..<24))
    let model = Wire.model(
      Wire.graph(
        nodes: nodes, initializers: tensors, inputs: [Wire.value("x", [2, 2])],
        outputs: ["w", "v", "u", "t"].map { Wire.value("y.\($0)", [2, 2]) }))
    _ = try folder.write("model/m.onnx", model.bytes)
    let result = try quantize(folder, ["--allow-nonfinite"])
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test func `group 15, a file of ten terabytes of nothing`() throws {
    let folder = try folder(["location": "huge.bin", "offset": "8192", "length": "16"])
    let descriptor = unsafe open(folder["model/huge.bin"], O_CREAT | O_WRONLY, 0o600)
    defer { close(descriptor) }
    guard ftruncate(descriptor, 10 << 40) == 0 else {
      // Not every file system has files of that size.
      return #expect(errno == EFBIG)
    }
    #expect(try quantize(folder).status == 0)
  }

  // MARK: Outputs

  @Test func `group 16, what stands where an output goes`() throws {
    let folder = try folder(["location": "w.bin"])
    try makeFolder(folder["real"])
    _ = try folder.link("linked", to: "real")
    _ = try folder.link("link.onnx", to: folder["secret.bin"])
    _ = try folder.write("old.onnx", Self.secret)
    #expect(unsafe chmod(folder["old.onnx"], 0o444) == 0)
    func output(_ path: String) throws -> Int32 {
      try Command(
        ["quantize", "model/m.onnx", "-o", path, "--scale-method", "unit_scale"], in: folder.path
      ).status
    }
    #expect(try output("linked/out.onnx") == 0)
    #expect(try folder.entries("real").contains("out.onnx"))
    // The link is replaced, not what it leads to.
    #expect(try output("link.onnx") == 0)
    #expect(try folder.contents("secret.bin") == Self.secret)
    // As with any rename, the folder's rights count and not the file's.
    #expect(try output("old.onnx") == 0)
    #expect(try folder.contents("old.onnx") != Self.secret)
    #expect(try output("real") == 73)
    // A pipe without a reader is no wait.
    #expect(unsafe mkfifo(folder["pipe"], 0o600) == 0)
    #expect(try output("pipe") == 73)
    #expect(try output("/dev/full") == 74)
    #expect(Folder.isStream("/dev/full"))
  }

  @Test func `group 16, a device is written to and stays`() throws {
    let folder = try folder(["location": "w.bin"])
    let plain = try quantize(folder)
    #expect(plain.status == 0)
    let result = try Command(
      [
        "quantize", "model/m.onnx", "-o", "/dev/stdout", "--scales", "/dev/null", "--scale-method",
        "unit_scale",
      ], in: folder.path, redirection: ">out.pipe")
    #expect(result.status == 0, "\(result.errors)")
    #expect(Folder.isStream("/dev/null"))
  }

  @Test func `group 16, no output replaces what is read, or another output`() throws {
    let folder = try folder(["location": "out.onnx.data"], data: nil)
    let data = [UInt8](repeating: 7, count: 16)
    _ = try folder.write("model/out.onnx.data", data)
    _ = try folder.link("model/l.onnx.data", to: "out.onnx.data")
    let external = ["--external-data", "always", "--external-data-threshold", "0"]
    func expectKept(_ output: String, _ flags: [String], _ status: Int32, _ id: String) throws {
      let result = try Command(
        ["quantize", "m.onnx", "-o", output, "--scale-method", "unit_scale"] + flags,
        in: folder["model"])
      #expect(result.status == status && result.errors.contains("[\(id)]"), "\(result.errors)")
      #expect(try folder.contents("model/out.onnx.data") == data)
    }
    try expectKept("out.onnx", external, 73, "output-is-input")
    try expectKept("l.onnx", external, 73, "output-is-input")
    try expectKept("o.onnx", ["--scales", "./out.onnx.data"], 73, "output-is-input")
    try expectKept("o.onnx", ["--depfile", folder["model/out.onnx.data"]], 73, "output-is-input")
    try expectKept("o.onnx", ["--ir", "m.onnx"], 73, "output-is-input")
    try expectKept("o.onnx", ["--ir", "./o.onnx"], 64, "outputs-collide")
    try expectKept("o.onnx", ["--scales", "s", "--ir", "s"], 64, "outputs-collide")
    #expect(try folder.entries("model") == ["l.onnx.data", "m.onnx", "out.onnx.data"])
    // The model itself is replaced when all is written.
    let over = try Command(
      ["quantize", "m.onnx", "-o", "m.onnx", "--scale-method", "unit_scale"], in: folder["model"])
    #expect(over.status == 0, "\(over.errors)")
  }

  @Test func `group 17, names of a model are never paths`() throws {
    let folder = try TemporaryFolder()
    let name = "../../x.html\u{1B}[31m\u{202E}<script>"
    let model = Wire.model(
      Wire.graph(
        nodes: [Wire.node("MatMul", ["x", "w"], ["y"], name: name)],
        initializers: [Wire.tensor("w", [2, 2]).data(9, Self.inside)],
        inputs: [Wire.value("x", [2, 2])], outputs: [Wire.value("y", [2, 2])]))
    _ = try folder.write("m.onnx", model.bytes)
    let result = try Command(
      ["quantize", "m.onnx", "-o", "o.onnx", "--scale-method", "unit_scale", "-v", "--explain"],
      in: folder.path)
    #expect(result.status == 0)
    #expect(!result.errors.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E })
    #expect(
      try Command(["report", "o.scales.json", "-o", "r.html"], in: folder.path).status == 0)
    #expect(try !folder.text("r.html").contains("<script"))
    #expect(try folder.entries() == ["m.onnx", "o.onnx", "o.scales.json", "r.html"])
  }
}

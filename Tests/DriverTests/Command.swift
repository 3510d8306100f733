import Foundation
import TestSupport

/// The command as it was built beside the tests, run as a user runs it.
struct Command {
  let status: Int32
  let output: String
  let errors: String

  /// `environment` is laid over that of the tests; `shell` runs first in the shell that runs the command,
  /// and `redirection` stands behind it.
  init(
    _ arguments: [String], in folder: String = "/tmp", environment: [String: String] = [:],
    shell: String? = nil, redirection: String = ""
  ) throws {
    let process = Process()
    if shell != nil || !redirection.isEmpty {
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      let line = "\(shell ?? ":"); exec \"$0\" \"$@\" \(redirection)"
      process.arguments = ["-c", line, Command.path] + arguments
    } else {
      process.executableURL = URL(fileURLWithPath: Command.path)
      process.arguments = arguments
    }
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    // What the user of the tests has set for fp8c is none of theirs.
    process.environment = ProcessInfo.processInfo.environment.filter {
      $0.key != "FP8C_CONFIG" && $0.key != "QUANT_CONFIG"
    }.merging(environment) { _, own in own }
    // Files, not pipes: a pipe that fills up would stop the command.
    let files = try TemporaryFolder()
    let names = [files["output"], files["errors"]]
    let handles = try names.map { name in
      _ = FileManager.default.createFile(atPath: name, contents: nil)
      return try FileHandle(forWritingTo: URL(fileURLWithPath: name))
    }
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    try process.run()
    process.waitUntilExit()
    status = process.terminationStatus
    let texts = try names.map { try String(contentsOfFile: $0, encoding: .utf8) }
    (output, errors) = (texts[0], texts[1])
  }

  /// The line of the first error.
  var error: String { lines.first { $0.hasPrefix("error: ") } ?? lines.first ?? "" }

  /// The lines of standard error.
  var lines: [String] { errors.split(separator: "\n").map(String.init) }

  /// Beside the bundle of tests, which is the argument of the runner or the runner itself.
  private static let path: String = {
    let arguments = CommandLine.arguments
    let bundle = arguments.first { $0.hasSuffix(".xctest") } ?? arguments[0]
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().path + "/fp8c"
  }()
}

/// True where ONNX Runtime's library is named or found; `make test` names it.
let runtimeIsExpected: Bool = {
  if ProcessInfo.processInfo.environment["FP8C_ONNXRUNTIME"] != nil { return true }
  let model = goldenPath("onnx/mlp_small.ts.onnx")
  let inputs = goldenPath("onnx/mlp_small.ts.inputs.npz")
  return (try? Command(["verify", model, model, "--inputs", inputs]))?.status == 0
}()

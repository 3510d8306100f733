internal import ArgumentParser
internal import Driver
internal import Support

/// The command line: argument parsing, nothing else.
@main
struct FP8C: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fp8c",
    abstract: "Compiles an ONNX model into an FP8 model for Intel Gaudi2.",
    version: Driver.version,
    subcommands: [
      Compile.self, Measure.self, Quantize.self, Scales.self, Inspect.self, Opt.self, Print.self,
      Verify.self, Targets.self,
    ])
}

extension ParsableCommand {
  /// Runs a command of the driver; what it throws is reported once and gives the exit status.
  func perform(
    quiet: Bool = false, _ body: (Console) throws(Diagnostic) -> ExitStatus
  ) throws {
    let console = Console(isQuiet: quiet)
    let status: ExitStatus
    do throws(Diagnostic) {
      status = try body(console)
    } catch {
      console.report(error)
      throw ExitCode(error.status.rawValue)
    }
    guard status == .done else { throw ExitCode(status.rawValue) }
  }
}

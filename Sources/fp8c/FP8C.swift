internal import ArgumentParser
internal import Driver
internal import Support

/// The command line: argument parsing, nothing else.
@main
struct FP8C: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fp8c",
    abstract: "Compiles an ONNX model into an FP8 model for Intel Gaudi2.",
    version: Compiler.version,
    subcommands: [
      Compile.self, Measure.self, Quantize.self, Instrument.self, Collect.self, Scales.self,
      Unify.self, AlignKV.self, Inspect.self, Opt.self, Print.self, Verify.self, Targets.self,
      Schema.self,
    ])

  /// `--explain` may stand alone: what follows it is its value only behind `=`, or where that is a kind
  /// or type of module and so no file.
  ///
  /// Build systems ask for the version each time they configure: it is answered before the commands are
  /// looked at, which takes longer than the rest of the start.
  static func main() {
    if CommandLine.arguments.dropFirst() == ["--version"] { return print(Compiler.version) }
    var arguments: [String] = []
    for argument in CommandLine.arguments.dropFirst() {
      if arguments.last == "--explain=all", Compiler.isKindOrType(argument) {
        arguments[arguments.count - 1] = "--explain=\(argument)"
      } else {
        arguments.append(argument == "--explain" ? "--explain=all" : argument)
      }
    }
    main(arguments)
  }
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

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
      Unify.self, AlignKV.self, Inspect.self, Opt.self, Print.self, Diff.self,
      Golden.self, Verify.self, Report.self, Targets.self, Schema.self, Explain.self,
    ])

  /// `--explain` and `--werror` may stand alone and then mean all; what follows `--explain` is its value
  /// only where that is a kind or type of module and so no file.
  ///
  /// Build systems ask for the version each time they configure: it is answered before the commands are
  /// looked at, which takes longer than the rest of the start.
  static func main() {
    let given = processArguments().dropFirst()
    if given == ["--version"] { return print(Compiler.version) }
    var arguments: [String] = []
    for argument in given {
      if arguments.last == "--explain=all", Compiler.isKindOrType(argument) {
        arguments[arguments.count - 1] = "--explain=\(argument)"
      } else {
        let standsAlone = argument == "--explain" || argument == "--werror"
        arguments.append(standsAlone ? "\(argument)=all" : argument)
      }
    }
    main(arguments)
  }
}

extension ParsableCommand {
  /// Runs a command of the driver; what it throws is reported once and gives the exit status.
  func perform(
    _ messages: MessageSettings, _ body: (Console) throws(Diagnostic) -> ExitStatus
  ) throws {
    let console = Console(messages.options)
    defer { console.close() }
    var status: ExitStatus
    do throws(Diagnostic) {
      try messages.options.check()
      status = try body(console)
    } catch {
      console.finish()
      console.report(error)
      throw ExitCode(error.status.rawValue)
    }
    if status == .done, console.hasFailed { status = .checkFailed }
    guard status == .done else { throw ExitCode(status.rawValue) }
  }
}

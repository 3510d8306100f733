internal import ArgumentParser
internal import Driver

/// What every command has: how messages are written, and which of them count.
struct MessageSettings: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Messages as text, JSON with one object a line, one SARIF document, or GitHub's annotations.",
      valueName: "form"))
  var diagnostics: FormatSpelling = .text

  @Option(
    help: ArgumentHelp(
      "Make warnings errors, all or those of an identifier (repeatable).", valueName: "id"))
  var werror: [String] = []

  @Option(
    help: ArgumentHelp("Leave the warnings of an identifier out (repeatable).", valueName: "id"))
  var noWarn: [String] = []

  @Option(help: ArgumentHelp("Show progress: auto, always or never.", valueName: "when"))
  var progress: ProgressSpelling = .auto

  @Flag(name: .customShort("q"), help: "Say only what is wrong.")
  var quiet = false

  var options: MessageOptions {
    var options = MessageOptions()
    options.format = diagnostics.value
    options.errors = werror
    options.silenced = noWarn
    options.progress = progress.value
    options.isQuiet = quiet
    return options
  }
}

enum FormatSpelling: String, ExpressibleByArgument, CaseIterable {
  case text
  case json
  case sarif
  case github

  var value: MessageOptions.Format {
    switch self {
    case .text: .text
    case .json: .json
    case .sarif: .sarif
    case .github: .github
    }
  }
}

enum ProgressSpelling: String, ExpressibleByArgument, CaseIterable {
  case auto
  case always
  case never

  var value: MessageOptions.Progress {
    switch self {
    case .auto: .auto
    case .always: .always
    case .never: .never
    }
  }
}

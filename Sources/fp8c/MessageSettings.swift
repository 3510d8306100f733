internal import ArgumentParser
internal import Driver

/// What every command has: how messages are written, and which of them count.
struct MessageSettings: ParsableArguments {
  @Option(help: "Messages as text, or as JSON with one object a line: text or json.")
  var diagnostics: FormatSpelling = .text

  @Option(help: "Make warnings errors, all or those of an identifier (repeatable).")
  var werror: [String] = []

  @Option(help: "Leave the warnings of an identifier out (repeatable).")
  var noWarn: [String] = []

  @Option(help: "Show progress: auto, always or never.")
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

  var value: MessageOptions.Format {
    switch self {
    case .text: .text
    case .json: .json
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

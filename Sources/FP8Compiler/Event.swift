internal import Driver
internal import Support

/// What a job has to say.
public enum Event: Sendable {
  case message(Message)
  /// A line on what was done.
  case note(String)
  /// What the command writes to standard output.
  case result(String)
  case progress(Progress)

  /// How far a long piece of work is.
  public struct Progress: Sendable {
    /// Such as `writing out.onnx`.
    public let title: String
    /// Bytes or batches.
    public let done: Int64
    /// How much there is, where that is known.
    public let total: Int64?
  }

  init(_ event: ConsoleEvent) {
    switch event {
    case .diagnostic(let diagnostic): self = .message(Message(diagnostic))
    case .note(let line): self = .note(line)
    case .result(let text): self = .result(text)
    case .progress(let phase):
      self = .progress(Progress(title: phase.title, done: phase.done, total: phase.total))
    }
  }
}

/// A diagnostic: an error, a warning or a remark.
public struct Message: Sendable, Equatable {
  /// `error`, `warning` or `remark`.
  public let severity: String
  /// What `fp8c explain` explains, such as `cannot-open`.
  public let identifier: String
  public let file: String?
  public let node: String?
  /// One sentence without a full stop.
  public let sentence: String
  /// Remedies and further places.
  public let notes: [String]
  /// The lines that the command prints.
  public let text: String

  init(_ diagnostic: Diagnostic) {
    severity = diagnostic.severity.rawValue
    identifier = diagnostic.id
    file = diagnostic.location.file
    node = diagnostic.location.node
    sentence = diagnostic.message
    notes = diagnostic.notes
    text = diagnostic.text
  }
}

/// Why a job could not do its work.
public struct Failure: Error, Sendable, Equatable {
  /// The exit status that the command ends with.
  public let status: Int32
  public let message: Message

  init(_ diagnostic: Diagnostic) {
    status = diagnostic.status.rawValue
    message = Message(diagnostic)
  }
}

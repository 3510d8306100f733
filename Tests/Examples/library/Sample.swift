import FP8Compiler
import Foundation

/// A program in Swift that compiles models: sample inspect MODEL, sample quantize MODEL OUT, sample verify MODEL OUT.
///
/// It prints what the command prints: results on standard output, the rest on standard error.
@main
struct Sample {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count > 2 else {
      say("usage: \(arguments[0]) inspect|quantize|verify MODEL [OUT]")
      exit(64)
    }
    let output = arguments.count > 3 ? arguments[3] : "out.onnx"
    var job = Job(model: arguments[2]) { event in
      switch event {
      case .result(let text): print(text, terminator: "")
      case .note(let line): say(line)
      case .message(let message): say(message.text)
      case .progress: break
      }
    }
    job.options.scaleMethod = "unit_scale"
    do {
      switch arguments[1] {
      case "inspect": try job.inspect()
      case "quantize": try job.quantize(to: output)
      default: try job.verify(output)
      }
    } catch {
      say(error.message.text)
      exit(error.status)
    }
  }

  private static func say(_ line: String) {
    FileHandle.standardError.write(Data("\(line)\n".utf8))
  }
}

import FP8Compiler
import Support
import Synchronization
import TestSupport
import Testing

/// The library as a program uses it.
@Suite struct JobTests {
  private static let digits = goldenPath("digits/digits_cnn.ts.onnx")

  /// What a job said, whichever thread said it.
  private final class Listener: Sendable {
    let events = Mutex<[Event]>([])
    func hear(_ event: Event) { events.withLock { $0.append(event) } }

    var results: [String] {
      events.withLock {
        $0.compactMap { if case .result(let text) = $0 { text } else { nil } }
      }
    }

    var progress: [Event.Progress] {
      events.withLock {
        $0.compactMap { if case .progress(let progress) = $0 { progress } else { nil } }
      }
    }
  }

  @Test func `a model is quantized and proved, and nothing is printed`() throws {
    let folder = try TemporaryFolder()
    let listener = Listener()
    var job = Job(model: Self.digits) { listener.hear($0) }
    job.options.scaleMethod = "unit_scale"
    try job.quantize(to: folder["out.onnx"])
    #expect(try folder.entries().sorted() == ["out.onnx", "out.scales.json"])
    // The weights of the five modules and the biases, in bytes as they are written, to the end.
    let last = try #require(listener.progress.last)
    #expect(last.title == "writing \(folder["out.onnx"])")
    #expect(last.done == last.total)
    try job.verify(folder["out.onnx"])
    #expect(listener.results == ["structure: 12 operators and 10 weights are the source's\n"])
  }

  @Test func `failures are values`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("m.onnx", Array("no model".utf8))
    do throws(Failure) {
      try Job(model: path).inspect()
      Issue.record("a text was read as a model")
    } catch {
      #expect(error.status == 65)
      #expect(error.message.severity == "error")
      #expect(error.message.file == path)
      #expect(error.message.text.hasPrefix("error: \(path): "))
    }
    do throws(Failure) {
      var job = Job(model: Self.digits)
      job.options.scaleMethod = "no_such_method"
      try job.quantize(to: folder["out.onnx"])
      Issue.record("there is no such method")
    } catch {
      #expect(error.status == 78)
    }
    #expect(try folder.entries() == ["m.onnx"])
  }

  @Test func `work that is cancelled ends with an error and without an output`() throws {
    let folder = try TemporaryFolder()
    let running = Mutex<Job?>(nil)
    // Cancelled from the first word of progress on, which comes while weights are written.
    var job = Job(model: Self.digits) { event in
      if case .progress = event { running.withLock { $0?.cancel() } }
    }
    job.options.scaleMethod = "unit_scale"
    let started = job
    running.withLock { $0 = started }
    do throws(Failure) {
      try started.quantize(to: folder["out.onnx"])
      Issue.record("the work was not cancelled")
    } catch {
      #expect(error.message.identifier == "cancelled")
      #expect(error.status == 75)
    }
    #expect(try folder.entries() == [])
  }
}

import Glibc
import Support
import Synchronization
import TestSupport
import Testing

/// Group 10 of reliability.md 3.7: a name that is a file and a link to a secret, by turns, while it is opened.
@Suite struct SwapRaceTests {
  /// Exchanges a name's file for a link to a secret, and back, on a thread of its own.
  private final class Swapper: Sendable {
    private let path: String
    private let inside: String
    private let outside: String
    private let isStopped = Atomic(false)
    let turns = Atomic(0)

    init(_ path: String, inside: String, outside: String) {
      self.path = path
      self.inside = inside
      self.outside = outside
    }

    func run() {
      while !isStopped.load(ordering: .relaxed) {
        unsafe rename(inside, path)
        unsafe rename(path, inside)
        unsafe rename(outside, path)
        unsafe rename(path, outside)
        turns.add(1, ordering: .relaxed)
      }
    }

    /// Starts the thread, calls `body`, and waits for the thread's end.
    func during(_ body: () -> Void) {
      var thread = pthread_t()
      let me = unsafe Unmanaged.passRetained(self).toOpaque()
      let status = unsafe pthread_create(
        &thread, nil,
        { pointer in
          guard let pointer = unsafe pointer else { return nil }
          unsafe Unmanaged<Swapper>.fromOpaque(pointer).takeRetainedValue().run()
          return nil
        }, me)
      #expect(status == 0)
      while turns.load(ordering: .relaxed) == 0 { sched_yield() }
      body()
      isStopped.store(true, ordering: .relaxed)
      pthread_join(thread, nil)
    }
  }

  @Test(arguments: ["w.bin", "sub/w.bin"]) func `a secret is never read`(location: String)
    throws
  {
    let folder = try TemporaryFolder()
    let secret: [UInt8] = Array("secret".utf8)
    let model = try folder.write("model/m.onnx", [])
    _ = try folder.write("secret/w.bin", secret)
    _ = try folder.write("spare/w.bin", Array("inside".utf8))
    _ = try folder.link("link", to: folder["secret"])
    // What is exchanged is the file, or the folder that it lies in.
    let name = location == "w.bin" ? "model/w.bin" : "model/sub"
    let (inside, outside) =
      location == "w.bin"
      ? (folder["spare/w.bin"], folder["secret.link"]) : (folder["spare"], folder["link"])
    _ = try folder.link("secret.link", to: folder["secret/w.bin"])
    let swapper = Swapper(folder[name], inside: inside, outside: outside)
    var read = 0
    var refused = 0
    swapper.during {
      for _ in 0..<1000 {
        do throws(Diagnostic) {
          let file = try InputFile(location: location, ofModel: model)
          let bytes = try file.bytes(at: 0, count: Int(file.size))
          #expect(bytes != secret)
          read += 1
        } catch {
          #expect(error.status == .notPermitted || error.status == .noInput, "\(error.message)")
          refused += 1
        }
      }
    }
    #expect(read + refused == 1000)
    #expect(swapper.turns.load(ordering: .relaxed) > 0)
  }
}

import FuzzHarness
import Glibc
import TestSupport

/// The target that FP8C_FUZZ names.
private let target: FuzzTarget = {
  let name = unsafe getenv("FP8C_FUZZ").map { unsafe String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fatalError("FP8C_FUZZ is '\(name)', expected one of \(FuzzTarget.allCases.map(\.rawValue))")
  }
  return target
}()

/// What libFuzzer calls.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard let folder = try? TemporaryFolder() else { fatalError("no folder for temporary files") }
  target.run(unsafe Array(UnsafeBufferPointer(start: data, count: size)), in: folder)
  return 0
}

internal import COnnxRuntime
internal import Glibc
package import IR
package import Support

// Pointers of this file belong to ONNX Runtime's objects, which the classes below own; each object is
// released once, in `deinit`, and the runtime outlives its sessions and values by reference.

/// ONNX Runtime, loaded at run time.
///
/// Not shared between threads: calls go one after the other.
@safe package final class Runtime {
  fileprivate let pointer: OpaquePointer

  /// Where to get the library, for the message of every command that needs it.
  package static let remedy =
    "'pip install onnxruntime' brings libonnxruntime.so; name it with --onnxruntime or "
    + "FP8C_ONNXRUNTIME"

  package init(library path: String) throws(Diagnostic) {
    var message: UnsafeMutablePointer<CChar>?
    guard let pointer = unsafe fp8c_runtime_load(path, &message) else {
      throw .runtimeNotLoaded(path, reason: unsafe taken(message))
    }
    unsafe self.pointer = pointer
  }

  deinit { unsafe fp8c_runtime_unload(pointer) }

  package var version: String { unsafe String(cString: fp8c_runtime_version(pointer)) }

  /// Looks for the library: the given file, else the environment's, beside the executable, in the
  /// library path, in the active Python environment, and in one that stands in a folder above the
  /// executable, as in a checkout.
  package static func find(
    _ given: String?, environment: (String) -> String?, executable: String
  ) throws(Diagnostic) -> Runtime {
    if let path = given ?? environment("FP8C_ONNXRUNTIME") { return try Runtime(library: path) }
    let beside = InputFile.folder(of: executable)
    var folders = [beside, "\(beside)/../lib", "\(beside)/../lib/fp8c"]
    folders += (environment("LD_LIBRARY_PATH") ?? "").split(separator: ":").map(String.init)
    folders += ["/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu"]
    var roots = [environment("VIRTUAL_ENV"), environment("CONDA_PREFIX")].compactMap { $0 }
    for folder in (environment("PATH") ?? "").split(separator: ":")
    where Folder.exists("\(folder)/python3") {
      roots.append("\(folder)/..")
    }
    var above = beside
    for _ in 0..<4 {
      above = InputFile.folder(of: above)
      roots.append("\(above)/.venv")
      folders.append("\(above)/.onnxruntime/wheel/onnxruntime/capi")
    }
    for root in roots {
      for version in names(in: "\(root)/lib") where version.hasPrefix("python3") {
        folders.append("\(root)/lib/\(version)/site-packages/onnxruntime/capi")
      }
    }
    for folder in folders {
      for name in names(in: folder) where name.hasPrefix("libonnxruntime.so") {
        return try Runtime(library: "\(folder)/\(name)")
      }
    }
    throw .runtimeNotFound()
  }

  /// The names in a folder; none where it cannot be read, which is no fault of a place looked at.
  private static func names(in folder: String) -> [String] {
    (try? Folder.entries(of: folder)) ?? []
  }
}

/// A model that ONNX Runtime accepted.
@safe package final class Session {
  private let runtime: Runtime
  private let pointer: OpaquePointer

  /// Makes a session of an encoded model.
  ///
  /// `folder` is where external data is looked for. The bytes are not needed afterwards.
  package init(
    _ runtime: Runtime, model: [UInt8], folder: String?, optimize: Bool = false
  ) throws(Diagnostic) {
    var message: UnsafeMutablePointer<CChar>?
    let pointer = unsafe model.withUnsafeBytes { bytes in
      unsafe fp8c_session_create(
        runtime.pointer, bytes.baseAddress, bytes.count, folder, optimize ? 1 : 0, &message)
    }
    guard let pointer = unsafe pointer else {
      throw .cannotRun(reason: unsafe taken(message))
    }
    self.runtime = runtime
    unsafe self.pointer = pointer
  }

  /// A session of a model file, which may have data files beside it.
  package convenience init(
    _ runtime: Runtime, path: String, optimize: Bool = false
  ) throws(Diagnostic) {
    let file = try InputFile(path: path)
    let bytes = try file.bytes(at: 0, count: Int(file.size))
    do throws(Diagnostic) {
      try self.init(
        runtime, model: bytes, folder: InputFile.folder(of: path), optimize: optimize)
    } catch {
      throw error.inFile(path)
    }
  }

  deinit { unsafe fp8c_session_free(runtime.pointer, pointer) }

  /// Runs the model on one batch; outputs come in the order of `outputs`.
  ///
  /// An output that is no tensor, such as a sequence, comes as `nil`.
  package func run(
    _ inputs: [(name: String, tensor: Tensor)], outputs: [String]
  ) throws(Diagnostic) -> [Tensor?] {
    var message: UnsafeMutablePointer<CChar>?
    var values: [OpaquePointer?] = unsafe []
    var storage: [UnsafeMutableRawPointer] = unsafe []
    defer {
      for index in 0..<(unsafe values.count) {
        unsafe fp8c_value_free(runtime.pointer, values[index])
      }
      for index in 0..<(unsafe storage.count) { unsafe free(storage[index]) }
    }
    for input in inputs {
      let tensor = input.tensor
      guard let block = unsafe malloc(max(tensor.bytes.count, 1)) else {
        throw .noMemory(tensor.bytes.count)
      }
      unsafe storage.append(block)
      unsafe tensor.bytes.withUnsafeBytes { bytes in
        if let base = bytes.baseAddress {
          unsafe block.copyMemory(from: base, byteCount: bytes.count)
        }
      }
      let value = unsafe fp8c_value_create(
        runtime.pointer, block, tensor.bytes.count, tensor.shape, tensor.shape.count,
        tensor.element.rawValue, &message)
      guard let value = unsafe value else { throw .cannotRun(reason: unsafe taken(message)) }
      unsafe values.append(value)
    }
    var results = unsafe [OpaquePointer?](repeating: nil, count: outputs.count)
    let status = unsafe withCStrings(inputs.map(\.name)) { inputNames in
      unsafe withCStrings(outputs) { outputNames in
        unsafe fp8c_session_run(
          runtime.pointer, pointer, inputNames, values, inputs.count, outputNames,
          outputs.count, &results, &message)
      }
    }
    defer {
      for index in 0..<(unsafe results.count) {
        unsafe fp8c_value_free(runtime.pointer, results[index])
      }
    }
    guard status == 0 else { throw .cannotRun(reason: unsafe taken(message)) }
    var tensors: [Tensor?] = []
    for index in 0..<(unsafe results.count) { tensors.append(unsafe tensor(results[index])) }
    return tensors
  }

  /// A copy of a tensor that the runtime made.
  private func tensor(_ value: OpaquePointer?) -> Tensor? {
    guard let value = unsafe value else { return nil }
    var type: Int32 = 0
    var rank = 0
    var count = 0
    var bytes: UnsafeMutableRawPointer?
    guard unsafe fp8c_value_describe(runtime.pointer, value, &type, &rank, &count, &bytes) == 0,
      let element = ElementType(rawValue: type), let size = element.byteCount(of: count)
    else { return nil }
    var shape = [Int64](repeating: 0, count: rank)
    guard unsafe fp8c_value_shape(runtime.pointer, value, &shape, rank) == 0 else { return nil }
    let copy = unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : size))
    return Tensor(element: element, shape: shape, bytes: copy)
  }
}

/// A tensor in memory: little-endian elements in row-major order.
package struct Tensor: Equatable, Sendable {
  package var element: ElementType
  package var shape: [Int64]
  package var bytes: [UInt8]

  package init(element: ElementType, shape: [Int64], bytes: [UInt8]) {
    self.element = element
    self.shape = shape
    self.bytes = bytes
  }
}

/// Copies and releases a message of the runtime, on one line.
private func taken(_ message: UnsafeMutablePointer<CChar>?) -> String {
  guard let message = unsafe message else { return "no reason given" }
  defer { unsafe fp8c_runtime_free_text(message) }
  let text = unsafe String(cString: message)
  return text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

/// Lends an array of C strings.
private func withCStrings<Result>(
  _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  let copies = unsafe texts.map { unsafe UnsafePointer(strdup($0)) }
  defer {
    for index in 0..<(unsafe copies.count) {
      unsafe free(UnsafeMutablePointer(mutating: copies[index]))
    }
  }
  return unsafe copies.withUnsafeBufferPointer { buffer in
    guard let base = buffer.baseAddress else {
      var none: UnsafePointer<CChar>?
      return unsafe withUnsafePointer(to: &none) { unsafe body($0) }
    }
    return unsafe body(base)
  }
}

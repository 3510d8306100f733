/// Writes the pickle of nested dictionaries and lists of float32 arrays, as INC's loader expects it.
///
/// Protocol 3 and NumPy's older module name, which both old and new NumPy read. The result is the file
/// of a 0-dimensional array of objects that holds the one value written.
package struct PickleWriter {
  private var bytes: [UInt8] = []
  private var hasFloat32 = false

  /// Where the instructions keep what every array needs.
  private enum Memo: UInt8 {
    case makeArray
    case array
    case float32
  }

  package init() {
    bytes += [0x80, 3]
    name("numpy.core.multiarray", "_reconstruct")
    put(.makeArray)
    drop()
    name("numpy", "ndarray")
    put(.array)
    drop()
    beginArray(shape: [])
    name("numpy", "dtype")
    elementType("O8", order: "|", flags: 63)
    bytes += [0x89, UInt8(ascii: "]")]
  }

  /// The whole `.npy` file, after the one value was written.
  package consuming func file() -> [UInt8] {
    bytes += Array("atb.".utf8)
    return NPYHeader.fileHead(descriptor: "|O", shape: []) + bytes
  }

  package mutating func none() { bytes.append(UInt8(ascii: "N")) }

  package mutating func integer(_ value: Int32) {
    bytes.append(UInt8(ascii: "J"))
    append(UInt32(bitPattern: value))
  }

  package mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "X"))
    append(UInt32(text.utf8.count))
    bytes += text.utf8
  }

  /// A dictionary; `body` writes keys and values in turn.
  package mutating func dictionary<Failure: Error>(
    _ body: (inout PickleWriter) throws(Failure) -> Void
  ) throws(Failure) {
    bytes += Array("}(".utf8)
    try body(&self)
    bytes.append(UInt8(ascii: "u"))
  }

  package mutating func list<Failure: Error>(
    _ body: (inout PickleWriter) throws(Failure) -> Void
  ) throws(Failure) {
    bytes += Array("](".utf8)
    try body(&self)
    bytes.append(UInt8(ascii: "e"))
  }

  package mutating func tuple<Failure: Error>(
    _ body: (inout PickleWriter) throws(Failure) -> Void
  ) throws(Failure) {
    bytes.append(UInt8(ascii: "("))
    try body(&self)
    bytes.append(UInt8(ascii: "t"))
  }

  /// An array of float32 values, as many as `shape` counts.
  package mutating func array(_ values: [Float], shape: [Int]) {
    precondition(values.count == shape.reduce(1, *), "an array has the elements of its shape")
    beginArray(shape: shape)
    if hasFloat32 {
      get(.float32)
    } else {
      name("numpy", "dtype")
      elementType("f4", order: "<", flags: 0)
      put(.float32)
      hasFloat32 = true
    }
    bytes += [0x89, UInt8(ascii: "B")]
    append(UInt32(values.count * 4))
    for value in values { append(value.bitPattern) }
    bytes += Array("tb".utf8)
  }

  /// Makes an empty array and begins the tuple that fills it: version 1 and the shape.
  private mutating func beginArray(shape: [Int]) {
    get(.makeArray)
    get(.array)
    bytes += [UInt8(ascii: "K"), 0, 0x85, UInt8(ascii: "C"), 1, UInt8(ascii: "b"), 0x87]
    bytes += Array("R(".utf8) + [UInt8(ascii: "K"), 1, UInt8(ascii: "(")]
    for dimension in shape { integer(Int32(clamping: dimension)) }
    bytes.append(UInt8(ascii: "t"))
  }

  /// Calls the element type's maker, which is on the stack, and fills in the byte order.
  private mutating func elementType(_ code: String, order: String, flags: Int32) {
    string(code)
    bytes += [0x89, 0x88, 0x87, UInt8(ascii: "R"), UInt8(ascii: "("), UInt8(ascii: "K"), 3]
    string(order)
    bytes += Array("NNN".utf8)
    integer(-1)
    integer(-1)
    integer(flags)
    bytes += Array("tb".utf8)
  }

  private mutating func name(_ module: String, _ part: String) {
    bytes += Array("c\(module)\n\(part)\n".utf8)
  }

  private mutating func drop() { bytes.append(UInt8(ascii: "0")) }

  /// Stores what is on top of the stack, and leaves it there.
  private mutating func put(_ memo: Memo) { bytes += [UInt8(ascii: "q"), memo.rawValue] }

  private mutating func get(_ memo: Memo) { bytes += [UInt8(ascii: "h"), memo.rawValue] }

  private mutating func append(_ value: UInt32) {
    for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}

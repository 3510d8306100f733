internal import Support

/// What the head of a `.npy` file says of its array (NumPy enhancement proposal 1).
package struct NPYHeader: Equatable, Sendable {
  package let type: NPYType
  package let shape: [Int]
  let isBigEndian: Bool
  let isFortranOrder: Bool
  /// Bytes before the first element.
  let length: Int

  /// The longest head that is read.
  static let lengthLimit = 1 << 16
  /// The most dimensions that NumPy has.
  static let rankLimit = 64

  /// Elements; the initializers saw to it that their bytes can be counted.
  package var count: Int { shape.reduce(1, *) }

  package var byteCount: Int { count * type.byteCount }

  /// How long the head is, read off its first 12 bytes.
  static func length(ofHead bytes: [UInt8], at place: NPYPlace) throws(Diagnostic) -> Int {
    guard bytes.count >= 10, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw .notArray(place)
    }
    let length: Int
    switch bytes[6] {
    case 1: length = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    case 2, 3:
      guard bytes.count >= 12 else { throw .notArray(place) }
      length = 12 + (0..<4).reduce(0) { $0 + Int(bytes[8 + $1]) << (8 * $1) }
    default: throw .formatVersion(bytes[6], place)
    }
    guard length <= lengthLimit else {
      throw .arrayHeader("is longer than \(lengthLimit) bytes", place)
    }
    return length
  }

  /// Reads a whole head, as long as `length(ofHead:)` says.
  init(_ bytes: [UInt8], at place: NPYPlace) throws(Diagnostic) {
    let fields = try Fields(bytes, at: place)
    guard case .string(let text) = fields.descriptor else {
      throw .arrayElementType("a structure", place)
    }
    guard let (type, isBigEndian) = NPYType.parse(text) else {
      throw fields.isObject ? .arrayOfObjects(place) : .arrayElementType("'\(text)'", place)
    }
    try self.init(
      type: type, shape: fields.shape, isBigEndian: isBigEndian,
      isFortranOrder: fields.isFortranOrder, length: bytes.count, at: place)
  }

  /// Throws where the shape has more dimensions than NumPy's, or more elements than can be counted.
  init(
    type: NPYType, shape: [Int], isBigEndian: Bool, isFortranOrder: Bool, length: Int,
    at place: NPYPlace
  ) throws(Diagnostic) {
    guard shape.count <= NPYHeader.rankLimit else {
      throw .arrayHeader("has more than \(NPYHeader.rankLimit) dimensions", place)
    }
    var total = type.byteCount
    for dimension in shape {
      let (product, overflow) = total.multipliedReportingOverflow(by: max(dimension, 1))
      guard !overflow else { throw .arrayHeader("has a 'shape' beyond 64 bits", place) }
      total = product
    }
    self.type = type
    self.shape = shape
    self.isBigEndian = isBigEndian
    self.isFortranOrder = isFortranOrder
    self.length = length
  }

  /// The entries of a head before they are understood.
  struct Fields {
    let descriptor: PythonLiteral.Value
    let isFortranOrder: Bool
    let shape: [Int]

    /// Whether the elements are Python objects.
    var isObject: Bool {
      if case .string(let text) = descriptor { text.dropFirst().hasPrefix("O") } else { false }
    }

    init(_ bytes: [UInt8], at place: NPYPlace) throws(Diagnostic) {
      var parser = PythonLiteral(bytes[(bytes[6] == 1 ? 10 : 12)...])
      guard let entries = parser.parseDictionary() else {
        throw .arrayHeader("is no dictionary of NumPy's", place)
      }
      var descriptor: PythonLiteral.Value?
      var order: PythonLiteral.Value?
      var shape: PythonLiteral.Value?
      for (key, value) in entries {
        switch key {
        case "descr": descriptor = value
        case "fortran_order": order = value
        case "shape": shape = value
        default: throw .arrayHeader("has the unknown key '\(key)'", place)
        }
      }
      guard let descriptor else { throw .arrayHeader("has no 'descr'", place) }
      guard case .bool(let isFortranOrder) = order else {
        throw .arrayHeader("has no 'fortran_order' of True or False", place)
      }
      guard case .tuple(let items) = shape else {
        throw .arrayHeader("has no tuple 'shape'", place)
      }
      self.descriptor = descriptor
      self.isFortranOrder = isFortranOrder
      self.shape = items
    }
  }

  /// The bytes that NumPy's `save` writes before the elements.
  static func fileHead(descriptor: String, shape: [Int]) -> [UInt8] {
    let list = shape.map(String.init).joined(separator: ", ")
    let tuple = shape.count == 1 ? "(\(list),)" : "(\(list))"
    var text = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }"
    // NumPy leaves room for the first dimension to grow to 21 digits in place.
    if let first = shape.first {
      text += String(repeating: " ", count: max(0, 21 - String(first).count))
    }
    let padding = 64 - (10 + text.utf8.count + 1) % 64
    text += String(repeating: " ", count: padding == 64 ? 0 : padding) + "\n"
    let length = text.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
      + Array(text.utf8)
  }
}

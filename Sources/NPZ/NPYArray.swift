package import Support

/// An array of NumPy: its elements in little-endian C order, whatever order the file has.
package struct NPYArray: Equatable, Sendable {
  package let type: NPYType
  package let shape: [Int]
  package let bytes: [UInt8]

  /// `bytes` holds exactly the elements that `shape` counts.
  package init(type: NPYType, shape: [Int], bytes: [UInt8]) {
    precondition(
      shape.count <= NPYHeader.rankLimit && shape.reduce(type.byteCount, *) == bytes.count,
      "an array has the bytes of its shape")
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  /// The most bytes that one array may have.
  package static let sizeLimit = 1 << 34

  /// Reads a `.npy` file.
  package init(path: String) throws(Diagnostic) {
    let file = try InputFile(path: path)
    let place = NPYPlace(file: path)
    let start = try file.bytes(at: 0, count: Int(min(file.size, 12)))
    let length = try NPYHeader.length(ofHead: start, at: place)
    guard Int64(length) <= file.size else { throw .arrayHeader("is cut off", place) }
    let header = try NPYHeader(try file.bytes(at: 0, count: length), at: place)
    try header.check(byteCount: file.size - Int64(length), at: place)
    self.init(header, try file.bytes(at: Int64(length), count: header.byteCount))
  }

  /// Brings elements into little-endian C order.
  init(_ header: NPYHeader, _ bytes: [UInt8]) {
    type = header.type
    shape = header.shape
    var bytes = bytes
    let size = type.byteCount
    if header.isBigEndian && size > 1 {
      for start in stride(from: 0, to: bytes.count, by: size) {
        bytes[start..<start + size].reverse()
      }
    }
    let transposes = header.isFortranOrder && shape.count > 1 && !bytes.isEmpty
    self.bytes = transposes ? NPYArray.transposed(bytes, shape: shape, size: size) : bytes
  }

  /// Rewrites elements whose first index runs fastest into the order where the last one does.
  private static func transposed(_ bytes: [UInt8], shape: [Int], size: Int) -> [UInt8] {
    var strides: [Int] = []
    var step = size
    for dimension in shape {
      strides.append(step)
      step *= dimension
    }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = Array(repeating: 0, count: shape.count)
    var offset = 0
    while true {
      result += bytes[offset..<offset + size]
      var axis = shape.count - 1
      while true {
        index[axis] += 1
        offset += strides[axis]
        if index[axis] < shape[axis] { break }
        offset -= strides[axis] * shape[axis]
        index[axis] = 0
        if axis == 0 { return result }
        axis -= 1
      }
    }
  }

  /// Writes a `.npy` file, as NumPy's `save` does.
  package func write(to path: String, createFolders: Bool = false) throws(Diagnostic) {
    var file = try OutputFile(path: path, createFolders: createFolders)
    try file.write(NPYHeader.fileHead(descriptor: type.descriptor, shape: shape))
    try file.write(bytes.span)
    try file.commit()
  }
}

extension NPYHeader {
  /// Refuses data of another length than the shape asks for, and arrays beyond the size limit.
  func check(byteCount found: Int64, at place: NPYPlace) throws(Diagnostic) {
    guard byteCount <= NPYArray.sizeLimit else { throw .arrayTooLarge(Int64(byteCount), place) }
    guard Int64(byteCount) == found else {
      throw .dataLength(found, expected: byteCount, place)
    }
  }
}

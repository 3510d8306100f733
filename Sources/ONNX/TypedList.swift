package import Support

/// The typed data fields of `TensorProto`: which element types each may hold, and how.
package enum TypedList {
  /// The field's name in the schema.
  package static func name(of field: Int32) -> String {
    MessageSchema.onnx.messages[MessageSchema.onnx.tensor].field(UInt64(field))?.name
      ?? "field \(field)"
  }

  /// The field that ONNX prescribes for an element type, beside `raw_data`; `nil` for strings.
  package static func field(of dataType: Int32) -> Int32? {
    switch dataType {
    case 1, 14: 4
    case 2, 3, 4, 5, 6, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26: 5
    case 7: 7
    case 11, 15: 10
    case 12, 13: 11
    default: nil
    }
  }

  /// True where the list is, once packed, the same bytes as `raw_data`.
  package static func isFixedWidth(_ field: Int32) -> Bool { field == 4 || field == 10 }

  /// Decodes varints into little-endian elements of `width` bytes each; appends to `bytes`; a width of 0 only counts.
  ///
  /// `partial` carries a varint that a block cut in two over to the next call.
  package static func appendVarints(
    _ encoded: Span<UInt8>, width: Int, partial: inout PartialVarint, to bytes: inout [UInt8]
  ) throws(Diagnostic) {
    for index in encoded.indices {
      let byte = encoded[index]
      guard partial.shift < 70 else { throw .varintTooLong(at: partial.offset) }
      partial.offset += 1
      partial.value |= UInt64(byte & 0x7F) << partial.shift
      partial.shift += 7
      if byte & 0x80 == 0 {
        for index in 0..<width {
          bytes.append(UInt8(truncatingIfNeeded: partial.value >> UInt64(8 * index)))
        }
        partial.value = 0
        partial.shift = 0
        partial.count += 1
      }
    }
  }

  package struct PartialVarint: Sendable {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    /// Whole elements decoded so far.
    package fileprivate(set) var count = 0
    /// Where the next byte stands in its file.
    fileprivate var offset: Int64

    /// True between elements.
    package var isWhole: Bool { shift == 0 }

    package init(at offset: Int64) { self.offset = offset }
  }
}

extension TypedList {
  /// Encodes little-endian elements of `width` bytes as varints, the reverse of `appendVarints`.
  package static func encodeVarints(_ bytes: [UInt8], width: Int, isSigned: Bool) -> [UInt8] {
    var encoded: [UInt8] = []
    var start = 0
    while start + width <= bytes.count {
      var value: UInt64 = 0
      for index in 0..<width { value |= UInt64(bytes[start + index]) << UInt64(8 * index) }
      if isSigned, width < 8, value >> UInt64(8 * width - 1) == 1 {
        value |= ~UInt64(0) << UInt64(8 * width)
      }
      encoded.append(varint: value)
      start += width
    }
    return encoded
  }
}

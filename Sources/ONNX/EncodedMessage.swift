/// A packed message whose payloads are left out: they are spliced in while it is written.
///
/// It is kept in pieces, which a message around it takes over: copied whole at each level and grown in one
/// array, a message would need several times its length.
package struct EncodedMessage: Sendable {
  package enum Piece: Sendable {
    case bytes([UInt8])
    case payload(token: Int, length: Int64)
  }

  /// Bytes and payloads together; every length in the bytes counts the payloads.
  package private(set) var length: Int64 = 0
  private var closed: [Piece] = []
  private var open: [UInt8] = []

  /// From so many bytes on another piece is begun.
  private static let pieceSize = 1 << 16

  package init() {}

  package var pieces: [Piece] { open.isEmpty ? closed : closed + [.bytes(open)] }

  /// Takes a message as libprotobuf-c packed it, with placeholders in `raw_data`.
  init(packed: [UInt8], message: Int, payloads: [(token: Int, field: Int32, length: Int64)]) {
    guard payloads.isEmpty else {
      self.init(packed, packed.indices, message, payloads)
      return
    }
    self.init()
    append(packed[...])
  }

  /// Copies a range field by field; the depth is bounded by the scanner's limit on nesting.
  private init(
    _ packed: [UInt8], _ range: Range<Int>, _ message: Int,
    _ payloads: [(token: Int, field: Int32, length: Int64)]
  ) {
    let schema = MessageSchema.onnx
    let spans = FieldSpan.all(in: packed, range: range)
    var pending: (token: Int, field: Int32, length: Int64)?
    if message == schema.tensor, let raw = spans.first(where: { $0.number == 9 }) {
      let index = raw.body.reduce(0) { $0 | Int(packed[$1]) << (8 * ($1 - raw.body.lowerBound)) }
      pending = payloads[index]
    }
    for span in spans {
      if message == schema.tensor, span.number == 9 { continue }
      if let payload = pending, span.number > UInt64(payload.field) {
        append(payload: payload)
        pending = nil
      }
      if span.wire == 2,
        case .message(let nested)? = schema.messages[message].field(span.number)?
          .kind
      {
        let content = EncodedMessage(packed, span.body, nested, payloads)
        append(field: span.number, content)
      } else {
        append(packed[span.whole])
      }
    }
    if let payload = pending { append(payload: payload) }
  }

  private mutating func append(_ more: ArraySlice<UInt8>) {
    if open.count + more.count > EncodedMessage.pieceSize { close() }
    open += more
    length += Int64(more.count)
  }

  private mutating func close() {
    guard !open.isEmpty else { return }
    closed.append(.bytes(open))
    open = []
  }

  private mutating func append(payload: (token: Int, field: Int32, length: Int64)) {
    appendTag(UInt64(payload.field), length: payload.length)
    close()
    closed.append(.payload(token: payload.token, length: payload.length))
    length += payload.length
  }

  private mutating func appendTag(_ number: UInt64, length content: Int64) {
    let before = open.count
    open.append(varint: number << 3 | 2)
    open.append(varint: UInt64(content))
    length += Int64(open.count - before)
  }

  /// Appends a message as a field.
  mutating func append(field number: UInt64, _ message: EncodedMessage) {
    appendTag(number, length: message.length)
    append(message)
  }

  /// Appends the fields of another message to this one's.
  mutating func append(_ message: EncodedMessage) {
    if !message.closed.isEmpty {
      close()
      closed += message.closed
      length += message.length - Int64(message.open.count)
    }
    append(message.open[...])
  }

  /// Merges the fields of a header with those that `append(field:)` made, in the order of field numbers,
  /// as protobuf writers do; `parts` ascend.
  init(header: [UInt8], _ parts: [(field: UInt64, messages: EncodedMessage)]) {
    var parts = parts[...]
    for span in FieldSpan.all(in: header) {
      while let part = parts.first, part.field < span.number {
        append(part.messages)
        parts.removeFirst()
      }
      append(header[span.whole])
    }
    for part in parts { append(part.messages) }
  }
}

internal import CONNX
internal import CProtobufC
internal import Glibc
internal import Support

/// Owns the C structs of one message while libprotobuf-c packs it.
///
/// Everything allocated is released together in `deinit`; no pointer made here is used after that. Values
/// lie one behind the other in blocks that grow: a node has a dozen parts, and a model many thousand nodes.
@safe struct Arena: ~Copyable {
  private var blocks: [UnsafeMutableRawPointer] = unsafe []
  /// The bytes of the last block that are given away, and how many it has.
  private var used = 0
  private var capacity = 0

  private static let firstBlock = 1 << 10
  private static let largestBlock = 1 << 16
  /// What every C struct and number here is content with.
  private static let alignment = 16
  /// What stands behind the placeholder in a tensor's `raw_data`, by its number.
  private(set) var payloads: [(token: Int, field: Int32, length: Int64)] = []

  init() {}

  // Indices, because swift-format 6.3 cannot lay out a loop over unsafe elements.
  deinit { for index in 0..<(unsafe blocks.count) { unsafe free(blocks[index]) } }

  /// `count` zeroed values; never an empty block, so that every list has an address.
  mutating func allocate<Value>(_: Value.Type, _ count: Int = 1) -> UnsafeMutablePointer<Value> {
    let count = max(count, 1)
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
    precondition(!overflow, "a list of a protobuf message fits into memory")
    let start = (used + Arena.alignment - 1) / Arena.alignment * Arena.alignment
    if unsafe blocks.isEmpty || bytes > capacity - start { return unsafe grow(for: bytes, count) }
    used = start + bytes
    return unsafe (blocks[blocks.count - 1] + start).bindMemory(to: Value.self, capacity: count)
  }

  /// The values at the beginning of a new block.
  private mutating func grow<Value>(
    for bytes: Int, _ count: Int
  ) -> UnsafeMutablePointer<Value> {
    capacity = max(min(max(capacity * 2, Arena.firstBlock), Arena.largestBlock), bytes)
    guard let block = unsafe calloc(1, capacity) else {
      preconditionFailure("out of memory for \(bytes) bytes of a protobuf message")
    }
    unsafe blocks.append(block)
    used = bytes
    return unsafe block.bindMemory(to: Value.self, capacity: count)
  }

  mutating func message<Message>(
    _ type: Message.Type, _ initialize: (UnsafeMutablePointer<Message>?) -> Void
  ) -> UnsafeMutablePointer<Message> {
    let message = unsafe allocate(type)
    unsafe initialize(message)
    return unsafe message
  }

  /// A string with its NUL; names never hold one, the scanner and the passes see to that.
  mutating func text(_ text: String) -> UnsafeMutablePointer<CChar> {
    var text = text
    return text.withUTF8 { bytes in
      let copy = unsafe allocate(CChar.self, bytes.count + 1)
      if let base = bytes.baseAddress { unsafe memcpy(copy, base, bytes.count) }
      return unsafe copy
    }
  }

  /// A string field that is left out where it is empty.
  mutating func optional(_ text: String) -> UnsafeMutablePointer<CChar>? {
    text.isEmpty ? nil : unsafe self.text(text)
  }

  mutating func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    unsafe ProtobufCBinaryData(len: bytes.count, data: values(bytes))
  }

  mutating func values<Value>(_ values: [Value]) -> UnsafeMutablePointer<Value> {
    let copy = unsafe allocate(Value.self, values.count)
    for (index, value) in values.enumerated() { unsafe copy[index] = value }
    return unsafe copy
  }

  mutating func list<Item, Pointer>(
    _ items: [Item], _ make: (inout Arena, Item) -> UnsafeMutablePointer<Pointer>
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Pointer>?> {
    let pointers = unsafe allocate(UnsafeMutablePointer<Pointer>?.self, items.count)
    for (index, item) in items.enumerated() {
      let pointer = unsafe make(&self, item)
      unsafe pointers[index] = pointer
    }
    return unsafe pointers
  }

  mutating func texts(
    _ items: [String]
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    unsafe list(items) { arena, item in unsafe arena.text(item) }
  }

  /// Hangs encoded fields on a message as its unknown ones.
  mutating func setUnknown(
    _ encoded: [UInt8], of base: UnsafeMutablePointer<ProtobufCMessage>
  ) {
    let fields = FieldSpan.all(in: encoded)
    guard !fields.isEmpty else { return }
    let unknown = unsafe allocate(ProtobufCMessageUnknownField.self, fields.count)
    for (index, field) in fields.enumerated() {
      unsafe unknown[index].tag = UInt32(field.number)
      unsafe unknown[index].wire_type = ProtobufCWireType(rawValue: UInt32(field.wire))
      let content = Array(encoded[field.content])
      unsafe unknown[index].len = content.count
      unsafe unknown[index].data = values(content)
    }
    unsafe base.pointee.n_unknown_fields = UInt32(fields.count)
    unsafe base.pointee.unknown_fields = unknown
  }

  /// The eight bytes that stand for a payload until `EncodedMessage` splices it.
  mutating func placeholder(token: Int, field: Int32, length: Int64) -> ProtobufCBinaryData {
    let index = payloads.count
    payloads.append((token, field, length))
    return unsafe bytes((0..<8).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) })
  }
}

/// Where one field lies in an encoded message.
struct FieldSpan {
  let number: UInt64
  let wire: UInt64
  /// Tag and content.
  let whole: Range<Int>
  /// What follows the tag, a length included.
  let content: Range<Int>
  /// What follows the length, where the wire type has one.
  let body: Range<Int>

  /// The fields of bytes that were packed or scanned by this target.
  static func all(in bytes: [UInt8], range: Range<Int>? = nil) -> [FieldSpan] {
    var spans: [FieldSpan] = []
    var position = range?.lowerBound ?? 0
    let end = range?.upperBound ?? bytes.count
    func varint() -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while position < end {
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte & 0x80 == 0 { break }
        shift += 7
      }
      return value
    }
    while position < end {
      let start = position
      let tag = varint()
      let content = position
      var body = position
      switch tag & 7 {
      case 0: _ = varint()
      case 1: position += 8
      case 5: position += 4
      default:
        let length = Int(varint())
        body = position
        position += length
      }
      guard position <= end else {
        preconditionFailure("an encoded field ends after its message")
      }
      spans.append(
        FieldSpan(
          number: tag >> 3, wire: tag & 7, whole: start..<position, content: content..<position,
          body: body..<position))
    }
    return spans
  }
}

internal import Support

/// One pass over the wire format: checks everything libprotobuf-c does not, and leaves a skeleton.
///
/// libprotobuf-c recurses without a limit, copies every payload, cuts strings at a NUL and merges
/// repeated singular messages in quadratic time (engineering.md sections 1 and 2). So it is only
/// given what this pass has checked: nesting of at most 100 messages, field numbers from 1, the wire
/// types of the descriptors, no groups, lengths inside their parent, singular messages once,
/// strings of UTF-8 without NUL. Payloads of tensors stay in the file: in the skeleton `raw_data`
/// holds the eight bytes of an index into `payloads`.
///
/// The pass keeps its own stack, so the depth of the input costs no stack of ours.
struct Scanner: ~Copyable {
  /// Part of the model that is decoded for itself.
  enum Section {
    case modelHeader
    case graphHeader
    case node
    case initializer
    case sparseInitializer
    case input
    case output
    case valueInfo
    case function
  }

  /// The skeleton of one message: a range of `skeleton`.
  struct Entry {
    let section: Section
    let start: Int
    let end: Int
  }

  /// What a scan refuses to go beyond.
  struct Limits {
    var depth = 100
    /// A message of no length costs two bytes of file and over a hundred of memory (engineering.md
    /// section 2).
    var messages = 1 << 24
    /// The most bytes of structure, payloads left out: what libprotobuf-c can take.
    var skeleton = Int64(Int32.max)
  }

  private(set) var skeleton: [UInt8] = []
  private(set) var entries: [Entry] = []
  private(set) var payloads: [Payload] = []
  private(set) var modelHeader: [UInt8] = []
  private(set) var graphHeader: [UInt8] = []
  private(set) var hasGraph = false

  private let schema = MessageSchema.onnx
  private var reader: ByteReader
  private var frames: [Frame] = []
  private var messageCount = 0

  private struct Frame {
    let message: Int
    let end: Int64
    /// Where the frame's five-byte length stands in the bytes it is written to.
    let lengthAt: Int
    /// Where the frame's tag stands.
    var tagAt = 0
    /// Bit n: the singular message field n was seen.
    var seen: UInt64 = 0
    /// The tensor's payload, once one of its data fields was seen.
    var payload: Int?
    /// Where the frame is an entry: its section and start.
    var entry: (section: Section, start: Int)?
    /// True below training information, which no pass reads: its tensors are carried as they are.
    var isCarried = false
  }

  private let root: Int
  private let limits: Limits

  /// A scan of a file that holds one message: a model, or with `root` another.
  init(size: Int64, root: Int = MessageSchema.onnx.model, limits: Limits = Limits()) {
    self.limits = limits
    reader = ByteReader(size: size)
    self.root = root
  }

  /// Scans the whole file.
  ///
  /// The root's own fields go to `modelHeader`.
  mutating func scan(_ file: borrowing InputFile) throws(Diagnostic) {
    frames.append(Frame(message: root, end: file.size, lengthAt: -1))
    while let frame = frames.last {
      if reader.position == frame.end {
        close()
      } else {
        try field(file)
      }
    }
  }

  // MARK: Frames

  private mutating func close() {
    guard let frame = frames.popLast(), frames.count > 0 else { return }
    if let entry = frame.entry {
      entries.append(Entry(section: entry.section, start: entry.start, end: skeleton.count))
    } else if frame.lengthAt >= 0 {
      // Overlong but legal: the length was left five bytes, and libprotobuf-c reads five.
      let length = UInt32(skeleton.count - frame.lengthAt - 5)
      for index in 0..<5 {
        let bits = UInt8(truncatingIfNeeded: length >> UInt32(7 * index)) & 0x7F
        skeleton[frame.lengthAt + index] = index < 4 ? bits | 0x80 : bits
      }
      moveToHeader(from: frame.tagAt)
    }
  }

  private mutating func open(
    _ message: Int, field number: UInt64, length: Int64
  ) throws(Diagnostic) {
    guard frames.count < limits.depth else {
      throw .nestingTooDeep(limit: limits.depth, at: reader.position)
    }
    messageCount += 1
    guard messageCount <= limits.messages else {
      throw .tooManyMessages(limit: limits.messages)
    }
    let end = reader.position + length
    if let section = section(of: number) {
      frames.append(Frame(message: message, end: end, lengthAt: -1))
      frames[frames.count - 1].entry = (section, skeleton.count)
    } else if frames.count == 1, number == 7, root == schema.model {
      // The graph itself is never decoded whole: its parts are entries.
      hasGraph = true
      frames.append(Frame(message: message, end: end, lengthAt: -1))
    } else {
      let tagAt = skeleton.count
      appendTag(number, wire: 2)
      let lengthAt = skeleton.count
      skeleton.append(contentsOf: [0, 0, 0, 0, 0])
      var frame = Frame(message: message, end: end, lengthAt: lengthAt, tagAt: tagAt)
      frame.isCarried = frames.count == 1 ? number == 20 : frames[frames.count - 1].isCarried
      frames.append(frame)
    }
  }

  /// Which fields of the model and of its graph are decoded one by one.
  private func section(of number: UInt64) -> Section? {
    guard root == schema.model else { return nil }
    if frames.count == 1 { return number == 25 ? .function : nil }
    // Below the model, functions and training information have fields of the same numbers.
    guard frames.count == 2, frames[1].message == schema.graph else { return nil }
    return switch number {
    case 1: .node
    case 5: .initializer
    case 11: .input
    case 12: .output
    case 13: .valueInfo
    case 15: .sparseInitializer
    default: nil
    }
  }

  // MARK: Fields

  private mutating func field(_ file: borrowing InputFile) throws(Diagnostic) {
    let frame = frames[frames.count - 1]
    guard Int64(skeleton.count) <= limits.skeleton else {
      throw .structureTooLarge(limit: limits.skeleton)
    }
    let begin = reader.position
    let tag = try reader.varint(in: file)
    let number = tag >> 3
    guard number >= 1, number < 1 << 29, reader.position - begin <= 5 else {
      throw .badFieldNumber(number, at: begin)
    }
    let wire = tag & 7
    let message = schema.messages[frame.message]
    guard let field = message.field(number) else {
      try unknownField(number, wire: wire, at: begin, end: frame.end, file)
      return
    }
    let place = FieldPlace(message: message.name, field: field.name, offset: begin)
    switch (field.kind, wire) {
    case (.message(let nested), 2):
      if !field.isRepeated {
        let bit = UInt64(1) << number
        guard frame.seen & bit == 0 else { throw .repeatedMessage(place) }
        frames[frames.count - 1].seen |= bit
      }
      let length = try length(inside: frame.end, file)
      try open(nested, field: number, length: length)
    case (.string, 2), (.bytes, 2):
      let length = try length(inside: frame.end, file)
      if frame.message == schema.tensor, number == 9, !frame.isCarried {
        try payload(number, offset: reader.position, length: length, place, file)
        return
      }
      let target = skeleton.count
      appendTag(number, wire: 2)
      appendVarint(UInt64(length))
      let start = skeleton.count
      try copy(length, file)
      if case .string = field.kind { try checkText(from: start, place) }
      moveToHeader(from: target)
    case (.varint, 0), (.fixed32, 5), (.fixed64, 1):
      if isTypedList(number, of: frame) {
        try payloadElement(number, wire: wire, place, end: frame.end, file)
        return
      }
      let target = skeleton.count
      try scalar(number, wire: wire, end: frame.end, file)
      moveToHeader(from: target)
    case (.varint, 2), (.fixed32, 2), (.fixed64, 2):
      guard field.isRepeated else { throw .wrongWireType(wire, place) }
      let length = try length(inside: frame.end, file)
      if isTypedList(number, of: frame) {
        try payload(number, offset: reader.position, length: length, place, file)
        return
      }
      let target = skeleton.count
      appendTag(number, wire: 2)
      appendVarint(UInt64(length))
      try copy(length, file)
      moveToHeader(from: target)
    default:
      throw .wrongWireType(wire, place)
    }
  }

  private mutating func length(
    inside end: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) -> Int64 {
    let begin = reader.position
    let length = try reader.varint(in: file)
    guard reader.position <= end, length <= UInt64(end - reader.position) else {
      throw .lengthPastEnd(length, at: begin)
    }
    return Int64(length)
  }

  private mutating func scalar(
    _ number: UInt64, wire: UInt64, end: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) {
    appendTag(number, wire: wire)
    switch wire {
    case 0: appendVarint(try reader.varint(in: file))
    case 5: try fixed(4, end: end, file)
    default: try fixed(8, end: end, file)
    }
    guard reader.position <= end else { throw .truncated(at: end) }
  }

  private mutating func fixed(
    _ count: Int64, end: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) {
    guard count <= end - reader.position else { throw .truncated(at: end) }
    try copy(count, file)
  }

  /// Copies the next bytes to the skeleton.
  private mutating func copy(
    _ count: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) {
    guard Int64(skeleton.count) + count <= limits.skeleton else {
      throw .structureTooLarge(limit: limits.skeleton)
    }
    try reader.copy(count, from: file, to: &skeleton)
  }

  /// Keeps a field of a newer schema as it is, where it is well formed.
  private mutating func unknownField(
    _ number: UInt64, wire: UInt64, at begin: Int64, end: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) {
    let target = skeleton.count
    switch wire {
    case 0, 1, 5: try scalar(number, wire: wire, end: end, file)
    case 2:
      let length = try length(inside: end, file)
      appendTag(number, wire: 2)
      appendVarint(UInt64(length))
      try copy(length, file)
    default: throw .unusedWireType(field: number, wire: wire, at: begin)
    }
    moveToHeader(from: target)
  }

  /// Fields of the model and of its graph that are no entries go to those messages' headers.
  private mutating func moveToHeader(from start: Int) {
    switch frames.count {
    case 1:
      modelHeader += skeleton[start...]
      skeleton.removeSubrange(start...)
    case 2 where frames[1].message == schema.graph && frames[1].entry == nil:
      graphHeader += skeleton[start...]
      skeleton.removeSubrange(start...)
    default: break
    }
  }

  private func checkText(from start: Int, _ place: FieldPlace) throws(Diagnostic) {
    let text = skeleton[start...]
    guard !text.contains(0) else { throw .nulInString(place) }
    guard String(validating: text, as: UTF8.self) != nil else { throw .invalidUTF8(place) }
  }

  // MARK: Payloads

  /// `float_data`, `int32_data`, `int64_data`, `double_data` and `uint64_data` of a tensor.
  private func isTypedList(_ number: UInt64, of frame: Frame) -> Bool {
    guard frame.message == schema.tensor, !frame.isCarried else { return false }
    return number == 4 || number == 5 || number == 7 || number == 10 || number == 11
  }

  private mutating func payload(
    _ number: UInt64, offset: Int64, length: Int64, _ place: FieldPlace,
    _ file: borrowing InputFile
  ) throws(Diagnostic) {
    let index = try payloadIndex(number, place)
    var small: [UInt8]?
    if payloads[index].segments.isEmpty, length <= Payload.smallLimit {
      var bytes: [UInt8] = []
      try reader.copy(length, from: file, to: &bytes)
      small = bytes
    } else {
      reader.skip(length)
    }
    guard number != 9 || payloads[index].segments.isEmpty else { throw .repeatedMessage(place) }
    payloads[index].segments.append(Payload.Segment(offset: offset, length: length))
    payloads[index].small = small
  }

  /// One element of a typed list that was written unpacked.
  private mutating func payloadElement(
    _ number: UInt64, wire: UInt64, _ place: FieldPlace, end: Int64, _ file: borrowing InputFile
  ) throws(Diagnostic) {
    // An element of its own costs as much memory as a small message.
    messageCount += 1
    guard messageCount <= limits.messages else {
      throw .tooManyMessages(limit: limits.messages)
    }
    let index = try payloadIndex(number, place)
    let begin = reader.position
    switch wire {
    case 0: _ = try reader.varint(in: file)
    case 5: reader.skip(4)
    default: reader.skip(8)
    }
    guard reader.position <= end else { throw .truncated(at: end) }
    payloads[index].segments.append(
      Payload.Segment(offset: begin, length: reader.position - begin))
    payloads[index].small = nil
  }

  private mutating func payloadIndex(
    _ number: UInt64, _ place: FieldPlace
  ) throws(Diagnostic) -> Int {
    if let known = frames[frames.count - 1].payload {
      guard payloads[known].field == Int32(number) else { throw .twoDataFields(place) }
      return known
    }
    let index = payloads.count
    payloads.append(Payload(field: Int32(number)))
    frames[frames.count - 1].payload = index
    appendTag(9, wire: 2)
    appendVarint(8)
    for byte in 0..<8 {
      skeleton.append(UInt8(truncatingIfNeeded: index >> (8 * byte)))
    }
    return index
  }

  // MARK: Writing

  private mutating func appendTag(_ number: UInt64, wire: UInt64) {
    appendVarint(number << 3 | wire)
  }

  private mutating func appendVarint(_ value: UInt64) { skeleton.append(varint: value) }
}

/// Where a data field of a tensor lies in the model file.
package struct Payload: Sendable {
  package struct Segment: Sendable {
    package let offset: Int64
    package let length: Int64
  }

  /// Payloads of at most this many bytes are kept while scanning, so that passes know constants.
  static let smallLimit: Int64 = 64

  /// The field of `TensorProto`: 9 for `raw_data`, else a typed list.
  package let field: Int32
  /// One for a packed list, one for each element otherwise.
  package var segments: [Segment] = []
  /// The bytes, where they are few and lie together.
  package var small: [UInt8]?

  package var length: Int64 { segments.reduce(0) { $0 + $1.length } }
}

extension [UInt8] {
  mutating func append(varint value: UInt64) {
    var value = value
    while value >= 0x80 {
      append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    append(UInt8(truncatingIfNeeded: value))
  }
}

/// A field of a message in a file, for diagnostics.
struct FieldPlace {
  let message: String
  let field: String
  let offset: Int64
}

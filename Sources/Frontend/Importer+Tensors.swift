internal import IR
internal import ONNX
internal import Support
internal import Weights

extension Importer {
  /// A sparse initializer is made dense while loading, up to this many bytes.
  private static let sparseLimit = 1 << 28

  /// A tensor as a weight: its range checked, its bytes left where they are.
  mutating func weight(_ proto: TensorProto) throws(Diagnostic) -> Weight {
    let name = proto.name
    let element = try elementType(proto.dataType, of: name)
    for size in proto.dims where size < 0 { throw .negativeDimension(size, of: name) }
    guard let count = TensorType.count(of: proto.dims) else {
      throw .tooManyElements(proto.dims, of: name)
    }
    let type = TensorType(element, sizes: proto.dims)
    if element == .string {
      guard case .none = proto.data, !proto.isExternal else { throw .stringData(name) }
      guard proto.strings.count == count else {
        throw .elementCount(proto.strings.count, of: name, expected: count)
      }
      return Weight(stored: type, source: .strings(proto.strings))
    }
    guard proto.strings.isEmpty else { throw .stringData(name) }
    guard let byteCount = element.byteCount(of: count) else {
      throw .tooManyElements(proto.dims, of: name)
    }
    if proto.isExternal {
      guard case .none = proto.data else { throw .externalAndInline(name) }
      return Weight(stored: type, source: .range(try external(proto, byteCount: byteCount)))
    }
    guard case .payload(let index, _, _) = proto.data else {
      guard count == 0 else { throw .elementCount(0, of: name, expected: count) }
      return Weight(stored: type, source: .literal([], encoding: .absent))
    }
    guard payloads.indices.contains(index) else { throw .noData(name) }
    return Weight(
      stored: type,
      source: try source(payloads[index], element, count: count, byteCount: byteCount, of: name))
  }

  private func source(
    _ payload: Payload, _ element: ElementType, count: Int, byteCount: Int, of name: String
  ) throws(Diagnostic) -> Weight.Source {
    guard let encoding = Encoding(rawValue: payload.field) else { throw .noData(name) }
    if encoding == .raw || TypedList.isFixedWidth(payload.field) {
      guard payload.length == Int64(byteCount) else {
        throw .byteCount(payload.length, of: name, expected: byteCount)
      }
    }
    if encoding != .raw, TypedList.field(of: element.rawValue) != payload.field {
      throw .wrongDataField(encoding.spelling, element.spelling, of: name)
    }
    if encoding == .raw || TypedList.isFixedWidth(payload.field) {
      if let small = payload.small { return .literal(small, encoding: encoding) }
      if payload.segments.count == 1, let segment = payload.segments.first {
        return .range(
          StoredRange(
            file: nil, encoding: encoding, offset: segment.offset, length: segment.length))
      }
      return .literal(try unpackedList(payload), encoding: encoding)
    }
    let entries = element.varintEntries(of: count)
    guard Int64(entries) <= payload.length, payload.length <= 10 * Int64(entries) else {
      throw .byteCount(payload.length, of: name, expected: byteCount)
    }
    if payload.segments.count == 1, payload.small == nil, let segment = payload.segments.first {
      try checkVarints(segment.offset, segment.length, count: entries, of: name)
      return .range(
        StoredRange(file: nil, encoding: encoding, offset: segment.offset, length: segment.length))
    }
    var bytes: [UInt8] = []
    var partial = TypedList.PartialVarint(at: payload.segments.first?.offset ?? 0)
    var encoded = payload.small ?? []
    if payload.small == nil { encoded = try unpackedList(payload) }
    try TypedList.appendVarints(
      encoded.span, width: element.varintWidth, partial: &partial, to: &bytes)
    guard partial.count == entries, partial.isWhole else {
      throw .elementCount(partial.count, of: name, expected: entries)
    }
    return .literal(bytes, encoding: encoding)
  }

  /// Refuses a list that is not `count` whole varints.
  private func checkVarints(
    _ offset: Int64, _ length: Int64, count: Int, of name: String
  ) throws(Diagnostic) {
    let file = try InputFile(path: path)
    var partial = TypedList.PartialVarint(at: offset)
    var none: [UInt8] = []
    var done: Int64 = 0
    while done < length {
      let block = try file.bytes(at: offset + done, count: Int(min(length - done, 1 << 16)))
      try TypedList.appendVarints(block.span, width: 0, partial: &partial, to: &none)
      done += Int64(block.count)
    }
    guard partial.count == count, partial.isWhole else {
      throw .elementCount(partial.count, of: name, expected: count)
    }
  }

  /// The elements of a list that was written one by one, next to each other.
  private func unpackedList(_ payload: Payload) throws(Diagnostic) -> [UInt8] {
    let file = try InputFile(path: path)
    var bytes: [UInt8] = []
    for segment in payload.segments {
      bytes += try file.bytes(at: segment.offset, count: Int(segment.length))
    }
    return bytes
  }

  /// The range of a data file; opened and measured here, so that no later step can leave it.
  private mutating func external(
    _ proto: TensorProto, byteCount: Int
  ) throws(Diagnostic) -> StoredRange {
    var location: String?
    var offset: Int64?
    var length: Int64?
    var seen: Set<String> = []
    for pair in proto.externalData {
      guard seen.insert(pair.key).inserted else {
        throw .externalKeyTwice(pair.key, of: proto.name)
      }
      switch pair.key {
      case "location": location = pair.value
      case "offset": offset = try number(pair, of: proto.name)
      case "length": length = try number(pair, of: proto.name)
      case "checksum", "basepath": break
      default: throw .externalKey(pair.key, of: proto.name)
      }
    }
    guard let location else { throw .noLocation(proto.name) }
    let file: DataFile
    if let known = dataFiles[location] {
      file = known
    } else {
      file = DataFile(location: location, try InputFile(location: location, ofModel: path))
      dataFiles[location] = file
      locations.append(location)
    }
    if let length, length != Int64(byteCount) {
      throw .byteCount(length, of: proto.name, expected: byteCount)
    }
    let start = offset ?? 0
    guard Int64(byteCount) <= file.size, start <= file.size - Int64(byteCount) else {
      throw .pastEndOfFile(
        location, offset: start, length: Int64(byteCount), size: file.size, of: proto.name)
    }
    externalBytes += Int64(byteCount)
    guard externalBytes <= Importer.externalLimit else {
      throw .externalTooLarge(of: proto.name, limit: Importer.externalLimit)
    }
    return StoredRange(file: location, encoding: .raw, offset: start, length: Int64(byteCount))
  }

  private func number(_ pair: StringPair, of name: String) throws(Diagnostic) -> Int64 {
    let digits = pair.value.utf8
    guard !digits.isEmpty, digits.allSatisfy({ 0x30...0x39 ~= $0 }), let value = Int64(pair.value)
    else { throw .externalNumber(pair.key, pair.value, of: name) }
    return value
  }

  /// A sparse tensor, made dense: zeros but for the values at their indices.
  mutating func weight(_ proto: SparseTensorProto) throws(Diagnostic) -> Weight {
    guard let valuesProto = proto.values, let indicesProto = proto.indices else {
      throw .sparseIncomplete("sparse initializer")
    }
    let name = valuesProto.name
    let values = try weight(valuesProto)
    let indices = try weight(indicesProto)
    for size in proto.dims where size < 0 { throw .negativeDimension(size, of: name) }
    let element = values.stored.element
    guard let count = TensorType.count(of: proto.dims), let size = element.byteCount(of: count),
      let width = element.bitWidth.map({ $0 / 8 }), width > 0
    else { throw .tooManyElements(proto.dims, of: name) }
    guard size <= Importer.sparseLimit else {
      throw .sparseTooLarge(size, of: name, limit: Importer.sparseLimit)
    }
    guard indices.stored.element == .int64, let given = values.stored.elementCount,
      values.stored.shape?.count == 1, let indexShape = indices.stored.sizes,
      indexShape == [Int64(given)] || indexShape == [Int64(given), Int64(proto.dims.count)]
    else { throw .sparseIncomplete("sparse initializer '\(name)'") }
    let codes = try bytes(of: values)
    let places = try bytes(of: indices)
    var dense = [UInt8](repeating: 0, count: size)
    var previous: Int64 = -1
    for item in 0..<given {
      let place = try linearIndex(
        of: item, in: places, isLinear: indexShape.count == 1, sizes: proto.dims, name: name)
      guard place > previous, place < Int64(count) else { throw .sparseIndex(place, of: name) }
      previous = place
      for byte in 0..<width { dense[Int(place) * width + byte] = codes[item * width + byte] }
    }
    return Weight(
      stored: TensorType(element, sizes: proto.dims), source: .literal(dense, encoding: .raw))
  }

  private func linearIndex(
    of item: Int, in places: [UInt8], isLinear: Bool, sizes: [Int64], name: String
  ) throws(Diagnostic) -> Int64 {
    func number(_ index: Int) -> Int64 {
      var value: UInt64 = 0
      for byte in 0..<8 { value |= UInt64(places[index * 8 + byte]) << UInt64(8 * byte) }
      return Int64(bitPattern: value)
    }
    if isLinear { return number(item) }
    var place: Int64 = 0
    for (axis, size) in sizes.enumerated() {
      let coordinate = number(item * sizes.count + axis)
      guard coordinate >= 0, coordinate < size else { throw .sparseIndex(coordinate, of: name) }
      place = place * size + coordinate
    }
    return place
  }

  /// All elements of a small tensor, in `raw_data` order.
  func bytes(of weight: Weight) throws(Diagnostic) -> [UInt8] {
    switch weight.source {
    case .literal(let bytes, _): return bytes
    case .strings: return []
    case .range(let range):
      guard range.encoding == .raw || TypedList.isFixedWidth(range.encoding.rawValue) else {
        let file = try InputFile(path: path)
        var bytes: [UInt8] = []
        var partial = TypedList.PartialVarint(at: range.offset)
        let encoded = try file.bytes(at: range.offset, count: Int(range.length))
        try TypedList.appendVarints(
          encoded.span, width: weight.stored.element.varintWidth, partial: &partial,
          to: &bytes)
        return bytes
      }
      if let location = range.file, let file = dataFiles[location] {
        return try file.file.bytes(at: range.offset, count: Int(range.length))
      }
      return try InputFile(path: path).bytes(at: range.offset, count: Int(range.length))
    }
  }
}

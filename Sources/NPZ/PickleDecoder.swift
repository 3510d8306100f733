internal import Support

/// Reads the pickles that NumPy makes of dictionaries of arrays, and runs nothing.
///
/// The machine knows the instructions that such a pickle needs and four names: the array, its two
/// makers and its element type. An instruction or a name beyond those is an error, so a file cannot
/// make anything happen. Objects lie in one table and refer to each other by index, because the
/// instructions change objects that were stored before.
struct PickleDecoder {
  private enum Object {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case tuple([Int])
    case list([Int])
    case dictionary([(key: Int, value: Int)])
    case name(Name)
    /// An element type: NumPy's code and byte order.
    case elementType(code: String, order: String)
    /// An array that is made but not filled.
    case emptyArray
    case array(NPYArray)
    /// An array of objects.
    case objects(shape: [Int], items: [Int])
  }

  private enum Name {
    case array
    case elementType
    case makeArray
    case makeScalar
  }

  private let bytes: [UInt8]
  private let place: NPYPlace
  private var position = 0
  private var objects: [Object] = []
  private var stack: [Int] = []
  private var marks: [Int] = []
  private var memo: [Int: Int] = [:]

  init(_ bytes: [UInt8], place: NPYPlace) {
    self.bytes = bytes
    self.place = place
  }

  /// Runs to the end and gives what is left, as JSON: arrays as lists of lists, keys as text.
  mutating func decode() throws(Diagnostic) -> JSON {
    while true {
      let instruction = try byte()
      if instruction == UInt8(ascii: ".") { break }
      try run(instruction)
      guard objects.count <= PickleDecoder.objectLimit else {
        throw .unreadablePickle("makes more than \(PickleDecoder.objectLimit) objects", place)
      }
    }
    // A value takes a byte at least; only a repeated one takes fewer.
    var budget = bytes.count * 4 + (1 << 16)
    return try json(try pop(), depth: 0, budget: &budget)
  }

  private mutating func run(_ instruction: UInt8) throws(Diagnostic) {
    switch instruction {
    case 0x80: position += 1  // the protocol's number
    case 0x95: position += 8  // the length of a frame
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "N"): push(.none)
    case 0x88: push(.bool(true))
    case 0x89: push(.bool(false))
    case UInt8(ascii: "K"): push(.integer(try number(1)))
    case UInt8(ascii: "M"): push(.integer(try number(2)))
    case UInt8(ascii: "J"): push(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case UInt8(ascii: "G"):
      let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      push(.float(Double(bitPattern: bits)))
    case 0x8C: push(.string(try text(try number(1))))
    case UInt8(ascii: "X"): push(.string(try text(try number(4))))
    case UInt8(ascii: "C"): push(.bytes(try take(try number(1))))
    case UInt8(ascii: "B"): push(.bytes(try take(try number(4))))
    case UInt8(ascii: "]"): push(.list([]))
    case UInt8(ascii: "}"): push(.dictionary([]))
    case UInt8(ascii: ")"): push(.tuple([]))
    case 0x85, 0x86, 0x87: push(.tuple(try pop(count: Int(instruction) - 0x84)))
    case UInt8(ascii: "t"): push(.tuple(try popToMark()))
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"): try append(try popToMark())
    case UInt8(ascii: "s"): try setItems(try pop(count: 2))
    case UInt8(ascii: "u"): try setItems(try popToMark())
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "q"): memo[try number(1)] = try top()
    case UInt8(ascii: "r"): memo[try number(4)] = try top()
    case 0x94: memo[memo.count] = try top()
    case UInt8(ascii: "h"): try recall(try number(1))
    case UInt8(ascii: "j"): try recall(try number(4))
    case UInt8(ascii: "c"): push(.name(try name(module: try line(), try line())))
    case 0x93:
      let parts = try pop(count: 2)
      guard case .string(let module) = objects[parts[0]], case .string(let part) = objects[parts[1]]
      else { throw damaged() }
      push(.name(try name(module: module, part)))
    case UInt8(ascii: "R"): try call()
    case UInt8(ascii: "b"): try build()
    default: throw .unreadablePickle("uses instruction \(instruction), which no array needs", place)
    }
  }

  // MARK: Objects

  private mutating func push(_ object: Object) {
    objects.append(object)
    stack.append(objects.count - 1)
  }

  private func top() throws(Diagnostic) -> Int {
    guard let last = stack.last, stack.count > marks.last ?? 0 else { throw damaged() }
    return last
  }

  private mutating func pop() throws(Diagnostic) -> Int {
    let last = try top()
    stack.removeLast()
    return last
  }

  private mutating func pop(count: Int) throws(Diagnostic) -> [Int] {
    guard stack.count - count >= marks.last ?? 0 else { throw damaged() }
    let items = Array(stack.suffix(count))
    stack.removeLast(count)
    return items
  }

  private mutating func popToMark() throws(Diagnostic) -> [Int] {
    guard let mark = marks.popLast() else { throw damaged() }
    let items = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return items
  }

  private mutating func recall(_ index: Int) throws(Diagnostic) {
    guard let object = memo[index] else { throw damaged() }
    stack.append(object)
  }

  private mutating func append(_ items: [Int]) throws(Diagnostic) {
    let target = try top()
    guard case .list(var list) = objects[target] else { throw damaged() }
    objects[target] = .none
    list += items
    objects[target] = .list(list)
  }

  private mutating func setItems(_ items: [Int]) throws(Diagnostic) {
    let target = try top()
    guard case .dictionary(var entries) = objects[target], items.count % 2 == 0 else {
      throw damaged()
    }
    objects[target] = .none
    for index in stride(from: 0, to: items.count, by: 2) {
      entries.append((items[index], items[index + 1]))
    }
    objects[target] = .dictionary(entries)
  }

  private func name(module: String, _ part: String) throws(Diagnostic) -> Name {
    switch (module, part) {
    case ("numpy", "ndarray"): return .array
    case ("numpy", "dtype"): return .elementType
    case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
      return .makeArray
    case ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"):
      return .makeScalar
    default:
      throw .unreadablePickle("names '\(module).\(part)', which is no part of an array", place)
    }
  }

  private mutating func call() throws(Diagnostic) {
    let parts = try pop(count: 2)
    guard case .name(let name) = objects[parts[0]], case .tuple(let arguments) = objects[parts[1]]
    else { throw damaged() }
    switch name {
    case .makeArray: push(.emptyArray)
    case .elementType:
      guard let first = arguments.first, case .string(let code) = objects[first] else {
        throw damaged()
      }
      push(.elementType(code: code, order: "|"))
    case .makeScalar:
      guard arguments.count == 2, case .bytes(let data) = objects[arguments[1]] else {
        throw damaged()
      }
      push(.array(try array(type: arguments[0], shape: [], isFortranOrder: false, data)))
    case .array: throw damaged()
    }
  }

  /// Fills an array, or tells an element type its byte order.
  private mutating func build() throws(Diagnostic) {
    let state = try pop()
    let target = try top()
    guard case .tuple(let parts) = objects[state], parts.count >= 2 else { throw damaged() }
    switch objects[target] {
    case .elementType(let code, _):
      guard case .string(let order) = objects[parts[1]] else { throw damaged() }
      objects[target] = .elementType(code: code, order: order)
    case .emptyArray:
      guard parts.count == 5, case .tuple(let dimensions) = objects[parts[1]],
        case .bool(let isFortranOrder) = objects[parts[3]]
      else { throw damaged() }
      var shape: [Int] = []
      for dimension in dimensions {
        guard case .integer(let size) = objects[dimension], size >= 0 else { throw damaged() }
        shape.append(size)
      }
      switch objects[parts[4]] {
      case .list(let items): objects[target] = .objects(shape: shape, items: items)
      case .bytes(let data):
        objects[target] = .array(
          try array(type: parts[2], shape: shape, isFortranOrder: isFortranOrder, data))
      default: throw damaged()
      }
    default: throw damaged()
    }
  }

  private func array(
    type: Int, shape: [Int], isFortranOrder: Bool, _ data: [UInt8]
  ) throws(Diagnostic) -> NPYArray {
    guard case .elementType(let code, let order) = objects[type] else { throw damaged() }
    guard let (type, isBigEndian) = NPYType.parse("\(order)\(code)") else {
      throw .arrayElementType("'\(order)\(code)'", place)
    }
    let header = try NPYHeader(
      type: type, shape: shape, isBigEndian: isBigEndian, isFortranOrder: isFortranOrder,
      length: 0, at: place)
    try header.check(byteCount: Int64(data.count), at: place)
    return NPYArray(header, data)
  }

  // MARK: Bytes

  private mutating func byte() throws(Diagnostic) -> UInt8 {
    guard position < bytes.count else { throw damaged() }
    position += 1
    return bytes[position - 1]
  }

  private mutating func take(_ count: Int) throws(Diagnostic) -> [UInt8] {
    guard position <= bytes.count, count <= bytes.count - position else { throw damaged() }
    position += count
    return Array(bytes[position - count..<position])
  }

  private mutating func number(_ length: Int) throws(Diagnostic) -> Int {
    Int(LittleEndian(try take(length) + [0, 0, 0, 0]).uint32(0))
  }

  private mutating func text(_ length: Int) throws(Diagnostic) -> String {
    guard let text = String(validating: try take(length), as: UTF8.self) else { throw damaged() }
    return text
  }

  private mutating func line() throws(Diagnostic) -> String {
    guard position <= bytes.count, let end = bytes[position...].firstIndex(of: 0x0A) else {
      throw damaged()
    }
    let line = try text(end - position)
    position = end + 1
    return line
  }

  private func damaged() -> Diagnostic { .unreadablePickle("is damaged", place) }

  // MARK: Result

  private static let depthLimit = 32
  /// About fifteen objects make an array, and each takes some 40 bytes here.
  private static let objectLimit = 1 << 22

  private func json(
    _ index: Int, depth: Int, budget: inout Int
  ) throws(Diagnostic) -> JSON {
    budget -= 1
    guard depth <= PickleDecoder.depthLimit, budget >= 0 else {
      throw .unreadablePickle("is nested too deep or repeats itself too often", place)
    }
    switch objects[index] {
    case .none: return .null
    case .bool(let value): return .bool(value)
    case .integer(let value): return .number(value)
    case .float(let value): return .number(value)
    case .string(let value): return .string(value)
    case .tuple(let items), .list(let items):
      var values: [JSON] = []
      for item in items { values.append(try json(item, depth: depth + 1, budget: &budget)) }
      return .array(values)
    case .dictionary(let entries):
      var members: [JSON.Member] = []
      for entry in entries {
        let key: String
        switch objects[entry.key] {
        case .string(let text): key = text
        case .integer(let number): key = String(number)
        default: throw .unreadablePickle("has a key that is neither text nor an integer", place)
        }
        members.append(
          JSON.Member(key, try json(entry.value, depth: depth + 1, budget: &budget)))
      }
      return .object(members)
    case .objects(let shape, let items):
      guard shape.isEmpty, items.count == 1 else {
        throw .unreadablePickle("holds several objects, expected one", place)
      }
      return try json(items[0], depth: depth + 1, budget: &budget)
    case .array(let array):
      budget -= array.bytes.count / array.type.byteCount
      guard budget >= 0 else { throw .unreadablePickle("has too many elements", place) }
      guard let json = array.json else {
        throw .arrayElementType("of an array that holds no numbers", place)
      }
      return json
    case .bytes, .name, .elementType, .emptyArray: throw damaged()
    }
  }
}

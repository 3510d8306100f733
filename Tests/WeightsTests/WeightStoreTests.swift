import FP8
import IR
import ONNX
import Support
import TestSupport
import Testing
import Weights

@Suite struct WeightStoreTests {
  private static let types = ["f32", "bf16", "f16"]
  private static let scales = ["power", "other", "rows", "columns"]

  @Test(arguments: types, scales)
  func `codes are those of another implementation`(type: String, scale: String) throws {
    let fixture = try Fixture(expected("\(type).bin"), element(type), sizes)
    for format in ["e4m3", "e5m2"] {
      var weight = fixture.weight
      weight.recipe = [.quantize(quantization(format, try scaleValue(scale)))]
      var output = MemorySink()
      let loss = try fixture.store.write(weight, to: &output)
      let codes = output.bytes
      #expect(try codes == expected("\(type)-\(scale)-\(format).bin"))
      #expect(loss.loss?.elements == 480)
      if format == "e4m3" {
        // 0x77 is 240, the most that Gaudi2 holds; 0x78 to 0x7E would be 256 to 448.
        #expect(codes.allSatisfy { $0 & 0x7F <= 0x77 })
      }
    }
  }

  /// More blocks than jobs: 3 MiB of numbers in blocks of one.
  @Test func `codes and losses do not depend on how many blocks are in work`() throws {
    let pattern: [UInt8] = try expected("f32.bin")
    let count = (3 << 20) / pattern.count
    let bytes = Array(repeatElement(pattern, count: count).joined())
    let fixture = try Fixture(bytes, .float32, [bytes.count / 4])
    var weight = fixture.weight
    weight.recipe = [.quantize(quantization("e4m3", .perTensor(0.0625)))]
    var plain = MemorySink()
    let written = try fixture.store.write(weight, to: &plain)
    #expect(written.loss?.elements == bytes.count / 4)
    for jobs in [2, 5] {
      var output = MemorySink()
      #expect(try fixture.store.write(weight, to: &output, jobs: jobs) == written)
      let isEqual = output.bytes == plain.bytes
      #expect(isEqual)
    }
  }

  @Test func `a transposed matrix is cast in its new order`() throws {
    let fixture = try Fixture(expected("f32.bin"), .float32, sizes)
    var weight = fixture.weight
    weight.recipe = [
      .transpose([1, 0]), .quantize(quantization("e4m3", .perTensor(0.0625))),
    ]
    #expect(try fixture.bytes(of: weight) == expected("f32-transposed-e4m3.bin"))
    // The rows of the stored matrix are the columns of the transposed one.
    guard case .perChannel(let rows, _) = try scaleValue("rows") else { return }
    weight.recipe = [
      .transpose([1, 0]), .quantize(quantization("e4m3", .perChannel(rows, axis: 1))),
    ]
    let codes = try fixture.bytes(of: weight)
    let plain = try expected("f32-rows-e4m3.bin")
    #expect(codes == turned(plain, rows: 24, columns: 20))
  }

  @Test func `types are cast as NumPy casts them, saturating`() throws {
    let casts: [(String, [ElementType], String)] = [
      ("bf16", [.float32], "bf16-to-f32.bin"), ("f32", [.float16], "f32-to-f16.bin"),
      ("f32", [.bfloat16], "f32-to-bf16.bin"), ("f16", [.bfloat16], "f16-to-bf16.bin"),
      ("f16", [.float32, .bfloat16], "f16-to-bf16.bin"),
      ("bf16", [.float32, .bfloat16], "bf16.bin"),
      ("f32", [.float32], "f32.bin"),
    ]
    for (type, steps, result) in casts {
      let fixture = try Fixture(expected("\(type).bin"), element(type), sizes)
      var weight = fixture.weight
      weight.recipe = steps.map { .cast($0, saturates: true) }
      #expect(try fixture.bytes(of: weight) == expected(result), "\(type) to \(steps)")
    }
  }

  @Test func `any permutation is applied, also on both sides of a reshape`() throws {
    let fixture = try Fixture(expected("cube.bin"), .uint16, [3, 4, 5])
    var weight = fixture.weight
    weight.recipe = [.transpose([2, 0, 1])]
    #expect(try fixture.bytes(of: weight) == expected("cube-201.bin"))
    weight.recipe = [.transpose([1, 0, 2]), .reshape([4, 15]), .transpose([1, 0])]
    #expect(try fixture.bytes(of: weight) == expected("cube-102-reshaped-10.bin"))
    weight.recipe = [.transpose([0, 1, 2]), .reshape([60])]
    #expect(try fixture.bytes(of: weight) == expected("cube.bin"))
  }

  @Test func `a matrix larger than a panel is transposed panel by panel`() throws {
    // 12 MB: more than eight blocks of 1 MiB, so three panels of at most 699 columns.
    let (rows, columns) = (3000, 1000)
    func element(_ row: Int, _ column: Int) -> UInt32 {
      UInt32(truncatingIfNeeded: (row &* columns &+ column) &* 2_654_435_761)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * rows * columns)
    for row in 0..<rows {
      for column in 0..<columns { append(element(row, column), to: &bytes) }
    }
    let fixture = try Fixture(bytes, .uint32, [rows, columns])
    var weight = fixture.weight
    weight.recipe = [.transpose([1, 0])]
    let result = try fixture.bytes(of: weight)
    var turned: [UInt8] = []
    turned.reserveCapacity(bytes.count)
    for column in 0..<columns {
      for row in 0..<rows { append(element(row, column), to: &turned) }
    }
    #expect(result == turned)
  }

  /// More than eight blocks of 1 MiB, cut along the first axis, or along the second where one place of
  /// the first is too much.
  @Test(arguments: [([60, 250, 200], [2, 0, 1]), ([1, 2000, 1500], [0, 2, 1])])
  func `a tensor larger than a panel is permuted panel by panel`(
    sizes: [Int], axes: [Int]
  ) throws {
    let count = sizes.reduce(1, *)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * count)
    for index in 0..<count { append(UInt32(index), to: &bytes) }
    let fixture = try Fixture(bytes, .uint32, sizes)
    var weight = fixture.weight
    weight.recipe = [.transpose(axes)]
    let strides = [sizes[1] * sizes[2], sizes[2], 1]
    var permuted: [UInt8] = []
    permuted.reserveCapacity(bytes.count)
    for first in 0..<sizes[axes[0]] {
      for second in 0..<sizes[axes[1]] {
        let start = first * strides[axes[0]] + second * strides[axes[1]]
        for third in 0..<sizes[axes[2]] {
          append(UInt32(start + third * strides[axes[2]]), to: &permuted)
        }
      }
    }
    let isEqual = try fixture.bytes(of: weight) == permuted
    #expect(isEqual)
    // Two permutations, one behind the other, are one.
    weight.recipe = [.transpose(axes), .transpose(axes), .reshape([Int64(count)])]
    let twice = try fixture.bytes(of: weight)
    weight.recipe = [.transpose(axes.map { axes[$0] })]
    let isOnce = try twice == fixture.bytes(of: weight)
    #expect(isOnce)
  }

  @Test func `channels are counted across blocks`() throws {
    // Three million elements; the columns' scales are 1 to 16, the elements twice their scale.
    let (rows, columns) = (1_000_000, 3)
    let scales: [Float] = [1, 4, 16]
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 * rows * columns)
    for _ in 0..<rows {
      for scale in scales { append((2 * scale).bitPattern, to: &bytes) }
    }
    let fixture = try Fixture(bytes, .float32, [rows, columns])
    var weight = fixture.weight
    weight.recipe = [.quantize(quantization("e4m3", .perChannel(scales, axis: 1)))]
    // 0x40 is 2 in E4M3.
    #expect(try fixture.bytes(of: weight) == [UInt8](repeating: 0x40, count: rows * columns))
    var none: ScaleSearch?
    let ranges = try fixture.store.ranges(of: fixture.weight, axis: 1, feeding: &none)
    #expect(ranges.maxAbs == [2, 8, 32])
  }

  @Test(arguments: types)
  func `ranges are NumPy's, of the tensor, its rows and its columns`(type: String) throws {
    let fixture = try Fixture(expected("\(type).bin"), element(type), sizes)
    let found = try floats("\(type)-maxabs.bin")
    var none: ScaleSearch?
    let whole = try fixture.store.ranges(of: fixture.weight, axis: nil, feeding: &none)
    #expect(whole.tensorMaxAbs == found[0])
    let rows = try fixture.store.ranges(of: fixture.weight, axis: 0, feeding: &none)
    #expect(rows.maxAbs == Array(found[1...24]))
    let columns = try fixture.store.ranges(of: fixture.weight, axis: 1, feeding: &none)
    #expect(columns.maxAbs == Array(found[25...]))
  }

  @Test func `typed lists give the bytes of raw data`() throws {
    let bits = try expected("bf16.bin")
    let packed = stride(from: 0, to: bits.count, by: 2).flatMap { index in
      Wire.varint(UInt64(bits[index]) | UInt64(bits[index + 1]) << 8)
    }
    let list = try Fixture(packed, .bfloat16, sizes, field: 5)
    #expect(try list.bytes(of: list.weight, cast: .bfloat16) == bits)
    let floats = try Fixture(expected("f32.bin"), .float32, sizes, field: 4)
    #expect(try floats.bytes(of: floats.weight, cast: .float32) == expected("f32.bin"))
    // One entry too few for the shape.
    let short = try Fixture(packed, .bfloat16, [481], field: 5)
    let error = failure { () throws(Diagnostic) in
      _ = try short.bytes(of: short.weight, cast: .bfloat16)
    }
    #expect(error?.message == "a tensor's typed list has 480 entries, expected 481 by its shape")
  }

  // MARK: Expected files

  private let sizes = [24, 20]

  private func element(_ name: String) throws -> ElementType {
    try #require(ElementType(spelling: name))
  }

  private func quantization(_ format: String, _ scale: Scale) -> Quantization {
    Quantization(
      element: format == "e4m3" ? .float8e4m3fn : .float8e5m2, scale: scale,
      fullscale: format == "e4m3" ? 240 : 57344)
  }

  private func scaleValue(_ name: String) throws -> Scale {
    let values = try floats("scale-\(name).bin")
    return switch name {
    case "rows": .perChannel(values, axis: 0)
    case "columns": .perChannel(values, axis: 1)
    default: .perTensor(values[0])
    }
  }

  private func floats(_ name: String) throws -> [Float] {
    let bytes = try expected(name)
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(
        bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }

  private func turned(_ bytes: [UInt8], rows: Int, columns: Int) -> [UInt8] {
    (0..<columns).flatMap { column in (0..<rows).map { bytes[$0 * columns + column] } }
  }

  private func append(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
  }
}

/// The bytes of a file of `Tests/Data/Weights`; see the README there.
private func expected(_ name: String) throws -> [UInt8] {
  let tests = InputFile.folder(of: InputFile.folder(of: #filePath))
  return try InputFile.contents(of: "\(tests)/Data/Weights/\(name)", limit: 1 << 20)
}

/// A model file with one tensor, and the store that owns it.
private struct Fixture: ~Copyable {
  let store: WeightStore
  let weight: Weight
  private let folder: TemporaryFolder

  init(
    _ bytes: [UInt8], _ element: ElementType, _ sizes: [Int], field: UInt64 = 9
  ) throws {
    let folder = try TemporaryFolder()
    let tensor = Wire.tensor("w", sizes.map { UInt64($0) }, type: UInt64(element.rawValue))
    let model = Wire.model(Wire.graph(initializers: [tensor.data(field, bytes)]))
    let file = try ModelFile(path: folder.write("m.onnx", model.bytes))
    let segment = try #require(file.payloads.first?.segments.first)
    weight = Weight(
      stored: TensorType(element, sizes: sizes.map { Int64($0) }),
      source: .range(
        StoredRange(
          file: nil, encoding: try #require(Encoding(rawValue: Int32(field))),
          offset: segment.offset, length: segment.length)))
    store = WeightStore(model: file, dataFiles: [])
    self.folder = folder
  }

  func bytes(of weight: Weight) throws(Diagnostic) -> [UInt8] {
    var output = MemorySink()
    try store.write(weight, to: &output)
    return output.bytes
  }

  func bytes(of weight: Weight, cast element: ElementType) throws(Diagnostic) -> [UInt8] {
    var weight = weight
    weight.recipe = [.cast(element)]
    return try bytes(of: weight)
  }
}

import FP8
import IR
import ONNX
import Support
import TestSupport
import Testing
import Weights

/// Weights in files with holes against the same bytes in files without.
@Suite struct HoleTests {
  private static let rows = 2048
  private static let columns = 1024

  /// A weight of 8 MiB that begins at byte 4 of a data file; rows 300 to 1299 and 1500 to 2047 are zero.
  private struct Fixture: ~Copyable {
    let folder: TemporaryFolder
    let store: WeightStore
    var weight: Weight

    init(sparse: Bool) throws {
      let folder = try TemporaryFolder()
      var file = try OutputFile(path: folder["w.data"])
      func zeros(_ count: Int, _ file: inout OutputFile) throws(Diagnostic) {
        if sparse {
          try file.writeZeros(Int64(count))
        } else {
          try file.write([UInt8](repeating: 0, count: count))
        }
      }
      func numbers(_ count: Int, seed: UInt32, _ file: inout OutputFile) throws(Diagnostic) {
        var state = seed
        var bytes: [UInt8] = []
        for _ in 0..<count {
          state = state &* 1_664_525 &+ 1_013_904_223
          let value = Float(Int32(bitPattern: state)) * 0x1p-33
          for byte in 0..<4 {
            bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * byte)))
          }
        }
        try file.write(bytes)
      }
      try file.write([1, 2, 3, 4])
      try numbers(300 * columns, seed: 1, &file)
      try zeros(4 * 1000 * columns, &file)
      try numbers(200 * columns, seed: 2, &file)
      try zeros(4 * 548 * columns, &file)
      try file.commit(sync: false)
      let model = try folder.write("m.onnx", Wire.model(Wire.graph(initializers: [])).bytes)
      let data = DataFile(location: "w.data", try InputFile(path: folder["w.data"]))
      store = WeightStore(model: try ModelFile(path: model), dataFiles: [data])
      self.folder = folder
      weight = Weight(
        stored: TensorType(.float32, sizes: [Int64(rows), Int64(columns)]),
        source: .range(
          StoredRange(
            file: "w.data", encoding: .raw, offset: 4, length: Int64(4 * rows * columns))))
    }
  }

  private static func quantize(_ scale: Scale) -> Weight.Step {
    .quantize(Quantization(element: .float8e4m3fn, scale: scale, fullscale: 240))
  }

  @Test func zerosOfAHoleAreZerosOfATensor() throws {
    var sparse = try Fixture(sparse: true)
    var dense = try Fixture(sparse: false)
    let scales = (0..<Self.rows).map { Float($0 % 7 + 1) * 0x1p-8 }
    let recipes: [[Weight.Step]] = [
      [], [.cast(.bfloat16)], [Self.quantize(.perTensor(0x1p-8))],
      [Self.quantize(.perChannel(scales, axis: 0))],
      [.transpose([1, 0]), Self.quantize(.perChannel(scales, axis: 1))],
    ]
    for recipe in recipes {
      sparse.weight.recipe = recipe
      dense.weight.recipe = recipe
      var (found, expected) = (MemorySink(), MemorySink())
      let written = try sparse.store.write(sparse.weight, to: &found, jobs: 2)
      #expect(try dense.store.write(dense.weight, to: &expected) == written)
      let isEqual = found.bytes == expected.bytes
      #expect(isEqual, "\(recipe)")
      var searches: [ScaleSearch?] = [0, 1].map { _ in
        ScaleSearch(encoding: .e4m3, fullscale: 240, candidates: [1, 0x1p-8], elements: Int.max)
      }
      guard written.loss == nil else { continue }
      let ranges = try sparse.store.ranges(of: sparse.weight, axis: 1, feeding: &searches[0])
      #expect(try dense.store.ranges(of: dense.weight, axis: 1, feeding: &searches[1]) == ranges)
      #expect(searches[0]?.errors() == searches[1]?.errors())
    }
  }

  @Test func holesStayHoles() throws {
    let fixture = try Fixture(sparse: true)
    var weight = fixture.weight
    weight.recipe = [Self.quantize(.perTensor(0x1p-8))]
    var codes = try OutputFile(path: fixture.folder["codes"])
    try fixture.store.write(weight, to: &codes)
    try codes.commit(sync: false)
    var copy = try OutputFile(path: fixture.folder["copy"])
    let source = try InputFile(path: fixture.folder["w.data"])
    try copy.copy(0..<source.size, of: source)
    try copy.commit(sync: false)
    for (name, size) in [("codes", Self.rows * Self.columns), ("copy", Int(source.size))] {
      let file = try InputFile(path: fixture.folder[name])
      #expect(file.size == Int64(size))
      // The last 548 of 2048 rows.
      let end = try file.segment(at: file.size - 4096, limit: file.size)
      #expect(end.isHole, "\(name)")
      #expect(try !file.segment(at: 0, limit: file.size).isHole)
    }
    let isEqual = try fixture.folder.contents("copy") == fixture.folder.contents("w.data")
    #expect(isEqual)
  }

  @Test func aFileThatEndsInAHoleTooEarlyIsAnError() throws {
    let folder = try TemporaryFolder()
    var file = try OutputFile(path: folder["short"])
    try file.writeZeros(1 << 20)
    try file.commit(sync: false)
    let short = try InputFile(path: folder["short"])
    #expect(throws: Diagnostic.self) { try short.segment(at: 4096, limit: 2 << 20) }
  }
}

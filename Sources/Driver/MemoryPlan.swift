internal import IR
internal import Support
internal import Weights

/// What a command holds in memory at most, for `--memory-limit`.
///
/// The shares were measured as resident memory on x86-64 and rounded up: models of 200,000 nodes took 51 bytes
/// for each byte of their structure with every node quantized, 144 as QDQ in float16; a block in work 2 MB; a
/// session 1.4 times the weights of BERT.
struct MemoryPlan {
  /// The code, the tables and what the allocator keeps.
  private static let process: Int64 = 32 << 20
  private static let perStructureByte: Int64 = 72
  /// The same where quantizers are written out.
  private static let perStructureByteOfQDQ: Int64 = 152
  /// A block as it is read, as it is cast, and as codes.
  private static let perBlock: Int64 = 4 << 20
  /// A box of eight blocks before and behind its transposition.
  private static let perBox: Int64 = 20 << 20
  /// A scale of a channel in the graph, in a search and on its way into tables.
  private static let perChannel: Int64 = 128
  /// ONNX Runtime itself; how much the tensors between operators take is not known beforehand.
  private static let runtime: Int64 = 96 << 20

  /// What is held whatever is worked on.
  private var fixed: Int64
  /// What each processor holds.
  private var perJob: Int64 = 0

  /// Reading a model whose structure, all but the elements of tensors, has that many bytes.
  init(structure: Int64, isQDQ: Bool = false) {
    let share = isQDQ ? MemoryPlan.perStructureByteOfQDQ : MemoryPlan.perStructureByte
    fixed = MemoryPlan.process + structure * share
  }

  /// Working on the weights of a model.
  init(_ model: Model, structure: Int64, isQDQ: Bool = false) {
    self.init(structure: structure, isQDQ: isQDQ)
    perJob = MemoryPlan.perBlock
    for placed in model.placedModules {
      for port in placed.module.ports {
        if case .perChannel(let scales, _)? = port.scale { addChannels(scales.count) }
      }
    }
    for id in model.graph.weights {
      guard let weight = model.graph[id].weight else { continue }
      switch weight.reading {
      case .inOrder: break
      case .boxes: perJob = max(perJob, MemoryPlan.perBox)
      case .whole(let bytes): perJob = max(perJob, MemoryPlan.perBlock + 2 * Int64(bytes))
      }
    }
  }

  /// The same, and the scales of channels that are to be found.
  mutating func addChannels(_ count: Int) { fixed += Int64(count) * MemoryPlan.perChannel }

  /// The same, and a session of ONNX Runtime with the model.
  mutating func addSession(of model: Model) {
    var weights: Int64 = 0
    for id in model.graph.weights {
      guard let type = model.graph[id].weight?.type(), let count = type.elementCount else {
        continue
      }
      weights += Int64(type.element.byteCount(of: count) ?? 0)
    }
    fixed += MemoryPlan.runtime + weights + weights / 2
  }

  /// How many of `jobs` processors may work at once; throws where not even one may.
  func jobs(upTo jobs: Int, within limit: Int64?) throws(Diagnostic) -> Int {
    guard let limit else { return jobs }
    guard fixed + perJob <= limit else { throw .memoryLimit(limit, needed: fixed + perJob) }
    return perJob == 0 ? jobs : Int(min(Int64(jobs), (limit - fixed) / perJob))
  }
}

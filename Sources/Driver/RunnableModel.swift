internal import Backend
internal import Calibration
internal import IR
internal import Passes
internal import Support
internal import Weights

/// A model as ONNX Runtime runs it on a CPU: itself, or its float32 twin where it computes in bfloat16,
/// which the runtime has no kernels for (decisions.md, Numeric comparisons).
struct RunnableModel {
  private(set) var model: Model
  let store: WeightStore
  let isTwin: Bool

  /// `model` has its types inferred; `asFloat32` asks for the twin whatever the model computes in.
  init(
    _ model: Model, _ store: WeightStore, asFloat32: Bool = false, _ compiler: Compiler,
    _ context: inout PassContext
  ) throws(Diagnostic) {
    let short: [ElementType] = asFloat32 ? [.bfloat16, .float16] : [.bfloat16]
    self.init(
      model, store,
      isTwin: model.graph.values.contains {
        model.graph[$0].type?.element.map { short.contains($0) } ?? false
      })
    guard isTwin else { return }
    try compiler.run(
      try Pipeline(parsing: "convert-precision{hp=fp32,weights=at-run-time}"), on: &self.model,
      in: &context)
  }

  /// A model that the runtime can run as it is.
  init(running model: Model, _ store: WeightStore) {
    self.init(model, store, isTwin: false)
  }

  private init(_ model: Model, _ store: WeightStore, isTwin: Bool) {
    self.model = model
    self.store = store
    self.isTwin = isTwin
  }

  /// A file's model with its calls written out, so that a twin reaches into them.
  init(
    path: String, _ compiler: Compiler, _ context: inout PassContext
  ) throws(Diagnostic) {
    let (model, given) = try compiler.load(path)
    guard let store = given else { throw .needsWeights(path) }
    do throws(Diagnostic) {
      try self.init(written: model, store, compiler, &context)
    } catch {
      throw error.inFile(path)
    }
  }

  /// The same of a model in memory, whose modules are not looked at.
  init(
    written model: Model, _ store: WeightStore, _ compiler: Compiler,
    _ context: inout PassContext
  ) throws(Diagnostic) {
    var inlined = model
    inlined.graph.mapAll { $0.removeModules { _ in true } }
    let written = inlined
    try Pipeline(parsing: "infer-types").run(on: &inlined, in: &context)
    try InlineFunctions(takesAll: true).run(on: &inlined, in: &context)
    try Pipeline(parsing: "infer-types").run(on: &inlined, in: &context)
    try self.init(inlined, store, compiler, &context)
    if !isTwin { self.model = written }
  }

  /// Lets inputs and outputs that are FP8 codes have the numbers that they have in the source.
  ///
  /// `scales` says what a code stands for, by the name of the value.
  mutating func replaceCodes(atScales scales: [String: Double], like source: Graph) {
    var graph = model.graph
    let first = graph.nodeIDs.first { _ in true }
    for id in graph.inputs where graph[id].type?.tensor?.element.isFloat8 == true {
      let name = graph[id].name
      guard let scale = scales[name], let element = graph[id].type?.element,
        let type = source.value(named: name).flatMap({ source[$0].type })
      else { continue }
      graph.rename(id, to: graph.freshName("\(name).codes"))
      let values = graph.addInput(name, type)
      let wide = graph.cast(values, to: .float32, named: "\(name).wide", before: first)
      let scaled = graph.multiplied(
        wide, by: Float(1 / scale), named: "\(name).scaled", before: first)
      graph.replaceReaders(
        of: id, with: graph.cast(scaled, to: element, named: "\(name).cast", before: first))
      graph.removeValue(id)
    }
    for id in graph.outputs where graph[id].type?.tensor?.element.isFloat8 == true {
      let name = graph[id].name
      guard let scale = scales[name] else { continue }
      graph.rename(id, to: graph.freshName("\(name).codes"))
      let wide = graph.cast(id, to: .float32, named: "\(name).wide")
      let values = graph.multiplied(wide, by: Float(scale), named: name)
      graph.setOutputs(graph.outputs.map { $0 == id ? values : $0 })
    }
    model.graph = graph
  }

  /// A session in which weights that are as they were stay in their files.
  func session(_ runtime: Runtime, optimize: Bool = false) throws(Diagnostic) -> Session {
    let path = store.paths[0]
    var exporter = Exporter(model, store, placement: .references(model: Folder.name(of: path)))
    var bytes = MemorySink()
    try exporter.write(to: &bytes)
    do throws(Diagnostic) {
      return try Session(
        runtime, model: bytes.bytes, folder: InputFile.folder(of: path), optimize: optimize)
    } catch {
      throw error.inFile(path)
    }
  }
}

extension Graph {
  fileprivate mutating func cast(
    _ value: ValueID, to element: ElementType, named name: String, before node: NodeID? = nil
  ) -> ValueID {
    var cast = Node(op: "Cast", inputs: [value], outputs: [])
    cast.attributes = [Attribute("to", .int(Int64(element.rawValue)))]
    let type = ValueType.tensor(TensorType(element, self[value].type?.tensor?.shape))
    return addNode(cast, result: name, type: type, before: node)
  }

  fileprivate mutating func multiplied(
    _ value: ValueID, by number: Float, named name: String, before node: NodeID? = nil
  ) -> ValueID {
    let factor = addWeight(freshName("\(name).factor"), Weight([number], sizes: []))
    return addNode(
      Node(op: "Mul", inputs: [value, factor], outputs: []), result: name, type: self[value].type,
      before: node)
  }
}

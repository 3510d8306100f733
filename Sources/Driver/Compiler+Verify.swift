internal import Backend
internal import Calibration
internal import IR
internal import Passes
package import Support
internal import Verification

extension Compiler {
  /// `fp8c verify`: proves that the models are one but for the quantization; with inputs, runs both too and
  /// prints the SQNR of every output, and with labels how many answers are right.
  package func verify(
    quantized: String, inputs: [String], labels: String?, minimum: Double?, maximumDrop: Double?
  ) throws(Diagnostic) -> ExitStatus {
    if maximumDrop != nil, labels == nil { throw .dropWithoutLabels() }
    var scales: [String: Double] = [:]
    do throws(Diagnostic) {
      let proof = try proveStructure(of: quantized)
      scales = proof.interfaceScales
      let (nodes, weights) = (proof.nodeCount, proof.claims.count)
      try console.result("structure: \(nodes) operators and \(weights) weights are the source's\n")
    } catch {
      // Running the models says something all the same.
      guard error.severity == .warning, !inputs.isEmpty else {
        var error = error
        error.severity = .error
        throw error
      }
      console.report(error)
    }
    guard !inputs.isEmpty else { return .done }
    let (model, _) = try load(options.model)
    let graph = model.graph
    let place = try labels.map { (text) throws(Diagnostic) in try ArrayPlace(labels: text) }
    let set = try calibrationSet(inputs, of: graph, labels: place)
    let runtime = try runtime()
    var context = PassContext(try settings(Configuration()))
    let reference = try RunnableModel(path: options.model, self, &context)
    var candidate = try RunnableModel(path: quantized, self, &context)
    candidate.replaceCodes(atScales: scales, like: graph)
    for (path, runnable) in [(options.model, reference), (quantized, candidate)]
    where runnable.isTwin {
      console.note(
        "'\(path)' computes in bfloat16, which ONNX Runtime does not on a CPU: its float32 twin runs"
      )
    }
    let outputs = graph.outputs.map { graph[$0].name }
    var comparison = OutputComparison(outputs: outputs)
    var optimized = OutputComparison(outputs: outputs, remark: ", optimized")
    var answers = try place.map { (place) throws(Diagnostic) in try Answers(place) }
    let sessions = (
      reference: try reference.session(runtime), candidate: try candidate.session(runtime),
      optimized: try candidate.session(runtime, optimize: true)
    )
    try set.forEachBatch { (batch, _) throws(Diagnostic) in
      let expected = try sessions.reference.run(batch, outputs: outputs)
      let found = try sessions.candidate.run(batch, outputs: outputs)
      comparison.add(expected, found)
      optimized.add(expected, try sessions.optimized.run(batch, outputs: outputs))
      try answers?.add(expected.first ?? nil, found.first ?? nil)
    }
    try console.result(comparison.text + optimized.text)
    if let answers { try console.result(answers.text) }
    let tablePath = scaleTablePath(quantized)
    if Folder.exists(tablePath) {
      let attribution = try ErrorAttribution(
        of: try table(at: tablePath), set, runtime, self)
      try console.result(attribution.text)
      if !attribution.notAttributed.isEmpty {
        console.note(
          "not looked at alone: "
            + attribution.notAttributed.map { "'\($0)'" }.joined(separator: ", "))
      }
    } else {
      console.note("no '\(tablePath)', so errors are not told apart by module")
    }
    if let minimum, min(comparison.worst, optimized.worst) < minimum { return .checkFailed }
    if let maximumDrop, let answers, answers.drop > maximumDrop { return .checkFailed }
    return .done
  }

  /// Batches for the inputs of a model.
  func calibrationSet(
    _ paths: [String], of graph: Graph, labels: ArrayPlace?
  ) throws(Diagnostic) -> CalibrationSet {
    try CalibrationSet(
      paths: paths,
      inputs: graph.inputs.map { id in
        CalibrationSet.Input(
          name: graph[id].name, type: graph[id].type?.tensor, isOptional: graph[id].weight != nil)
      }, labels: labels, readTensor: Compiler.readTensor)
  }

  /// The library that runs models.
  func runtime() throws(Diagnostic) -> Runtime {
    try Runtime.find(options.onnxruntime, environment: environment, executable: executablePath)
  }

  func table(at path: String) throws(Diagnostic) -> ScaleTableFile {
    try ScaleTableFile(
      try InputFile.contents(of: path, limit: Compiler.textLimit), file: path)
  }
}

extension ArrayPlace {
  /// What `--labels` names.
  init(labels text: String) throws(Diagnostic) {
    guard let place = ArrayPlace(text) else { throw .badLabels(text) }
    self = place
  }
}

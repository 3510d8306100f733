internal import Backend
internal import FP8
internal import IR
internal import Reports
package import Support
internal import Targets
internal import Weights

extension Compiler {
  /// `fp8c report`: writes one page on a scale table, with the codes of the model beside it and, where
  /// the source and batches are given, with what every module costs; `nodeData` is where that goes for
  /// Model Explorer.
  package func report(
    _ tablePath: String, source: String?, inputs: [String], nodeData: String?
  ) throws(Diagnostic) -> ExitStatus {
    guard let output = options.output else { throw .noOutput() }
    guard (source == nil) == inputs.isEmpty, nodeData == nil || source != nil else {
      throw .reportNeedsBoth()
    }
    _ = try OutputPaths(
      [output] + [nodeData].compactMap { $0 },
      inputs: [tablePath] + [source].compactMap { $0 } + inputs)
    let table = try table(at: tablePath)
    let limits = try Target.load(table.target).limits(of: table.format)
    var costs: [ModuleCost]?
    if let source {
      var options = options
      options.model = source
      let compiler = Compiler(options: options, console: console, environment: environment)
      let graph = try compiler.load(source).model.graph
      costs = try ErrorAttribution(
        of: table, try calibrationSet(inputs, of: graph, labels: nil), try runtime(), compiler
      ).modules
    }
    let report = Report(
      table, limits: limits, codes: try codes(of: table, at: tablePath), costs: costs)
    let colours = try nodeData.map { (path) throws(Diagnostic) in
      (
        path,
        NodeData(try load(modelPath(of: tablePath) ?? tablePath).model.graph, costs: costs ?? [])
      )
    }
    try write(to: output) { (file) throws(Diagnostic) in try report.write(to: &file) }
    if let (path, data) = colours { try write(data.text, to: path) }
    return .done
  }

  /// The model beside a table, where the table is named as fp8c names it.
  private func modelPath(of table: String) -> String? {
    let suffix = ".scales.json"
    return table.hasSuffix(suffix) ? "\(table.dropLast(suffix.count)).onnx" : nil
  }

  /// The codes that the model beside a table has for its weights; `nil` where none lies there.
  private func codes(
    of table: ScaleTableFile, at path: String
  ) throws(Diagnostic) -> [String: CodeCounter]? {
    guard let modelPath = modelPath(of: path), Folder.exists(modelPath) else { return nil }
    let (model, given) = try load(modelPath)
    guard let store = given else { return nil }
    var counters: [String: CodeCounter] = [:]
    for port in table.modules.flatMap(\.ports) where port.loss != nil {
      guard let name = port.value, let scale = port.scale, counters[name] == nil,
        let weight = model.graph.value(named: name).flatMap({ model.graph[$0].weight }),
        weight.type().element == table.format.element
      else { continue }
      var counter = CodeCounter(table.format, scale, weight.type())
      do throws(Diagnostic) {
        _ = try store.write(weight, to: &counter)
      } catch {
        throw error.inFile(modelPath)
      }
      counters[name] = counter
    }
    return counters
  }
}

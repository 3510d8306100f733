internal import Calibration
internal import IR
internal import Measurements
internal import Passes
package import Support
internal import Targets
internal import Weights

extension Compiler {
  /// `fp8c inspect`: every module found and every node left, as JSON or as a table on standard output.
  package func inspect() throws(Diagnostic) -> ExitStatus {
    let (configuration, file) = try options.configuration(environment: environment)
    if options.printsDependencies { return try printDependencies(configuration, file) }
    var context = PassContext(try settings(configuration))
    var (model, _) = try load(options.model)
    try run(
      try Pipeline(parsing: Compiler.finding), on: &model, in: &context)
    let modules = model.placedModules.map { placed -> JSON in
      let (module, graph) = (placed.module, placed.graph)
      return .object([
        "path": .string(module.path),
        "kind": .string(module.kind),
        "type": .string(module.type),
        "evidence": .string(module.evidence.rawValue),
        "nodes": .array(
          module.nodes.map { .string(graph.label(of: $0)) }),
        "reason": .string(context.reasons[module.path] ?? ""),
        "ports": .array(
          module.ports.map { port in
            .object([
              "port": .string(port.name), "role": .string(port.role.rawValue),
              "value": port.value.map { .string(graph[$0].name) } ?? .null,
            ])
          }),
      ])
    }
    let left = context.left.map { node -> JSON in
      .object([
        "node": .string(node.node), "path": .string(node.path), "kind": .string(node.kind),
        "type": .string(node.type), "reason": .string(node.reason),
      ])
    }
    let settings = context.settings.selection
    let allowsAll = settings.allowedNames.isEmpty && settings.allowedTypes.isEmpty
    let types =
      (allowsAll || settings.allowsDefaults ? settings.defaultTypes : []) + settings.allowedTypes
    let result = JSON.object([
      "allowlist": .object([
        "names": .array(settings.allowedNames.map { .string($0.source) }),
        "types": .array(types.map { .string($0) }),
      ]),
      "modules": .array(modules),
      "left": .array(left),
    ])
    explain(model, context)
    report(context)
    try console.result(
      options.printsTable ? table(model, context.left) : result.text(indent: 2) + "\n")
    return .done
  }

  /// The files that `compile` with the same options reads, one a line.
  private func printDependencies(
    _ configuration: Configuration, _ configurationFile: String?
  ) throws(Diagnostic) -> ExitStatus {
    let settings = try settings(configuration)
    let (_, store) = try load(options.model)
    var files = FileList(store?.paths ?? [options.model])
    files.add([configurationFile].compactMap { $0 })
    if configuration.target.hasSuffix(".json") { files.add([configuration.target]) }
    if let map = options.moduleMap { files.add([map]) }
    if settings.needsRanges {
      let batches = try CalibrationSet.files(of: options.calibration)
      files.add(batches.isEmpty ? [configuration.files.measurement] : batches)
    }
    try console.result(files.paths.map { "\($0)\n" }.joined())
    return .done
  }

  /// A line for each module and each node left, in columns.
  private func table(_ model: Model, _ left: [LeftNode]) -> String {
    var rows = [["PATH", "KIND", "TYPE", "EVIDENCE", "WEIGHT", "NODES"]]
    for placed in model.placedModules {
      let module = placed.module
      let weight = module.port("weight").map { port in
        let type = placed.weight(of: port)?.type()
        let sizes = (type?.sizes ?? []).map(String.init).joined(separator: "x")
        return "\(placed.graph.name(of: port)) \(type?.element.spelling ?? "")[\(sizes)]"
      }
      rows.append([
        module.path, module.kind, module.type, module.evidence.rawValue, weight ?? "-",
        module.nodes.map { placed.graph.label(of: $0) }.joined(separator: " "),
      ])
    }
    var text = columns(rows)
    guard !left.isEmpty else { return text }
    text += "\n"
    text += columns(
      [["LEFT", "KIND", "TYPE", "NODE", "REASON"]]
        + left.map { [$0.path, $0.kind, $0.type, $0.node, $0.reason] })
    return text
  }

  private func columns(_ rows: [[String]]) -> String {
    let count = rows.first?.count ?? 0
    let widths = (0..<count).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let padding = column == count - 1 ? 0 : widths[column] - cell.count
        return cell + String(repeating: " ", count: padding)
      }.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// `fp8c opt`: named passes over a model; prints the text of the result.
  package func opt(passes: String) throws(Diagnostic) -> ExitStatus {
    let (configuration, _) = try options.configuration(environment: environment)
    let pipeline = try Pipeline(parsing: passes)
    let settings = try settings(configuration)
    var (model, _) = try load(options.model)
    var context = PassContext(settings, read: model)
    if options.model.hasSuffix(".ir") {
      do throws(Diagnostic) {
        try Verifier(status: .malformedInput).verify(model)
      } catch {
        throw error.inFile(options.model)
      }
    }
    try run(pipeline, on: &model, in: &context)
    report(context)
    explain(model, context)
    if let output = options.output {
      try write(model.text, to: output)
    } else {
      try console.result(model.text)
    }
    return .done
  }

  /// `fp8c print`: the text form of a model, with digests of its weights instead of their places.
  package func printModel() throws(Diagnostic) -> ExitStatus {
    let (model, store) = try load(options.model)
    let digests = try digests(of: model, store)
    try console.result(Printer(elide: true, digests: digests).text(of: model))
    return .done
  }

  /// `fp8c targets`: the names of the embedded descriptions, or one of them as it is.
  package func targets(_ name: String?) throws(Diagnostic) -> ExitStatus {
    guard let name else {
      try console.result(Target.names.map { "\($0)\n" }.joined())
      return .done
    }
    try console.result(try Target.text(name))
    return .done
  }

  /// `fp8c schema`: the names of the JSON Schemas of the files that people write, or one of them.
  package func schema(_ name: String?) throws(Diagnostic) -> ExitStatus {
    guard let name else {
      try console.result(EmbeddedFile.schemaNames.map { "\($0)\n" }.joined())
      return .done
    }
    try console.result(try EmbeddedFile.schema(name))
    return .done
  }

  /// `fp8c explain`: the identifiers of all messages, or what one means and what to do about it.
  package func explain(_ id: String?) throws(Diagnostic) -> ExitStatus {
    let catalogue = try DiagnosticCatalogue.embedded()
    guard let id else {
      try console.result(catalogue.entries.map { "\($0.id)\n" }.joined())
      return .done
    }
    let entry = try catalogue.require(id)
    try console.result("\(entry.id)\n\n\(entry.meaning)\n\n\(entry.remedy)\n")
    return .done
  }
}

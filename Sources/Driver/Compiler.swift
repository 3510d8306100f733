internal import Backend
internal import FP8
internal import Frontend
internal import Glibc
internal import IR
internal import Passes
internal import Support
internal import Targets
internal import Weights

/// Options in, files out: opens what a command needs, runs the passes, writes the results.
package struct Compiler {
  package static let version = "0.1.0"

  let options: Options
  let console: Console
  /// The value of an environment variable.
  let environment: @Sendable (String) -> String?

  package init(
    options: Options, console: Console,
    environment: @escaping @Sendable (String) -> String? = { processEnvironment($0) },
    handlesSignals: Bool = true
  ) {
    self.options = options
    self.console = console
    self.environment = environment
    if handlesSignals { Interrupts.install() }
  }

  /// The path of this executable.
  var executablePath: String {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      return unsafe readlink("/proc/self/exe", base, bytes.count)
    }
    guard count > 0 else { return processArguments().first ?? "" }
    return String(decoding: buffer.prefix(count), as: UTF8.self)
  }

  /// The configuration with the tables that it names.
  func settings(_ configuration: Configuration) throws(Diagnostic) -> PassSettings {
    var settings = try PassSettings()
    settings.target = try at("device_for_scales", in: configuration) { () throws(Diagnostic) in
      try Target.load(configuration.target)
    }
    settings.limits = try settings.target.limits(of: configuration.format)
    settings.hp = configuration.hp
    settings.arithmetic =
      options.arithmetic ?? ScaleArithmetic.standard(for: configuration.hp)
    let methods = try MethodTable.embedded()
    settings.plan = try at("scale_method", in: configuration) { () throws(Diagnostic) in
      var plan = MethodPlan(try methods.method(configuration.scaleMethod))
      if let object = configuration.methodPlan { plan = object }
      try plan.check(isDynamic: configuration.isDynamic, methods)
      return plan
    }
    settings.isDynamic = configuration.isDynamic
    if configuration.isDynamic {
      if configuration.usesQDQ { throw .dynamicQDQ("use_qdq") }
      if configuration.isFake { throw .dynamicQDQ("fake_quant") }
      settings.selection.dynamicTypes = settings.modules.types.filter(\.isDynamic).map(\.name)
    }
    settings.form = configuration.usesQDQ || configuration.isFake ? .qdq : .target
    settings.weightsVia = options.weightsViaHP ? configuration.hp : nil
    settings.ignoresUnmeasured = configuration.ignoresUnmeasured
    settings.measuresOutputs = configuration.measuresOutputs
    settings.observer = configuration.observer
    settings.allowsNonFinite = options.allowsNonFinite
    settings.hasFP8Cache = options.hasFP8Cache
    var selection = settings.selection
    let modules = settings.modules
    try at("allowlist", in: configuration) { () throws(Diagnostic) in
      selection.allowedNames = try patterns(configuration.allowedNames)
      selection.allowedTypes = try types(
        configuration.allowedTypes.filter { $0 != Selection.defaults }, modules)
      selection.allowsDefaults = configuration.allowedTypes.contains(Selection.defaults)
    }
    try at("blocklist", in: configuration) { () throws(Diagnostic) in
      selection.blockedNames = try patterns(configuration.blockedNames)
      selection.blockedTypes = try types(configuration.blockedTypes, modules)
    }
    settings.selection = selection
    return settings
  }

  /// What a value of the configuration stands for; an error names the file that has it.
  private func at<Meaning>(
    _ key: String, in configuration: Configuration, _ read: () throws(Diagnostic) -> Meaning
  ) throws(Diagnostic) -> Meaning {
    do throws(Diagnostic) {
      return try read()
    } catch {
      guard case .file(let path) = configuration.origin(of: key) else { throw error }
      throw error.inFile(path)
    }
  }

  /// With `--print-config`, prints the configuration that a command would use, which is a configuration
  /// file again, and beside it, to standard error, where each value is from.
  func printed(_ configuration: Configuration) throws(Diagnostic) -> Bool {
    guard options.printsConfiguration else { return false }
    try console.result(configuration.json.text(indent: 2) + "\n")
    for (key, origin) in configuration.provenance { console.answer("\(key): \(origin)") }
    return true
  }

  private func patterns(_ sources: [String]) throws(Diagnostic) -> [PathPattern] {
    try sources.map { (source) throws(Diagnostic) in try PathPattern(source) }
  }

  private func types(_ names: [String], _ table: ModuleTable) throws(Diagnostic) -> [String] {
    try names.map { (name) throws(Diagnostic) in try table.requireType(name).name }
  }

  /// Reads a model, binary or textual; textual IR has no weights to read.
  func load(_ path: String) throws(Diagnostic) -> (model: Model, store: WeightStore?) {
    guard path.hasSuffix(".ir") else {
      let (model, store) = try Importer.load(path) { (structure) throws(Diagnostic) in
        _ = try MemoryPlan(structure: structure).jobs(upTo: 1, within: options.memoryLimit)
      }
      do throws(Diagnostic) {
        try OperatorCheck(try OperatorTable.embedded()).check(model)
      } catch {
        throw error.inFile(path)
      }
      return (model, store)
    }
    let bytes = try InputFile.contents(of: path, limit: Compiler.textLimit)
    do throws(Diagnostic) {
      return (try Model.parse(bytes), nil)
    } catch {
      throw error.inFile(path)
    }
  }

  /// The most bytes of textual IR that are read.
  static let textLimit: Int64 = 1 << 28

  /// Runs a pipeline, printing graphs where asked; a broken invariant leaves a reproducer.
  func run(
    _ pipeline: Pipeline, on model: inout Model, in context: inout PassContext
  ) throws(Diagnostic) {
    let clock = ContinuousClock()
    var start = clock.now
    var end: ContinuousClock.Instant?
    var verifying = Duration.zero
    try console.checkCancelled()
    do throws(Diagnostic) {
      try pipeline.run(
        on: &model, in: &context,
        before: { step, model in
          if let end { verifying += clock.now - end }
          show(model, step.name, options.printBefore, "before")
          start = clock.now
        },
        after: { step, model in
          if options.showsTiming { console.answer("\(step.name): \(clock.now - start)") }
          show(model, step.name, options.printAfter, "after")
          end = clock.now
        })
      if let end { verifying += clock.now - end }
      if options.showsTiming { console.answer("verifier: \(verifying)") }
    } catch {
      let located = error.inFile(options.model)
      guard error.status == .internalError, let reproducer = context.reproducer else {
        throw located
      }
      throw try withReproducer(located, reproducer)
    }
  }

  private func show(_ model: Model, _ pass: String, _ wanted: [String], _ word: String) {
    guard wanted.contains(pass) || wanted.contains("all") else { return }
    console.answer("// \(word) \(pass)")
    for line in model.text.split(separator: "\n", omittingEmptySubsequences: false) {
      console.answer(String(line))
    }
  }

  /// Writes the model before the pass that broke beside the output, without weights.
  private func withReproducer(
    _ error: Diagnostic, _ reproducer: Reproducer
  ) throws(Diagnostic) -> Diagnostic {
    var error = error
    let path = "\(options.output ?? "fp8c").reproducer.ir"
    do throws(Diagnostic) {
      var file = try OutputFile(path: path)
      try file.write(reproducer.text)
      try file.commit(sync: false)
      error.notes.append("this is a bug of fp8c; '\(path)' reproduces it and holds no weights")
    } catch let failure {
      error.notes.append("this is a bug of fp8c; no reproducer: \(failure.message)")
    }
    return error
  }

  /// Prints what the passes warned of and, where asked, counted.
  func report(_ context: PassContext, except said: [Diagnostic] = []) {
    let saysRemarks = options.explain != nil || options.isVerbose
    for diagnostic in context.diagnostics
    where (saysRemarks || diagnostic.severity != .remark) && !said.contains(diagnostic) {
      console.report(diagnostic.inFile(options.model))
    }
    guard options.showsStatistics else { return }
    for item in context.statistics { console.answer("\(item.pass): \(item.count) \(item.name)") }
  }

  /// True for the name of a kind of module or of a class.
  package static func isKindOrType(_ name: String) -> Bool {
    guard let table = try? ModuleTable.embedded() else { return false }
    return table.kind(named: name) != nil || table.type(name) != nil
  }

  /// With `--explain`, one line for every node that was looked at and that the option names.
  func explain(_ model: Model, _ context: PassContext) {
    guard let subject = options.explain else { return }
    var lines: [(names: [String], text: String)] = []
    for placed in model.placedModules {
      let module = placed.module
      let nodes = module.nodes.map { placed.graph.label(of: $0) }
      lines.append(
        (
          names: [module.kind, module.type, module.path] + nodes,
          text: "\(module.path): taken as \(module.kind) (\(module.type)): "
            + "\(context.reasons[module.path] ?? "annotated already"); "
            + "path by \(module.evidence.rawValue); \(nodes.joined(separator: ", "))"
        ))
    }
    for node in context.left {
      lines.append(
        (
          names: [node.kind, node.type, node.path, node.node],
          text: "\(node.path): left, a \(node.kind) (\(node.type)): \(node.reason); \(node.node)"
        ))
    }
    let chosen = subject == "all" ? lines : lines.filter { $0.names.contains(subject) }
    for line in chosen { console.answer(line.text) }
    if chosen.isEmpty, subject != "all" {
      console.report(
        .nothingToExplain(subject, near: nearest(to: subject, among: lines.flatMap(\.names))))
    }
  }

  /// Writes a whole file at once.
  func write(_ text: String, to path: String) throws(Diagnostic) {
    try write(to: path) { (file) throws(Diagnostic) in try file.write(text) }
  }

  /// Writes a file piece by piece.
  func write(
    to path: String, _ body: (inout OutputFile) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    var file = try OutputFile(path: path, createFolders: true)
    try body(&file)
    try file.commit(sync: options.syncs, keepIfEqual: options.depfile != nil)
  }

  /// SHA-256 of a file, read in pieces.
  func digest(ofFile path: String) throws(Diagnostic) -> String {
    let file = try InputFile(path: path)
    var digest = try SHA256()
    var offset: Int64 = 0
    while offset < file.size {
      let count = Int(min(file.size - offset, 1 << 20))
      let bytes = try file.bytes(at: offset, count: count)
      try digest.update(bytes.span)
      offset += Int64(count)
    }
    return try digest.finish()
  }
}

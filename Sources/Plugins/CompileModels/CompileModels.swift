import Foundation
import PackagePlugin

/// Compiles the `.onnx` files of a target into FP8 and makes them its resources.
///
/// `NAME.onnx` becomes `NAME.fp8.onnx` and `NAME.fp8.scales.json`. Beside it may stand `NAME.config.json`, the
/// configuration, and `NAME_hooks_maxabs.json`, the measurement; without one the configuration has to ask
/// for a scale method that needs none. A model is compiled again where one of the target's files has
/// changed, sources and what belongs to other models aside: data files of weights have any name.
@main
struct CompileModels: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    guard let module = target.sourceModule else { return [] }
    let tool = try context.tool(named: "fp8c").url
    let files = module.sourceFiles.map(\.url).filter { $0.pathExtension != "swift" }
    let models = files.filter { $0.pathExtension == "onnx" }
    let present = Set(files.map(\.path))
    return models.flatMap { model in
      let name = model.deletingPathExtension().lastPathComponent
      let folder = model.deletingLastPathComponent()
      let work = context.pluginWorkDirectoryURL
      let output = work.appending(path: "\(name).fp8.onnx")
      let table = work.appending(path: "\(name).fp8.scales.json")
      let others = models.map { $0.deletingPathExtension().lastPathComponent }
        .filter { $0 != name && !name.hasPrefix($0) }
      var inputs = files.filter { file in
        !others.contains { file.lastPathComponent.hasPrefix($0) }
      }
      var commands: [Command] = []
      var arguments = ["compile", model.path, "-o", output.path, "-q"]
      let configuration = folder.appending(path: "\(name).config.json").path
      if present.contains(configuration) { arguments += ["--config", configuration] }
      let measurement = folder.appending(path: "\(name)_hooks_maxabs.json")
      if present.contains(measurement.path) {
        // Scale files are written beside a measurement, and nothing is written into a package's sources.
        let copy = work.appending(path: measurement.lastPathComponent)
        commands.append(
          .buildCommand(
            displayName: "Copying \(measurement.lastPathComponent)",
            executable: URL(filePath: "/bin/cp"), arguments: [measurement.path, copy.path],
            inputFiles: [measurement], outputFiles: [copy]))
        arguments += ["--dump-stats-path", work.appending(path: name).path]
        inputs = inputs.filter { $0 != measurement } + [copy]
      }
      commands.append(
        .buildCommand(
          displayName: "Compiling \(model.lastPathComponent) into FP8", executable: tool,
          arguments: arguments, inputFiles: inputs, outputFiles: [output, table]))
      return commands
    }
  }
}

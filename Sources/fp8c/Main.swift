import Backend
import Frontend
import IR
import Support

@main
struct Main {
  static func main() {
    let arguments = CommandLine.arguments
    do throws(Diagnostic) {
      let (model, store) = try Importer.load(arguments[1])
      var output = try OutputFile(path: arguments[2])
      var exporter = Exporter(model, store, placement: .inline)
      try exporter.write(to: &output)
      try output.commit()
    } catch {
      print(error.text, error.status.rawValue)
    }
  }
}

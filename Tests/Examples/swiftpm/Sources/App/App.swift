import Foundation

/// Prints where the compiled model is: a resource of this module.
@main
struct App {
  static func main() {
    print(Bundle.module.path(forResource: "model.fp8", ofType: "onnx") ?? "no model")
  }
}

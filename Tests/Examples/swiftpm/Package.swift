// swift-tools-version: 6.3
import PackageDescription

let package = Package(
  name: "example",
  dependencies: [.package(path: "../fp8c")],
  targets: [
    .executableTarget(
      name: "App",
      plugins: [.plugin(name: "CompileModels", package: "fp8c")])
  ])

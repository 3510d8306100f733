// swift-tools-version: 6.3
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> [Target] {
  let tests = "\(name)Tests"
  return [
    .target(name: name, dependencies: dependencies, swiftSettings: strict),
    .testTarget(
      name: tests, dependencies: [.byName(name: name), "TestSupport"] + dependencies,
      swiftSettings: strict),
  ]
}

let systemLibraries: [Target] = [
  .systemLibrary(
    name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
  .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
]

let cTargets: [Target] = [
  // An assertion of the generated code would put the path of the sources into the binary.
  .target(
    name: "CONNX", dependencies: ["CProtobufC"],
    cSettings: [.define("NDEBUG", .when(configuration: .release))]),
  .target(name: "CSchemas"),
  .target(name: "CKernels"),
  .target(name: "CSystem"),
  .target(name: "COnnxRuntime"),
  .target(name: "CFP8Compiler"),
]

let rooms: [[Target]] = [
  room("Support", ["CCrypto", "CSystem"]),
  room("FP8", ["CKernels", "IR", "Support"]),
  room("ONNX", ["CONNX", "CProtobufC", "Support"]),
  room("IR", ["Support"]),
  room("Weights", ["FP8", "IR", "ONNX", "Support"]),
  room("Targets", ["CSchemas", "FP8", "IR", "Support"]),
  room("Passes", ["FP8", "IR", "Support", "Targets"]),
  room("Frontend", ["IR", "ONNX", "Support", "Weights"]),
  room("NPZ", ["CZlib", "Support"]),
  room("Measurements", ["FP8", "IR", "NPZ", "Support", "Targets"]),
  room("Calibration", ["COnnxRuntime", "FP8", "IR", "NPZ", "Support"]),
  room("Backend", ["FP8", "IR", "ONNX", "Support", "Targets", "Weights"]),
  room("Verification", ["IR", "Support", "Targets"]),
  room("Reports", ["Backend", "FP8", "IR", "Support"]),
  room(
    "Driver",
    [
      "Backend", "CSystem", "Calibration", "FP8", "Frontend", "IR", "Measurements", "NPZ", "ONNX",
      "Passes", "Reports", "Support", "Targets", "Verification", "Weights",
    ]),
  room("FP8Compiler", ["CFP8Compiler", "Driver", "Support"]),
]

/// What a fuzzer runs, and the tests of its corpora; the entry of libFuzzer is built by `make fuzz` alone.
let fuzzing: [Target] =
  [
    .target(
      name: "FuzzHarness",
      dependencies: [
        "Driver", "FP8", "IR", "Measurements", "NPZ", "Passes", "Support", "Targets", "TestSupport",
      ], path: "Tests/Fuzz/Harness", swiftSettings: strict),
    .testTarget(
      name: "FuzzTests", dependencies: ["FuzzHarness", "Support", "TestSupport"],
      swiftSettings: strict),
  ]
  + (Context.environment["FP8C_FUZZ"] == nil
    ? []
    : [
      .executableTarget(
        name: "fp8c-fuzz", dependencies: ["FuzzHarness", "TestSupport"], path: "Tests/Fuzz/Entry",
        swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
    ])

let package = Package(
  name: "fp8c",
  products: [
    .executable(name: "fp8c", targets: ["fp8c"]),
    .library(name: "FP8Compiler", targets: ["FP8Compiler"]),
    // For programs in C: libfp8compiler.so, and fp8c.h in Sources/CFP8Compiler/include.
    .library(name: "fp8compiler", type: .dynamic, targets: ["FP8Compiler"]),
    .plugin(name: "CompileModels", targets: ["CompileModels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: systemLibraries + cTargets + rooms.flatMap { $0 } + fuzzing + [
    .target(
      name: "TestSupport", dependencies: ["Support"], path: "Tests/TestSupport",
      swiftSettings: strict),
    .executableTarget(
      name: "fp8c",
      dependencies: [
        "Driver", "FP8", "Passes", "Support",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "fp8c-sample", dependencies: ["FP8Compiler"], path: "Tests/Examples/library",
      exclude: ["main.c"], swiftSettings: strict),
    .plugin(
      name: "CompileModels", capability: .buildTool(), dependencies: ["fp8c"],
      path: "Sources/Plugins/CompileModels"),
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

func module(_ name: String, path: String? = nil, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

func tests(_ name: String, exclude: [String] = [], _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

// The layers, each naming every module of ours that it may import. A test holds the list to the arrows of
// Docs/architecture.md.
let tensors: [Target.Dependency] = ["Support", "Tensors"]
let graph: [Target.Dependency] = tensors + ["GraphIR"]
let kernels: [Target.Dependency] = tensors + ["KernelIR"]
let operators: [Target.Dependency] = tensors + ["GraphIR", "KernelIR", "Operators"]
let machine: [Target.Dependency] = kernels + ["Machine"]
let npuISA: [Target.Dependency] = machine + ["NPUISA"]
let everything: [Target.Dependency] =
  operators + [
    "ONNX", "Passes", "Executor", "Quantization", "Machine", "NPUISA", "NPUInterpreter", "NPUChecker",
    "NPUCompiler", "TargetFiles",
  ]

let package = Package(
  name: "furc",
  products: [
    .executable(name: "furc", targets: ["furc"]),
    .library(name: "Furc", targets: ["Furc"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CONNX", linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(name: "CKernels", linkerSettings: [.linkedLibrary("m")]),
    module("Support", ["CNettle", "CZlib"]),
    module("Tensors", ["Support", "CZlib"]),
    module("GraphIR", tensors),
    module("KernelIR", tensors),
    module("Operators", tensors + ["GraphIR", "KernelIR"]),
    module("ONNX", operators + ["CONNX"]),
    module("Passes", operators),
    module("Executor", operators + ["CKernels"]),
    module("Quantization", operators + ["Passes", "Executor", "CKernels"]),
    module("Machine", kernels),
    module("NPUISA", machine),
    module("NPUInterpreter", npuISA + ["CKernels"]),
    module("NPUChecker", npuISA),
    module("NPUCompiler", npuISA),
    module("TargetFiles", machine + [.product(name: "Yams", package: "Yams")]),
    module("Furc", everything),
    module(
      "FurcCommands",
      everything + ["Furc", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    .executableTarget(name: "furc", dependencies: ["FurcCommands"], swiftSettings: settings),
    module("TestSupport", path: "Tests/TestSupport", operators + ["Furc"]),
    tests("SupportTests", ["Support", "TestSupport"]),
    tests("TensorsTests", tensors + ["TestSupport", "CKernels"]),
    tests("GraphIRTests", operators + ["Passes", "TestSupport"]),
    tests("KernelIRTests", kernels + ["TestSupport", "CKernels"]),
    tests("OperatorsTests", operators + ["TestSupport"]),
    tests("ONNXTests", operators + ["ONNX", "CONNX", "Passes", "Executor", "TestSupport"]),
    tests("PassesTests", exclude: ["Cases"], operators + ["Passes", "ONNX", "TestSupport"]),
    tests("ExecutorTests", operators + ["Executor", "CKernels", "Passes", "ONNX", "TestSupport"]),
    tests(
      "QuantizationTests",
      operators + ["Quantization", "Passes", "Executor", "ONNX", "TestSupport", "CKernels"]),
    tests(
      "NPUTests", exclude: ["Fidelity"],
      npuISA + ["NPUInterpreter", "NPUChecker", "TargetFiles", "TestSupport"]),
    tests(
      "NPUCompilerTests",
      npuISA + ["NPUCompiler", "NPUInterpreter", "NPUChecker", "TargetFiles", "TestSupport", "Executor"]),
    tests("FurcTests", everything + ["Furc", "FurcCommands", "TestSupport"]),
    tests("Conformance", everything + ["Furc", "TestSupport"]),
    tests("ArchitectureTests", ["TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)

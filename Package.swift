// swift-tools-version: 6.2
import PackageDescription

// The floors of the house, bottom to top; each target depends on floors beneath it only (ARCHITECTURE.md).
let package = Package(
  name: "ConvNet",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "ConvNet", targets: ["ConvNet"]),
    .executable(name: "convnet", targets: ["ConvNetCommand"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    // System libraries, for decoding only.
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CSpng", pkgConfig: "spng", providers: [.apt(["libspng-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // Ground floor: arithmetic.
    .target(name: "CKernels"),
    .target(name: "Kernels", dependencies: ["CKernels"]),
    // The graph, and what executes it.
    .target(name: "Graph"),
    .target(name: "Runtime", dependencies: ["Graph", "Kernels"]),
    // What people build with.
    .target(name: "Layers", dependencies: ["Runtime"]),
    .target(name: "CEmbedded", exclude: ["data"]),
    .target(name: "Data", dependencies: ["Graph", "Runtime", "CEmbedded", "CZlib"]),
    .target(
      name: "Formats",
      dependencies: ["Graph", "Runtime", "CZlib", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["Protobuf/onnx.proto", "Protobuf/tensorboard.proto"]),
    .target(name: "Training", dependencies: ["Layers", "Data", "Formats"]),
    .target(name: "Vision", dependencies: ["Kernels", "Data", "CTurboJPEG", "CSpng", "CWebP"]),
    .target(name: "Models", dependencies: ["Layers", "Formats", "CEmbedded"]),
    .target(name: "Inspect", dependencies: ["Training", "Vision", "Models"]),
    // What a run becomes for people to read: one page, from values alone.
    .target(name: "Report", dependencies: ["Inspect"]),
    // The jobs people come for: train a classifier, evaluate it, use it.
    .target(name: "Tasks", dependencies: ["Training", "Vision", "Models", "Inspect", "Report"]),
    // Experiments on convolution itself, for people who learn or teach it.
    .target(name: "Lab", dependencies: ["Layers", "Formats", "Vision", "Inspect"]),
    .target(
      name: "ConvNet",
      dependencies: ["Layers", "Data", "Formats", "Training", "Vision", "Models", "Inspect", "Report", "Tasks", "Lab"]),
    .executableTarget(
      name: "ConvNetCommand",
      dependencies: ["ConvNet", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Sources/Command"),

    .testTarget(name: "KernelsTests", dependencies: ["Kernels"], exclude: ["Fixtures"]),
    .testTarget(name: "GraphTests", dependencies: ["Graph"]),
    .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "Formats"], exclude: ["Fixtures"]),
    .testTarget(name: "LayersTests", dependencies: ["Layers", "Formats"], exclude: ["Fixtures"]),
    .testTarget(name: "DataTests", dependencies: ["Data", "CZlib"]),
    .testTarget(name: "FormatsTests", dependencies: ["Formats"], exclude: ["Fixtures"]),
    .testTarget(name: "VisionTests", dependencies: ["Vision"], exclude: ["Fixtures"]),
    .testTarget(
      name: "TrainingTests", dependencies: ["Kernels", "Training", "Models", "Vision"],
      exclude: ["Fixtures", "kill_and_resume.sh"]),
    .testTarget(
      name: "ModelsTests",
      dependencies: [
        "Models", "Inspect", "Training", "Formats", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ],
      exclude: ["Fixtures"]),
    .testTarget(name: "InspectTests", dependencies: ["Inspect"], exclude: ["Fixtures"]),
    .testTarget(name: "ReportTests", dependencies: ["Report", "Tasks"]),
    .testTarget(name: "TasksTests", dependencies: ["Tasks"], exclude: ["Fixtures"]),
    .testTarget(name: "CourseTests", dependencies: ["ConvNet"]),
    .testTarget(name: "CommandTests", dependencies: ["ConvNet", "ConvNetCommand"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)

import Foundation
import Models
import Testing

/// The ONNX project's own tests, from the Debian package `libonnx-testdata`.
@Suite struct ONNXNodeTests {
  static let folder = "/usr/share/libonnx-testdata/data"

  static var isInstalled: Bool {
    if FileManager.default.fileExists(atPath: folder) { return true }
    print("ONNXNodeTests: skipped, because the package libonnx-testdata is not installed")
    return false
  }

  @Test(.enabled(if: isInstalled, "the package libonnx-testdata is not installed"))
  func casesOfNetworksPass() {
    let kinds = ["node", "pytorch-converted", "pytorch-operator", "simple"]
    let results = kinds.flatMap { ONNXTestCase.find(in: "\(Self.folder)/\($0)") }.map { $0.verify() }
    for result in results where result.status == .failed { Issue.record("\(result.name): \(result.reason)") }
    #expect(results.count > 1000)
    #expect(results.count { $0.status == .passed } >= 928)

    // What convolutional networks are made of.
    let network = results.filter { !$0.operators.isEmpty && $0.operators.isSubset(of: Self.networkOperators) }
    let passed = network.count { $0.status == .passed }
    for result in network where result.status != .passed {
      print("ONNXNodeTests: \(result.status): \(result.name): \(result.reason)")
    }
    #expect(network.count > 700)
    #expect(passed * 100 >= network.count * 95, "\(passed) of \(network.count)")
    // Most of them as plans too: the others need numbers that are inputs of the case and constants of a network.
    #expect(network.count { $0.isCompiled } * 100 >= network.count * 80)
    for family in Self.operators {
      let cases = network.filter { !$0.operators.isDisjoint(with: family.value) }
      #expect(cases.contains { $0.status == .passed && $0.isCompiled }, "no case of \(family.key) passed as a plan")
    }
  }

  /// The project's light networks, which its Python package holds (`onnx/backend/test/data/light`), if the variable names
  /// their folder.
  static let lightNetworks =
    ProcessInfo.processInfo.environment["CONVNET_ONNX_LIGHT"].map(ONNXTestCase.find(in:)) ?? []

  @Test(.enabled(if: !lightNetworks.isEmpty, "CONVNET_ONNX_LIGHT names no folder of light networks"))
  func lightNetworksPass() {
    for result in Self.lightNetworks.map({ $0.verify() }) {
      #expect(result.status == .passed && result.isCompiled, "\(result.name): \(result.reason)")
    }
  }

  /// The operators of issue and course, by family.
  static let operators: [String: Set<String>] = [
    "convolution": ["Conv", "ConvTranspose"],
    "pooling": [
      "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "MaxUnpool",
    ],
    "normalisation": [
      "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN",
      "LpNormalization", "MeanVarianceNormalization", "Dropout",
    ],
    "activation": [
      "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus",
      "Softsign", "Softmax", "LogSoftmax", "Hardmax", "Mish", "Gelu", "ThresholdedRelu", "Shrink", "Clip",
    ],
    "element-wise": [
      "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Sign", "Reciprocal", "Floor", "Ceil",
      "Round", "Erf", "Mod", "Max", "Min", "Sum", "Mean", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual",
      "And", "Or", "Xor", "Not", "Where", "Sin", "Cos", "Tan", "Cast", "CastLike",
    ],
    "reduction": [
      "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
      "ReduceLogSum", "ReduceLogSumExp", "ArgMax", "ArgMin", "TopK", "CumSum",
    ],
    "shape": [
      "Reshape", "Flatten", "Transpose", "Concat", "Split", "Slice", "Squeeze", "Unsqueeze", "Expand", "Tile", "Pad",
      "Shape", "Size", "Constant", "ConstantOfShape", "Range", "Identity", "DepthToSpace", "SpaceToDepth", "Gather",
      "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Scatter", "OneHot", "Trilu", "EyeLike",
    ],
    "resize": ["Resize", "Upsample"],
    "product": ["MatMul", "Gemm"],
    "loss": ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"],
  ]

  static let networkOperators = operators.values.reduce(into: Set()) { $0.formUnion($1) }
}

import Formats
import Foundation
import Layers
import Testing

/// Layers and functions that are made of several operations: whole outputs and all gradients against PyTorch's, eagerly
/// and as a compiled plan.
@Suite struct FunctionTests {
  private static let fixtures = Result {
    try Safetensors.read(
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Fixtures/functions.safetensors"
      )
      .path
    ).tensors
  }

  /// A loss may be differentiated by any of its inputs.
  private struct Inputs: Layer {
    var all: [Entry]
    static var fields: [Field<Self>] { [.init("x", \.all)] }
    func callAsFunction(_ x: Tensor) -> Tensor { x }
  }

  private struct Entry: Layer {
    var tensor: Tensor
    static var fields: [Field<Self>] { [.init("value", \.tensor)] }
    func callAsFunction(_ x: Tensor) -> Tensor { x }
  }

  @Test(arguments: cases.keys.sorted()) func agreesWithPyTorch(name: String) throws {
    let tensors = try Self.fixtures.get()
    let function = try #require(Self.cases[name])
    let inputs = (0..<3).compactMap { tensors["\(name).x\($0)"] }
    let expected = try #require(tensors["\(name).y"])
    let upstream = try #require(tensors["\(name).dy"])

    expectClose(function(inputs), expected, "\(name): output")
    let wanted = inputs.indices.filter { tensors["\(name).dx\($0)"] != nil }
    #expect(!wanted.isEmpty)
    let model = Inputs(all: wanted.map { Entry(tensor: inputs[$0]) })
    let step = try gradient(at: model) { model in
      var arguments = inputs
      for (position, index) in wanted.enumerated() { arguments[index] = model.all[position].tensor }
      return (function(arguments) * upstream).sum()
    }
    for (position, index) in wanted.enumerated() {
      let found = try #require(step.gradients["x.\(position).value"], "\(name): gradient \(index)")
      expectClose(found, tensors["\(name).dx\(index)"]!, "\(name): gradient \(index)")
    }
  }

  /// A function of its first input; what else it needs is captured.
  private struct Captured: Layer {
    let body: @Sendable (Tensor) -> Tensor
    func callAsFunction(_ x: Tensor) -> Tensor { body(x) }
  }

  @Test(arguments: cases.keys.sorted()) func agreesWithPyTorchAsPlan(name: String) throws {
    let tensors = try Self.fixtures.get()
    let function = try #require(Self.cases[name])
    let inputs = (0..<3).compactMap { tensors["\(name).x\($0)"] }
    let plan = try compile(Captured { function([$0] + inputs.dropFirst()) }, input: inputs[0].shape)
    expectClose(try plan.run([inputs[0]])[0], try #require(tensors["\(name).y"]), name)
  }

  @Test func everyFixtureIsUsed() throws {
    let names = Set(try Self.fixtures.get().keys.map { String($0[..<$0.lastIndex(of: ".")!]) })
    #expect(names == Set(Self.cases.keys))
  }

  private func expectClose(_ found: Tensor, _ expected: Tensor, _ what: String) {
    #expect(found.shape == expected.shape, "\(what)")
    let (a, b) = (found.scalars(as: Float.self), expected.scalars(as: Float.self))
    let scale = b.reduce(Float(1e-30)) { max($0, abs($1)) }
    let worst = zip(a, b).reduce(Float(0)) { $1.0 == $1.1 ? $0 : max($0, abs($1.0 - $1.1) / scale) }
    #expect(worst <= 4e-6, "\(what): \(worst)")
  }

  // MARK: The cases

  private typealias Function = @Sendable ([Tensor]) -> Tensor

  private static let cases: [String: Function] = convolutions.merging(pools) { $1 }.merging(norms) { $1 }
    .merging(functions) { $1 }.merging(losses) { $1 }

  private static func conv<let rank: Int>(_ layer: Conv<rank>) -> Function {
    { inputs in
      var layer = layer
      (layer.weight, layer.bias) = (inputs[1], inputs[2])
      return layer(inputs[0])
    }
  }

  private static func transposed<let rank: Int>(_ layer: ConvTransposed<rank>) -> Function {
    { inputs in
      var layer = layer
      (layer.weight, layer.bias) = (inputs[1], inputs[2])
      return layer(inputs[0])
    }
  }

  private static func layer(_ layer: some Layer) -> Function { { layer($0[0]) } }

  private static let convolutions: [String: Function] = [
    "conv same k3 d1": conv(Conv2D(in: 3, out: 4, kernel: 3, padding: .same)),
    "conv same k3 d2": conv(Conv2D(in: 3, out: 4, kernel: 3, padding: .same, dilation: 2)),
    "conv same k4 d1": conv(Conv2D(in: 3, out: 4, kernel: 4, padding: .same)),
    "conv valid": conv(Conv2D(in: 2, out: 3, kernel: 3, stride: 2, padding: .valid)),
    "conv full": conv(Conv2D(in: 2, out: 3, kernel: [3, 2], padding: .full)),
    "conv upper": conv(Conv2D(in: 2, out: 3, kernel: 3, stride: 2, padding: .sameUpper)),
    "conv lower": conv(Conv2D(in: 2, out: 3, kernel: 3, stride: 2, padding: .sameLower)),
    "conv uneven": conv(Conv2D(in: 2, out: 3, kernel: 3, padding: .uneven(before: [0, 2], after: [3, 1]))),
    "conv reflect": conv(Conv2D(in: 4, out: 6, kernel: 3, stride: 2, padding: [2, 1], groups: 2, borders: .reflect)),
    "conv replicate": conv(
      Conv2D(in: 4, out: 6, kernel: 3, stride: 2, padding: [2, 1], groups: 2, borders: .replicate)),
    "conv circular": conv(Conv2D(in: 4, out: 6, kernel: 3, stride: 2, padding: [2, 1], groups: 2, borders: .circular)),
    "conv3d reflect": conv(Conv3D(in: 2, out: 2, kernel: 3, padding: .same, borders: .reflect)),
    "conv3d replicate": conv(Conv3D(in: 2, out: 2, kernel: 3, padding: 1, borders: .replicate)),
    "conv3d circular": conv(Conv3D(in: 2, out: 2, kernel: 3, padding: 1, borders: .circular)),
    "conv flipped": conv(Conv2D(in: 2, out: 3, kernel: 3, padding: 1, isFlipped: true)),
    "conv1d flipped": conv(Conv1D(in: 2, out: 3, kernel: 4, isFlipped: true)),
    "conv transposed 1d": transposed(
      ConvTransposed1D(in: 4, out: 3, kernel: 4, stride: 3, padding: 1, outputPadding: 2)),
    "conv transposed 2d": transposed(
      ConvTransposed2D(in: 4, out: 6, kernel: 3, stride: 2, padding: 1, outputPadding: 1, dilation: 2, groups: 2)),
    "conv transposed 3d": transposed(
      ConvTransposed3D(
        in: 2, out: 2, kernel: [2, 3, 3], stride: [2, 1, 2], padding: [0, 1, 1], outputPadding: [1, 0, 0])),
  ]

  private static let pools: [String: Function] = [
    "sum pool false": layer(SumPool<2>(kernel: 3, stride: 2, padding: 1)),
    "sum pool true": layer(SumPool<2>(kernel: 3, stride: 2, padding: 1, roundsUp: true)),
    "min pool false": layer(MinPool<2>(kernel: 3, stride: 2, padding: 1)),
    "min pool true": layer(MinPool<2>(kernel: 3, stride: 2, padding: 1, roundsUp: true)),
    "min pool dilated": layer(MinPool<2>(kernel: 3, stride: 1, padding: 1, dilation: 2)),
    "lp pool 1": layer(LpPool<2>(p: 1, kernel: 2)),
    "lp pool 2": layer(LpPool<2>(kernel: 3, stride: 2)),
    "lp pool 3": layer(LpPool<2>(p: 3, kernel: 2, stride: 1)),
    "lp pool 2 after relu": { LpPool<2>(kernel: 2)(relu($0[0])) },
    "lp pool 3 after relu": { LpPool<2>(p: 3, kernel: 2)(relu($0[0])) },
    "global lp 3": { GlobalPool(.lp(3))(relu($0[0])) },
    "adaptive lp 3": { AdaptivePool<2>(.lp(3), output: [3, 2])(relu($0[0])) },
    "lp pool 1d": layer(LpPool<1>(p: 2, kernel: 3, stride: 2)), "lp pool 3d": layer(LpPool<3>(p: 4, kernel: 2)),
    "lp pool dilated": layer(LpPool2D(p: 2, kernel: 2, stride: 1, dilation: 2)),
    "sum pool 1d": layer(SumPool<1>(kernel: 3, stride: 2)), "sum pool 3d": layer(SumPool<3>(kernel: 2, stride: 1)),
    "min pool 1d": layer(MinPool<1>(kernel: 3, stride: 2, padding: 1)),
    "min pool 3d": layer(MinPool<3>(kernel: 2, stride: 1)),
    "variance pool 1d": layer(VariancePool<1>(kernel: 3, stride: 2)),
    "variance pool 3d": layer(VariancePool<3>(kernel: 2)),
    "adaptive average 3d": layer(AdaptiveAveragePool<3>(output: [2, 1, 3])),
    "adaptive max 3d": layer(AdaptiveMaxPool<3>(output: [2, 1, 3])),
    "max unpool 1d": { inputs in
      let (y, places) = MaxPool<1>(kernel: 2).withIndices(inputs[0])
      return maxUnpool(y, places, to: [7])
    },
    "max unpool 3d": { inputs in
      let (y, places) = MaxPool<3>(kernel: 2).withIndices(inputs[0])
      return maxUnpool(y, places, to: [4, 2, 5])
    },
    "maxout 3d": { maxout($0[0], pieces: 2) },
    "instance norm 3d": layer(InstanceNorm(3)),
    "global l2 after relu": { GlobalPool(.l2)(relu($0[0])) },
    "variance pool": layer(VariancePool<2>(kernel: 3, stride: 2)),
    "global average": layer(GlobalPool(.average)), "global max": layer(GlobalPool(.max)),
    "global min": layer(GlobalPool(.min)), "global sum": layer(GlobalPool(.sum)),
    "global variance": layer(GlobalPool(.variance)), "global l2": layer(GlobalPool(.l2)),
    "adaptive average 1x1": layer(AdaptiveAveragePool<2>(output: 1)),
    "adaptive average 3x2": layer(AdaptiveAveragePool<2>(output: [3, 2])),
    "adaptive average 4x5": layer(AdaptiveAveragePool<2>(output: [4, 5])),
    "adaptive average 8x3": layer(AdaptiveAveragePool<2>(output: [8, 3])),
    "adaptive max 1x1": layer(AdaptiveMaxPool<2>(output: 1)),
    "adaptive max 3x2": layer(AdaptiveMaxPool<2>(output: [3, 2])),
    "adaptive max 4x5": layer(AdaptiveMaxPool<2>(output: [4, 5])),
    "adaptive max 8x3": layer(AdaptiveMaxPool<2>(output: [8, 3])),
    "adaptive min 3x2": layer(AdaptivePool<2>(.min, output: [3, 2])),
    "adaptive min 8x3": layer(AdaptivePool<2>(.min, output: [8, 3])),
    "adaptive sum 3x2": layer(AdaptivePool<2>(.sum, output: [3, 2])),
    "adaptive sum 8x3": layer(AdaptivePool<2>(.sum, output: [8, 3])),
    "adaptive l2 3x2": layer(AdaptivePool<2>(.l2, output: [3, 2])),
    "adaptive l2 8x3": layer(AdaptivePool<2>(.l2, output: [8, 3])),
    "adaptive variance 3x2": layer(AdaptivePool<2>(.variance, output: [3, 2])),
    "resize corners by 0.6": layer(Resize(by: 0.6, coordinates: .alignCorners)),
    "resize corners by 2.3": layer(Resize(by: 2.3, coordinates: .alignCorners)),
    "power at zero": { pow($0[0], $0[1]) },
    "elu": { elu($0[0], alpha: 0.7) },
    "selu": { selu($0[0]) },
    "mish": { mish($0[0]) },
    "hard sigmoid": { hardSigmoid($0[0]) },
    "matmul row": { matmul($0[0], $0[1]) },
    "matmul column": { matmul($0[0], $0[1]) },
    "matmul dot": { matmul($0[0], $0[1]) },
    "adaptive max 1d": layer(AdaptiveMaxPool<1>(output: 3)),
    "max unpool": { x in
      let (maxima, indices) = MaxPool2D(kernel: 2).withIndices(x[0])
      return maxUnpool(maxima, indices, to: [7, 6])
    },
    "maxout": { maxout($0[0], pieces: 3) },
  ]

  private static func norm(_ layer: LayerNorm) -> Function {
    { inputs in
      var layer = layer
      (layer.scale, layer.shift) = (inputs[1], inputs[2])
      return layer(inputs[0])
    }
  }

  private static func group(_ layer: GroupNorm) -> Function {
    { inputs in
      var layer = layer
      (layer.scale, layer.shift) = (inputs[1], inputs[2])
      return layer(inputs[0])
    }
  }

  private static let norms: [String: Function] = [
    "layer norm 1": norm(LayerNorm([7])), "layer norm 3": norm(LayerNorm([3, 4, 5], epsilon: 1e-3)),
    "layer norm channels": norm(LayerNorm(channels: 5)),
    "group norm 1": group(GroupNorm(groups: 1, channels: 6)), "group norm 2": group(GroupNorm(groups: 2, channels: 6)),
    "group norm 6": group(GroupNorm(groups: 6, channels: 6)),
    "instance norm": layer(InstanceNorm(3)),
    "instance norm affine": { inputs in
      var layer = InstanceNorm(3, isAffine: true)
      (layer.scale, layer.shift) = (inputs[1], inputs[2])
      return layer(inputs[0])
    },
    "local response norm 5": layer(LocalResponseNorm(size: 5, k: 2)),
    "local response norm 2": layer(LocalResponseNorm(size: 2, alpha: 0.5, beta: 0.6)),
    "local response norm 3": layer(LocalResponseNorm(size: 3, alpha: 1)),
    "local response norm 1d": layer(LocalResponseNorm(size: 3)),
  ]

  private static func prelu(_ inputs: [Tensor]) -> Tensor {
    var layer = PReLU()
    layer.slope = inputs[1]
    return layer(inputs[0])
  }

  private static let functions: [String: Function] = [
    "pixel shuffle": layer(PixelShuffle(3)), "pixel unshuffle": layer(PixelUnshuffle(2)),
    "resize by": layer(Resize(by: 2)), "prelu 1": prelu, "prelu 3": prelu,
    "where": { choose(where: $0[0], $0[1], $0[2]) }, "stack": { stack([$0[0], $0[1]], along: 1) },
    "split": { concatenate($0[0].split(into: [2, 1, 3]).reversed()) },
    "gather": { $0[0].gathered($0[1], along: 1) }, "take": { $0[0].taken($0[1], along: 1) },
    "product": { $0[0].product(along: [1]) },
    "variance": { $0[0].variance(along: [0, 2], keepingDimensions: true, unbiased: true) },
    "norm1": { $0[0].norm1(along: [1]) }, "norm2": { $0[0].norm2(along: [1, 2]) },
    "log sum exp": { $0[0].logSumExp(along: 1) }, "clip": { clip($0[0], -0.5...1) },
  ]

  private static let losses: [String: Function] = [
    "huber 1.0": { huberLoss($0[0], $0[1]) }, "huber 0.3": { huberLoss($0[0], $0[1], delta: 0.3) },
    "hinge": { hingeLoss($0[0], $0[1]) }, "kl": { klDivergence($0[0], $0[1]) }, "dice": { diceLoss($0[0], $0[1]) },
    "focal 2.0": { focalLoss($0[0], $0[1]) }, "focal 1.5": { focalLoss($0[0], $0[1], alpha: nil, gamma: 1.5) },
  ]
}

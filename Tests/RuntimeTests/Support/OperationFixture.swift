import Formats
import Graph
import Runtime

import struct Foundation.Data
import class Foundation.JSONDecoder
import struct Foundation.URL

/// One case of the manifests in `Fixtures`: an operation, inputs, and what PyTorch made of them.
struct OperationFixture {
  let name: String
  let kind: String
  let attributes: Attributes
  let inputs: [Tensor]
  let outputs: [Tensor]
  /// The gradient of output 0, and what it makes of each input; `nil` where there is none.
  let upstream: Tensor?
  let gradients: [Tensor?]

  /// All attributes that some operation has.
  struct Attributes: Decodable {
    var stride, dilation, paddingBefore, paddingAfter, kernel, input, shape, axes, permutation: [Int]?
    var before, after, starts, counts, steps, output, indices: [Int]?
    var scales: [Double]?
    var extent: Int?
    var antialiases: Bool?
    var coordinates: String?
    var groups, axis: Int?
    var hasBias, transposesA, transposesB, roundsUp, countsPadding, keepsDimensions, isWeighted: Bool?
    var isNesterov, isDecoupled: Bool?
    var kind, function: String?
    var epsilon, momentum, parameter, shift, labelSmoothing, value, weightDecay, beta1, beta2, maximumNorm: Double?
    var rates: [Double]?
  }

  /// The manifests: chosen cases, and grids over combinations of attributes.
  static let files = ["operations", "grid-convolution", "grid-windows", "grid-elements"]

  static func all(in file: String) throws -> [OperationFixture] {
    struct Record: Decodable {
      let name, operation: String
      let attributes: Attributes
      let inputs, outputs: [String]
      let upstream: String?
      let gradients: [String?]?
    }
    let tensors = try Safetensors.read(fixtures.appendingPathComponent("\(file).safetensors").path).tensors
    let manifest = try Data(contentsOf: fixtures.appendingPathComponent("\(file).json"))
    return try JSONDecoder().decode([Record].self, from: manifest).map { record in
      OperationFixture(
        name: record.name, kind: record.operation, attributes: record.attributes,
        inputs: record.inputs.map { tensors[$0]! }, outputs: record.outputs.map { tensors[$0]! },
        upstream: record.upstream.map { tensors[$0]! },
        gradients: record.gradients?.map { $0.map { tensors[$0]! } } ?? [])
    }
  }

  /// The operation, except for optimizers, which are several steps of one.
  var operation: Operation {
    let a = attributes
    switch kind {
    case "conv": return .conv(conv)
    case "convInputGradient": return .convTransposed(conv, output: Shape(a.input!))
    case "linear": return .linear(hasBias: a.hasBias!)
    case "matmul": return .matmul(transposesA: a.transposesA!, transposesB: a.transposesB!)
    case "pool":
      return .pool(
        PoolAttributes(
          kind: a.kind == "max" ? .max : .average(countsPadding: a.countsPadding!), kernel: a.kernel!,
          stride: a.stride!, dilation: a.dilation!, paddingBefore: a.paddingBefore!, paddingAfter: a.paddingAfter!,
          roundsUp: a.roundsUp!))
    case "batchNorm": return .batchNorm(epsilon: a.epsilon!)
    case "batchNormTraining": return .batchNormTraining(epsilon: a.epsilon!, momentum: a.momentum!)
    case "unary": return .unary(unaryFunction)
    case "binary": return .binary(BinaryFunction(rawValue: a.function!)!)
    case "reduce":
      return .reduce(Reduction(rawValue: a.function!)!, axes: a.axes!, keepsDimensions: a.keepsDimensions!)
    case "softmax": return .softmax(axis: a.axis!)
    case "logSoftmax": return .logSoftmax(axis: a.axis!)
    case "crossEntropy": return .crossEntropy(labelSmoothing: a.labelSmoothing!, isWeighted: a.isWeighted!)
    case "reshape": return .reshape(Shape(a.shape!))
    case "transpose": return .transpose(a.permutation!)
    case "broadcast": return .broadcast(Shape(a.shape!))
    case "concatenate": return .concatenate(axis: a.axis!)
    case "slice": return .slice(SliceAttributes(starts: a.starts!, counts: a.counts!, steps: a.steps!))
    case "maxPoolIndices":
      return .maxPoolIndices(
        PoolAttributes(
          kind: .max, kernel: a.kernel!, stride: a.stride!, dilation: a.dilation!, paddingBefore: a.paddingBefore!,
          paddingAfter: a.paddingAfter!, roundsUp: a.roundsUp!))
    case "standardize": return .standardize(axis: a.axis!, epsilon: a.epsilon!)
    case "choose": return .choose
    case "argmax": return .argmax(axis: a.axis!)
    case "extend": return .resample(.extend(before: a.before!, after: a.after!, mode: BorderMode(rawValue: a.kind!)!))
    case "resize": return .resample(.resize(resize))
    case "adaptiveAverage": return .resample(.adaptiveAverage(output: a.output!))
    case "select": return .resample(.select(axis: a.axis!, indices: a.indices!))
    case "gatherElements": return .gatherElements(axis: a.axis!)
    case "scatterElements": return .scatterElements(axis: a.axis!, extent: a.extent!)
    case "pad": return .pad(before: a.before!, after: a.after!, value: a.value!)
    case "sgd":
      return .sgd(
        SGDAttributes(
          momentum: a.momentum!, isNesterov: a.isNesterov!, weightDecay: a.weightDecay!, isDecoupled: a.isDecoupled!))
    case "adam":
      return .adam(
        AdamAttributes(
          beta1: a.beta1!, beta2: a.beta2!, epsilon: a.epsilon!, weightDecay: a.weightDecay!,
          isDecoupled: a.isDecoupled!))
    case "clipFactor": return .clipFactor(maximumNorm: a.maximumNorm!)
    default: fatalError("\(name): the manifest names an operation that the test does not know")
    }
  }

  private var conv: ConvAttributes {
    ConvAttributes(
      stride: attributes.stride!, dilation: attributes.dilation!, paddingBefore: attributes.paddingBefore!,
      paddingAfter: attributes.paddingAfter!, groups: attributes.groups!, hasBias: attributes.hasBias!)
  }

  private var resize: ResizeAttributes {
    let method: ResizeAttributes.Method =
      switch attributes.kind! {
      case "nearest": .nearest(.floor)
      case "nearestExact": .nearest(.halfUp)
      case "linear": .linear
      case "cubic": .cubic(a: attributes.antialiases! ? -0.5 : -0.75)
      default: fatalError("\(name): the manifest names a method that the test does not know")
      }
    let coordinates: ResizeAttributes.Coordinates =
      attributes.coordinates == "alignCorners"
      ? .alignCorners : attributes.coordinates == "asymmetric" ? .asymmetric : .halfPixel
    return ResizeAttributes(
      output: attributes.output!, scales: attributes.scales, method: method, coordinates: coordinates,
      antialiases: attributes.antialiases!)
  }

  private var unaryFunction: UnaryFunction {
    switch attributes.function! {
    case "relu": .relu
    case "relu6": .relu6
    case "leakyReLU": .leakyReLU(slope: attributes.parameter!)
    case "sigmoid": .sigmoid
    case "tanh": .tanh
    case "gelu": .gelu
    case "geluTanh": .geluTanh
    case "silu": .silu
    case "hardSwish": .hardSwish
    case "hardSigmoid": .hardSigmoid
    case "elu": .elu(alpha: attributes.parameter!)
    case "selu": .selu
    case "softplus": .softplus
    case "mish": .mish
    case "exp": .exp
    case "log": .log
    case "sqrt": .sqrt
    case "negate": .negate
    case "absolute": .absolute
    case "square": .square
    case "reciprocal": .reciprocal
    case "sign": .sign
    case "clip": .clip(attributes.parameter!, attributes.shift!)
    case "sine": .sine
    case "cosine": .cosine
    case "errorFunction": .errorFunction
    case "floor": .floor
    case "ceil": .ceil
    case "round": .round
    case "not": .not
    case "affine": .affine(scale: attributes.parameter!, shift: attributes.shift!)
    default: fatalError("\(name): the manifest names a function that the test does not know")
    }
  }

  /// What `run` makes of the inputs, in the order of ``outputs``.
  ///
  /// - Parameter convert: how the float32 inputs are given to `run`.
  func results(run: OperationRunner, convert: (Tensor) -> Tensor) throws -> [Tensor] {
    let inputs = inputs.map(convert)
    switch operation {
    case .clipFactor: return try run(operation, [convert(Tensor(Float(0)))] + inputs)
    case .sgd(let sgd):
      return try updates(states: sgd.momentum == 0 ? 0 : 1, inputs, run: run, convert: convert)
    case .adam: return try updates(states: 2, inputs, run: run, convert: convert)
    default: return try run(operation, inputs)
    }
  }

  /// The parameter and its states after each step, from states of zero.
  private func updates(states: Int, _ inputs: [Tensor], run: OperationRunner, convert: (Tensor) -> Tensor) throws
    -> [Tensor]
  {
    let zeros = convert(Tensor([Float](repeating: 0, count: inputs[0].elementCount), shape: inputs[0].shape))
    var current = [inputs[0]] + .init(repeating: zeros, count: states)
    var results: [Tensor] = []
    for (index, rate) in attributes.rates!.enumerated() {
      let rateAndStep = convert(Tensor([Float(rate), Float(index + 1)]))
      current = try run(
        operation, [current[0], inputs[index + 1], convert(Tensor(Float(1))), rateAndStep] + current[1...])
      results += current
    }
    return results
  }
}

/// The folder of fixtures beside the tests.
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures")

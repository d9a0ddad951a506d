import Graph
import Runtime

/// A convolution's attributes and extents, small enough for finite differences.
private struct ConvSample {
  var input: Shape
  var weight: Shape
  var attributes: ConvAttributes

  init(
    _ input: Shape, _ weight: Shape, stride: [Int], dilation: [Int]? = nil, before: [Int]? = nil, after: [Int]? = nil,
    groups: Int = 1
  ) {
    let ones = stride.map { _ in 1 }
    let zeros = stride.map { _ in 0 }
    self.input = input
    self.weight = weight
    attributes = ConvAttributes(
      stride: stride, dilation: dilation ?? ones, paddingBefore: before ?? zeros,
      paddingAfter: after ?? before ?? zeros,
      groups: groups)
  }

  var output: Shape {
    let extents = attributes.stride.indices.map {
      attributes.outputExtent(input[$0 + 2], kernel: weight[$0 + 2], axis: $0)
    }
    return Shape([input[0], weight[0]] + extents)
  }

  static let all = [
    ConvSample([2, 2, 6], [3, 2, 3], stride: [1]),
    ConvSample([2, 2, 7], [3, 2, 3], stride: [2], before: [1]),
    ConvSample([1, 2, 8], [2, 2, 2], stride: [3], dilation: [2], before: [0], after: [2]),
    ConvSample([1, 4, 5], [4, 1, 3], stride: [1], before: [1], groups: 4),
    ConvSample([2, 2, 4, 3], [2, 2, 1, 1], stride: [1, 1]),
    ConvSample([1, 2, 5, 4], [3, 2, 3, 3], stride: [1, 1], before: [1, 1]),
    ConvSample([1, 2, 5, 6], [2, 2, 3, 3], stride: [2, 2], before: [1, 1]),
    ConvSample([1, 2, 6, 5], [2, 2, 3, 2], stride: [2, 1], dilation: [1, 2], before: [0, 1], after: [2, 0]),
    ConvSample([1, 4, 4, 4], [6, 2, 3, 3], stride: [1, 1], before: [1, 1], groups: 2),
    ConvSample([2, 3, 4, 3], [6, 1, 3, 3], stride: [2, 1], before: [1, 1], groups: 3),
    ConvSample([1, 1, 5, 5], [1, 1, 2, 2], stride: [3, 3]),
    ConvSample([1, 2, 3, 4, 3], [2, 2, 2, 3, 2], stride: [1, 2, 1], before: [1, 1, 0]),
    ConvSample(
      [1, 2, 3, 3, 4], [2, 1, 3, 1, 2], stride: [1, 1, 2], dilation: [1, 1, 2], before: [1, 0, 1], groups: 2),
  ]
}

func convolutions(_ random: inout Samples) -> [GradientSample] {
  ConvSample.all.enumerated().map { index, sample in
    var attributes = sample.attributes
    attributes.hasBias = index % 2 == 0
    let inputs = [random.tensor(sample.input), random.tensor(sample.weight)]
    return GradientSample(.conv(attributes), inputs + (attributes.hasBias ? [random(sample.weight[0])] : []))
  }
}

func convolutionGradients(_ random: inout Samples, ofWeight: Bool) -> [GradientSample] {
  ConvSample.all.enumerated().map { index, sample in
    if ofWeight {
      return GradientSample(
        .convWeightGradient(sample.attributes, weight: sample.weight),
        [random.tensor(sample.input), random.tensor(sample.output)])
    }
    var attributes = sample.attributes
    attributes.hasBias = index % 2 == 0
    let inputs = [random.tensor(sample.output), random.tensor(sample.weight)]
    return GradientSample(
      .convTransposed(attributes, output: sample.input),
      inputs + (attributes.hasBias ? [random(sample.input[1])] : []))
  }
}

func matrixProducts(_ random: inout Samples) -> [GradientSample] {
  let batches: [([Int], [Int])] = [([], []), ([2], [2]), ([2], []), ([], [2]), ([2, 1], [3]), ([1, 2], [3, 1])]
  var samples: [GradientSample] = []
  for (a, b) in batches {
    for transposesA in [false, true] {
      for transposesB in [false, true] {
        samples.append(
          GradientSample(
            .matmul(transposesA: transposesA, transposesB: transposesB),
            [
              random.tensor(Shape(a + (transposesA ? [3, 2] : [2, 3]))),
              random.tensor(Shape(b + (transposesB ? [4, 3] : [3, 4]))),
            ]))
      }
    }
  }
  return samples
}

func pools(_ random: inout Samples) -> [GradientSample] {
  // Input, kernel, stride, dilation, padding before and after along each axis.
  let windows: [(input: Shape, [Int], [Int], [Int], [Int], [Int])] = [
    ([2, 2, 7], [2], [2], [1], [0], [0]),
    ([1, 2, 8], [3], [2], [1], [1], [1]),
    ([1, 1, 9], [3], [2], [2], [1], [2]),
    ([1, 2, 5, 6], [3, 2], [2, 2], [1, 1], [1, 0], [1, 1]),
    ([1, 2, 4, 4], [2, 3], [1, 1], [1, 1], [0, 1], [0, 1]),
    ([1, 2, 6, 5], [2, 2], [3, 3], [1, 1], [1, 1], [0, 1]),
    ([1, 1, 4, 3, 4], [2, 2, 2], [2, 1, 2], [1, 1, 1], [0, 1, 0], [1, 0, 1]),
  ]
  let kinds: [PoolAttributes.Kind] = [.max, .average(countsPadding: true), .average(countsPadding: false)]
  var samples: [GradientSample] = []
  for (input, kernel, stride, dilation, before, after) in windows {
    for kind in kinds {
      for roundsUp in [false, true] {
        let attributes = PoolAttributes(
          kind: kind, kernel: kernel, stride: stride, dilation: dilation, paddingBefore: before, paddingAfter: after,
          roundsUp: roundsUp)
        samples.append(GradientSample(.pool(attributes), [random.tensor(input)]))
      }
    }
  }
  return samples
}

func unaryFunctions(_ random: inout Samples) -> [GradientSample] {
  var samples: [GradientSample] = []
  var next: UnaryFunction? = .relu
  while let function = next {
    let (range, successor) = domain(function)
    samples.append(GradientSample(.unary(function), [random(2, 11, in: range)]))
    next = successor
  }
  return samples
}

/// Where a function is checked, and the function to check next: a new one stops the compiler here.
private func domain(_ function: UnaryFunction) -> (ClosedRange<Double>, next: UnaryFunction?) {
  let anywhere = -4.0...4.0
  let positive = 0.2...4.0
  return switch function {
  case .relu: (anywhere, .relu6)
  case .relu6: (-2...9, .leakyReLU(slope: 0.1))
  case .leakyReLU: (anywhere, .sigmoid)
  case .sigmoid: (anywhere, .tanh)
  case .tanh: (anywhere, .gelu)
  case .gelu: (anywhere, .geluTanh)
  case .geluTanh: (anywhere, .silu)
  case .silu: (anywhere, .hardSwish)
  case .hardSwish: (-5...5, .hardSigmoid)
  case .hardSigmoid: (-5...5, .elu(alpha: 0.7))
  case .elu: (anywhere, .selu)
  case .selu: (anywhere, .softplus)
  case .softplus: (-5...25, .mish)
  case .mish: (-5...25, .clip(-1.5, 0.5))
  case .clip: (anywhere, .sine)
  case .sine: (anywhere, .cosine)
  case .cosine: (anywhere, .errorFunction)
  case .errorFunction: (anywhere, .floor)
  case .floor: (0.1...0.9, .ceil)
  case .ceil: (0.1...0.9, .round)
  case .round: (0.1...0.4, .not)
  case .not: (positive, .exp)
  case .exp: (anywhere, .log)
  case .log: (positive, .sqrt)
  case .sqrt: (positive, .negate)
  case .negate: (anywhere, .absolute)
  case .absolute: (anywhere, .square)
  case .square: (anywhere, .reciprocal)
  case .reciprocal: (positive, .sign)
  case .sign: (anywhere, .affine(scale: -1.5, shift: 0.5))
  case .affine: (anywhere, nil)
  }
}

func crossEntropies(_ random: inout Samples) -> [GradientSample] {
  var samples: [GradientSample] = []
  for shape in [[3, 4], [2, 3, 2], [2, 3, 2, 2]] as [Shape] {
    for smoothing in [0, 0.2] {
      for isWeighted in [false, true] {
        let count = shape.elementCount / shape[1]
        let labels = Tensor(
          (0..<count).map { Int32($0 * 7 % shape[1]) }, shape: Shape([shape[0]] + shape.dimensions[2...]))
        let weights = isWeighted ? [random(shape[1], in: 0.1...2)] : []
        samples.append(
          GradientSample(
            .crossEntropy(labelSmoothing: smoothing, isWeighted: isWeighted),
            [random.tensor(shape), labels] + weights, by: [0]))
      }
    }
  }
  return samples
}

/// Inputs, and a resampling of each kind.
let resamplings: [(Shape, Resampling)] =
  BorderMode.allCases.map { ([1, 2, 4, 3], .extend(before: [0, 1, 2, 0], after: [0, 0, 3, 1], mode: $0)) }
  + [
    ([1, 2, 3, 4], .resize(ResizeAttributes(output: [5, 3]))),
    ([1, 1, 3, 4], .resize(ResizeAttributes(output: [6, 7], method: .cubic(a: -0.75)))),
    ([1, 1, 7, 6], .resize(ResizeAttributes(output: [3, 4], method: .cubic(a: -0.5), antialiases: true))),
    ([1, 1, 5], .resize(ResizeAttributes(output: [7], coordinates: .alignCorners))),
    ([1, 1, 5], .resize(ResizeAttributes(output: [1], coordinates: .alignCorners))),
    (
      [1, 1, 2, 3, 2],
      .resize(ResizeAttributes(output: [4, 3, 5], method: .nearest(.floor), coordinates: .asymmetric))
    ),
    ([1, 1, 4], .resize(ResizeAttributes(output: [6], scales: [1.6], method: .nearest(.ceil)))),
    // ONNX's rules of coordinates.
    ([1, 1, 5], .resize(ResizeAttributes(output: [1], coordinates: .halfPixelOrOrigin))),
    ([1, 2, 4, 5], .resize(ResizeAttributes(output: [3, 8], coordinates: .halfPixelOrOrigin))),
    ([1, 1, 5], .resize(ResizeAttributes(output: [3], scales: [0.7], coordinates: .halfPixelSymmetric))),
    (
      [1, 1, 6],
      .resize(ResizeAttributes(output: [8], scales: [1.4], method: .cubic(a: -0.75), coordinates: .halfPixelSymmetric))
    ),
    ([1, 1, 5], .resize(ResizeAttributes(output: [8], coordinates: .halfPixelShifted))),
    ([1, 1, 5], .resize(ResizeAttributes(output: [3], method: .nearest(.floor), coordinates: .halfPixelShifted))),
    ([1, 1, 6], .resize(ResizeAttributes(output: [4], coordinates: .region(starts: [0.2], ends: [0.9])))),
    (
      [1, 1, 5, 4],
      .resize(ResizeAttributes(output: [4, 3], coordinates: .region(starts: [-0.2, 0.6], ends: [1.1, 0.1])))
    ),
    ([1, 1, 5], .resize(ResizeAttributes(output: [1], coordinates: .region(starts: [0.4], ends: [1])))),
    (
      [1, 1, 5],
      .resize(ResizeAttributes(output: [8], method: .cubic(a: -0.5), excludesOutside: true))
    ),
    ([1, 1, 7], .resize(ResizeAttributes(output: [3], antialiases: true, excludesOutside: true))),
    ([2, 1, 5, 7], .adaptiveAverage(output: [3, 2])), ([1, 2, 2], .adaptiveAverage(output: [5])),
    ([2, 3], .select(axis: 1, indices: [2, 0, 0])),
  ]

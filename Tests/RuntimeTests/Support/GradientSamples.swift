import Graph
import Runtime

/// One gradient to check: an operation on float64 inputs, and the inputs to differentiate by.
struct GradientSample {
  let operation: Operation
  let inputs: [Tensor]
  let differentiable: [Int]

  init(_ operation: Operation, _ inputs: [Tensor], by differentiable: [Int]? = nil) {
    self.operation = operation
    self.inputs = inputs
    self.differentiable = differentiable ?? Array(inputs.indices)
  }
}

/// Random float64 tensors, the same ones in each run.
struct Samples {
  private var stream: RandomStream

  init(_ kind: OperationKind) {
    stream = RandomStream(seed: 17, stream: UInt64(OperationKind.allCases.firstIndex(of: kind)!))
  }

  mutating func callAsFunction(_ shape: Int..., in range: ClosedRange<Double> = -2...2) -> Tensor {
    tensor(Shape(shape), in: range)
  }

  mutating func tensor(_ shape: Shape, in range: ClosedRange<Double> = -2...2) -> Tensor {
    Tensor((0..<shape.elementCount).map { _ in Double.random(in: range, using: &stream) }, shape: shape)
  }
}

/// The cases of `Operation` without their attributes.
enum OperationKind: CaseIterable {
  case conv, convTransposed, convWeightGradient, linear, matmul, pool, poolGradient, batchNorm, batchNormTraining
  case batchNormGradient, unary, unaryGradient, binary, dropout, cast, reduce, softmax, logSoftmax, softmaxGradient
  case crossEntropy, crossEntropyGradient, reshape, transpose, broadcast, concatenate, slice, sliceGradient, pad, fill
  case clipFactor, sgd, adam, maxPoolIndices, standardize, standardizeGradient, choose, argmax
  case resample, resampleGradient, gatherElements, scatterElements

  /// A new operation stops the compiler here, and its kind in ``gradientSamples``.
  init(_ operation: Operation) {
    switch operation {
    case .conv: self = .conv
    case .convTransposed: self = .convTransposed
    case .convWeightGradient: self = .convWeightGradient
    case .linear: self = .linear
    case .matmul: self = .matmul
    case .pool: self = .pool
    case .poolGradient: self = .poolGradient
    case .batchNorm: self = .batchNorm
    case .batchNormTraining: self = .batchNormTraining
    case .batchNormGradient: self = .batchNormGradient
    case .unary: self = .unary
    case .unaryGradient: self = .unaryGradient
    case .binary: self = .binary
    case .dropout: self = .dropout
    case .cast: self = .cast
    case .reduce: self = .reduce
    case .softmax: self = .softmax
    case .logSoftmax: self = .logSoftmax
    case .softmaxGradient: self = .softmaxGradient
    case .crossEntropy: self = .crossEntropy
    case .crossEntropyGradient: self = .crossEntropyGradient
    case .reshape: self = .reshape
    case .transpose: self = .transpose
    case .broadcast: self = .broadcast
    case .concatenate: self = .concatenate
    case .slice: self = .slice
    case .sliceGradient: self = .sliceGradient
    case .pad: self = .pad
    case .fill: self = .fill
    case .clipFactor: self = .clipFactor
    case .sgd: self = .sgd
    case .adam: self = .adam
    case .maxPoolIndices: self = .maxPoolIndices
    case .standardize: self = .standardize
    case .standardizeGradient: self = .standardizeGradient
    case .choose: self = .choose
    case .argmax: self = .argmax
    case .resample: self = .resample
    case .resampleGradient: self = .resampleGradient
    case .gatherElements: self = .gatherElements
    case .scatterElements: self = .scatterElements
    }
  }

  /// What is checked of a kind: samples, or an operation through which by definition no gradient flows.
  enum Coverage {
    case samples([GradientSample])
    case endOfGradients(Operation)
  }

  var gradientSamples: Coverage {
    var random = Samples(self)
    switch self {
    case .conv: return .samples(convolutions(&random))
    case .convTransposed: return .samples(convolutionGradients(&random, ofWeight: false))
    case .convWeightGradient: return .samples(convolutionGradients(&random, ofWeight: true))
    case .linear:
      return .samples([
        GradientSample(.linear(hasBias: true), [random(5), random(3, 5), random(3)]),
        GradientSample(.linear(hasBias: true), [random(4, 5), random(3, 5), random(3)]),
        GradientSample(.linear(hasBias: false), [random(2, 3, 4), random(5, 4)]),
        GradientSample(.linear(hasBias: true), [random(2, 1, 3, 4), random(2, 4), random(2)]),
      ])
    case .matmul: return .samples(matrixProducts(&random))
    case .pool: return .samples(pools(&random))
    case .batchNorm:
      return .samples(
        ([[3, 2], [2, 3, 4], [2, 2, 3, 2], [1, 2, 2, 3, 2]] as [Shape]).map { shape in
          let (c, x) = (shape[1], random.tensor(shape))
          let inputs = [x, random(c), random(c), random(c), random(c, in: 0.5...2)]
          return GradientSample(.batchNorm(epsilon: 1e-3), inputs, by: [0, 1, 2])
        })
    case .batchNormTraining:
      return .samples(
        ([[4, 2], [2, 3, 4], [2, 2, 3, 2], [1, 2, 2, 3, 2]] as [Shape]).map { shape in
          let (c, x) = (shape[1], random.tensor(shape))
          let inputs = [x, random(c), random(c), random(c), random(c, in: 0.5...2)]
          return GradientSample(.batchNormTraining(epsilon: 1e-3, momentum: 0.1), inputs, by: [0, 1, 2])
        })
    case .unary: return .samples(unaryFunctions(&random))
    case .binary:
      let shapes: [(Shape, Shape)] = [
        ([2, 3], [2, 3]), ([2, 3, 2], [3, 1]), ([3, 1], [2, 1, 4]), ([4], []), ([], [2, 2]),
      ]
      return .samples(
        BinaryFunction.allCases.flatMap { function in
          shapes.map { a, b in
            let isPositive = function == .power || function == .divide
            let range = isPositive ? 0.5...2.0 : -2.0...2.0
            return GradientSample(.binary(function), [random.tensor(a, in: range), random.tensor(b, in: range)])
          }
        })
    case .dropout:
      return .samples(
        [0, 0.3, 0.9].map { rate in
          GradientSample(.dropout(rate: rate, stream: 5), [random(3, 7), Tensor([Int64(42), 3])], by: [0])
        })
    case .cast: return .samples([GradientSample(.cast(.float64), [random(3, 2)])])
    case .reduce:
      let axes = [[], [0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]
      return .samples(
        Reduction.allCases.flatMap { reduction in
          axes.flatMap { axes in
            [false, true].map { keeps in
              GradientSample(.reduce(reduction, axes: axes, keepsDimensions: keeps), [random(2, 3, 4)])
            }
          }
        })
    case .softmax, .logSoftmax:
      let shapes: [(Shape, Int)] = [([5], 0), ([2, 4], 1), ([4, 2], 0), ([2, 3, 2], 1)]
      return .samples(
        shapes.map { shape, axis in
          GradientSample(self == .softmax ? .softmax(axis: axis) : .logSoftmax(axis: axis), [random.tensor(shape)])
        })
    case .crossEntropy: return .samples(crossEntropies(&random))
    case .reshape:
      return .samples([
        GradientSample(.reshape([3, 4]), [random(2, 3, 2)]), GradientSample(.reshape([]), [random(1, 1)]),
      ])
    case .transpose:
      return .samples(
        [[1, 0, 2, 3], [0, 2, 3, 1], [3, 1, 0, 2]].map { GradientSample(.transpose($0), [random(2, 3, 1, 2)]) })
    case .broadcast:
      return .samples([
        GradientSample(.broadcast([2, 3, 4]), [random(3, 1)]), GradientSample(.broadcast([2, 2]), [random()]),
        GradientSample(.broadcast([2, 3]), [random(2, 3)]), GradientSample(.broadcast([4, 1, 1]), [random(1, 1)]),
      ])
    case .concatenate:
      return .samples([
        GradientSample(.concatenate(axis: 0), [random(1, 3), random(2, 3)]),
        GradientSample(.concatenate(axis: 1), [random(2, 1, 2), random(2, 3, 2), random(2, 2, 2)]),
        GradientSample(.concatenate(axis: 0), [random(3)]),
      ])
    case .slice:
      return .samples(slices.map { GradientSample(.slice($0), [random(3, 7)]) })
    case .sliceGradient:
      return .samples(
        slices.map { GradientSample(.sliceGradient($0, input: [3, 7]), [random.tensor(Shape($0.counts))]) })
    case .pad:
      return .samples([
        GradientSample(.pad(before: [0, 1], after: [2, 0], value: 1.5), [random(2, 3)]),
        GradientSample(.pad(before: [0, 0, 1, 2], after: [0, 0, 2, 1], value: 0), [random(1, 2, 2, 2)]),
      ])
    case .standardize:
      let shapes: [(Shape, Int)] = [([5], 0), ([2, 4], 1), ([4, 2], 0), ([2, 3, 2], 1)]
      return .samples(
        shapes.map { GradientSample(.standardize(axis: $1, epsilon: 1e-3), [random.tensor($0)]) })
    case .choose:
      let condition = Tensor([1.0, 0, 0, -2, 0, 1], shape: [2, 3])
      return .samples([GradientSample(.choose, [condition, random(2, 3), random(2, 3)], by: [1, 2])])
    case .resample:
      return .samples(resamplings.map { GradientSample(.resample($1), [random.tensor($0)]) })
    case .resampleGradient:
      return .samples(
        resamplings.compactMap { input, resampling in
          guard let output = try? Operation.resample(resampling).outputTypes(of: [TensorType(input)])[0].shape else {
            return nil
          }
          return GradientSample(.resampleGradient(resampling, input: input), [random.tensor(output)])
        })
    case .gatherElements:
      let indices = Tensor([Int32(2), 0, 0, 1, 2, 2, 1, 0], shape: [2, 4])
      return .samples([
        GradientSample(.gatherElements(axis: 1), [random(2, 3), indices], by: [0]),
        GradientSample(.gatherElements(axis: 0), [random(3, 4), indices], by: [0]),
      ])
    case .scatterElements:
      let indices = Tensor([Int32(2), 0, 0, 1, 2, 2, 1, 0], shape: [2, 4])
      return .samples([
        GradientSample(.scatterElements(axis: 1, extent: 3), [random(2, 4), indices], by: [0]),
        GradientSample(.scatterElements(axis: 0, extent: 4), [random(2, 4), indices], by: [0]),
      ])
    case .argmax: return .endOfGradients(.argmax(axis: 0))
    case .maxPoolIndices: return .endOfGradients(.maxPoolIndices(plainPool))
    case .standardizeGradient: return .endOfGradients(.standardizeGradient(axis: 0))
    case .fill: return .endOfGradients(.fill(1, shape: [2], dtype: .float64))
    case .poolGradient: return .endOfGradients(.poolGradient(plainPool, input: [1, 1, 2]))
    case .batchNormGradient: return .endOfGradients(.batchNormGradient())
    case .unaryGradient: return .endOfGradients(.unaryGradient(.relu))
    case .softmaxGradient: return .endOfGradients(.softmaxGradient(axis: 0, isLog: false))
    case .crossEntropyGradient: return .endOfGradients(.crossEntropyGradient(labelSmoothing: 0, isWeighted: false))
    case .clipFactor: return .endOfGradients(.clipFactor(maximumNorm: 1))
    case .sgd: return .endOfGradients(.sgd(SGDAttributes()))
    case .adam: return .endOfGradients(.adam(AdamAttributes()))
    }
  }
}

private let slices = [
  SliceAttributes(starts: [0, 2], counts: [3, 4], steps: [1, 1]),
  SliceAttributes(starts: [1, 1], counts: [2, 3], steps: [1, 2]),
  SliceAttributes(starts: [0, 0], counts: [2, 3], steps: [2, 3]),
]

private let plainPool = PoolAttributes(
  kind: .max, kernel: [2], stride: [2], dilation: [1], paddingBefore: [0], paddingAfter: [0])

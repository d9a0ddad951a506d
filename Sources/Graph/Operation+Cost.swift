/// What a node costs at least, by the direct algorithm.
public struct Cost: Hashable, Sendable {
  /// Multiply-accumulates of matrix products and convolutions: what papers call MACs (or, at half price, FLOPs).
  public var multiplyAccumulates = 0
  /// Arithmetic of everything else, one for each element and step.
  public var elementOperations = 0
  /// Bytes read and written once.
  public var bytes = 0

  /// Nothing.
  public init() {}

  public static func + (a: Cost, b: Cost) -> Cost {
    var sum = a
    sum.multiplyAccumulates += b.multiplyAccumulates
    sum.elementOperations += b.elementOperations
    sum.bytes += b.bytes
    return sum
  }
}

extension Operation {
  /// The cost rule. A residual, an activation or a bias in an epilogue counts as element operations.
  public func cost(inputs: [TensorType], outputs: [TensorType]) -> Cost {
    var cost = Cost()
    for type in inputs + outputs { cost.bytes += type.shape.elementCount * type.dtype.byteCount }
    let count = outputs.first?.shape.elementCount ?? 0
    switch self {
    case .conv(let attributes):
      let weight = inputs[1].shape
      cost.multiplyAccumulates = count * (weight.elementCount / max(1, weight[0]))
      cost.elementOperations = count * ((attributes.hasBias ? 1 : 0) + attributes.epilogue.operationCount)
    case .convTransposed(let attributes, _):
      let weight = inputs[1].shape
      cost.multiplyAccumulates = inputs[0].shape.elementCount * (weight.elementCount / max(1, weight[0]))
      cost.elementOperations = count * ((attributes.hasBias ? 1 : 0) + attributes.epilogue.operationCount)
    case .convWeightGradient(_, let weight, let sumsGradient):
      cost.elementOperations = sumsGradient ? inputs[1].shape.elementCount : 0
      cost.multiplyAccumulates = inputs[1].shape.elementCount * (weight.elementCount / max(1, weight[0]))
    case .linear(let hasBias, let epilogue):
      cost.multiplyAccumulates = count * inputs[1].shape[1]
      cost.elementOperations = count * ((hasBias ? 1 : 0) + epilogue.operationCount)
    case .matmul(let transposesA, _, let epilogue):
      let a = inputs[0].shape
      cost.elementOperations = count * epilogue.operationCount
      cost.multiplyAccumulates = count * a[transposesA ? a.rank - 2 : a.rank - 1]
    case .pool(let attributes), .maxPoolIndices(let attributes):
      cost.elementOperations = count * attributes.kernel.reduce(1, *)
    case .poolGradient(let attributes, _, let epilogue):
      cost.elementOperations =
        inputs[0].shape.elementCount * attributes.kernel.reduce(1, *) + count * epilogue.operationCount
    case .batchNorm: cost.elementOperations = 2 * count
    case .batchNormTraining(_, _, let epilogue): cost.elementOperations = count * (5 + epilogue.operationCount)
    case .batchNormGradient(let attributes):
      cost.elementOperations = count * (5 + (attributes.mask == nil ? 0 : 1) + (attributes.addsResidual ? 1 : 0))
    case .standardize, .standardizeGradient: cost.elementOperations = 5 * count
    case .resample(let resampling):
      cost.elementOperations = resampling.tapCount(for: inputs[0].shape)
    case .resampleGradient(let resampling, let input):
      cost.elementOperations = resampling.tapCount(for: input)
    case .scatterElements: cost.elementOperations = inputs[0].shape.elementCount
    case .unary, .unaryGradient, .binary, .choose, .dropout: cost.elementOperations = count
    case .reduce, .argmax: cost.elementOperations = inputs[0].shape.elementCount
    case .softmax, .logSoftmax, .softmaxGradient: cost.elementOperations = 3 * count
    case .crossEntropy: cost.elementOperations = 3 * inputs[0].shape.elementCount
    case .crossEntropyGradient: cost.elementOperations = 3 * count
    case .sgd, .adam: cost.elementOperations = 4 * count
    case .clipFactor: cost.elementOperations = inputs.reduce(0) { $0 + $1.shape.elementCount }
    case .reshape: cost.bytes = 0
    case .transpose, .broadcast, .concatenate, .slice, .sliceGradient, .pad, .fill, .cast, .gatherElements: break
    }
    return cost
  }
}

extension Resampling {
  /// One operation for each tap, axis after axis; none where elements only move.
  fileprivate func tapCount(for input: Shape) -> Int {
    switch self {
    case .extend, .select: return 0
    case .resize, .adaptiveAverage:
      var (shape, count) = (input, 0)
      for (axis, map) in axisMaps(for: input).enumerated() {
        guard let map else { continue }
        shape[axis] = 1
        count += shape.elementCount * map.taps.reduce(0) { $0 + $1.count }
        shape[axis] = map.taps.count
      }
      return count
    }
  }
}

extension Epilogue {
  fileprivate var operationCount: Int { inputCount + (activation == nil ? 0 : 1) }
}

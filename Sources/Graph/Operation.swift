/// Everything a graph can compute: a closed set, at the level at which people name things.
///
/// Each rule about operations is one exhaustive switch in a file of its own (`Operation+Shape.swift`,
/// `Operation+Gradient.swift`, `Operation+Cost.swift`, ...), so an operation that lacks a rule does not compile.
/// The comment of a case lists its inputs, `->`, and its outputs.
public enum Operation: Hashable, Sendable {
  // MARK: Convolution and matrix products

  /// `x [N, C, ...], weight [K, C / groups, ...], bias [K]?, residual?, mask? -> y [N, K, ...]`: cross-correlation.
  case conv(ConvAttributes)
  /// `x [N, K, ...], weight [K, C / groups, ...], bias [C]?, residual?, mask? -> y [N, C, ...]` of the shape `output`:
  /// the transpose of the convolution with these attributes, which is also the gradient of that convolution's input.
  case convTransposed(ConvAttributes, output: Shape)
  /// `x, dy -> dweight, the sums of dy [K] (if wanted: the gradient of a bias)`.
  case convWeightGradient(ConvAttributes, weight: Shape, sumsGradient: Bool = false)
  /// `x [..., I], weight [O, I], bias [O]?, residual? -> y [..., O]`.
  case linear(hasBias: Bool, epilogue: Epilogue = .none)
  /// `a [..., M, K], b [..., K, N], mask? -> [..., M, N]`, each factor optionally stored transposed.
  case matmul(transposesA: Bool, transposesB: Bool, epilogue: Epilogue = .none)

  // MARK: Pooling

  /// `x [N, C, ...] -> y [N, C, ...]`.
  case pool(PoolAttributes)
  /// `dy, x (of maximum pooling only), residual?, mask? -> dx`.
  case poolGradient(PoolAttributes, input: Shape, epilogue: Epilogue = .none)
  /// `x -> indices (int32)` of the elements that maximum pooling picks, each within its own flattened feature map.
  case maxPoolIndices(PoolAttributes)

  // MARK: Normalisation (Ioffe and Szegedy, 2015)

  /// `x [N, C, ...], scale [C], shift [C], mean [C], variance [C] -> y`: with given statistics.
  case batchNorm(epsilon: Double, activation: UnaryFunction? = nil)
  /// `x, scale, shift, runningMean, runningVariance, residual?
  ///  -> y, batchMean, inverseDeviation, runningMean, runningVariance`: with the statistics of this batch. Momentum is
  /// the weight of the batch; the running variance takes the unbiased estimate, the normalisation the biased one, as in
  /// PyTorch.
  case batchNormTraining(epsilon: Double, momentum: Double, epilogue: Epilogue = .none)
  /// `dy, x, scale, batchMean, inverseDeviation, y or shift (if masked), residual? -> dx, dscale, dshift, masked dy?`.
  case batchNormGradient(BatchNormGradientAttributes = .init())
  /// `x -> y, inverseDeviation` (of extent 1 along the axis): mean 0 and (biased) variance 1 along an axis. The heart of
  /// layer, instance and group normalisation.
  case standardize(axis: Int, epsilon: Double)
  /// `dy, y, inverseDeviation -> dx`.
  case standardizeGradient(axis: Int)

  // MARK: Element by element

  /// `x -> y`.
  case unary(UnaryFunction)
  /// `dy, x -> dx`: the gradient of an activation.
  case unaryGradient(UnaryFunction)
  /// `a, b -> y`, broadcast as in NumPy.
  case binary(BinaryFunction)
  /// `condition, a, b -> y`, all of one shape: `a` where the condition is not 0, else `b`.
  case choose
  /// `x, key [seed, step] -> y`: zeroes elements with probability `rate` and scales the others by `1 / (1 - rate)`.
  /// Which ones is a function of seed, step, `stream` and the element's row-major index alone.
  case dropout(rate: Double, stream: Int)
  /// `x -> y` of another element type.
  case cast(DType)

  // MARK: Reduction and softmax

  /// `x -> y`; axes are counted from the front and sorted.
  case reduce(Reduction, axes: [Int], keepsDimensions: Bool)
  /// `x -> indices (int32)` of the largest elements along an axis, which is removed; the first of equals.
  case argmax(axis: Int)
  /// `x -> y`.
  case softmax(axis: Int)
  case logSoftmax(axis: Int)
  /// `dy, y -> dx` of either.
  case softmaxGradient(axis: Int, isLog: Bool)
  /// `logits [N, K, ...], labels [N, ...] (int32), weights [K]? -> loss`: the mean, weighted if there are weights, of
  /// `-log softmax(logits)[label]`, with label smoothing as in Szegedy et al., 2016.
  case crossEntropy(labelSmoothing: Double, isWeighted: Bool)
  /// `dloss, logits, labels, weights? -> dlogits`.
  case crossEntropyGradient(labelSmoothing: Double, isWeighted: Bool)

  // MARK: Shape and movement

  /// `x -> y` with the same elements in row-major order.
  case reshape(Shape)
  /// `x -> y` where axis `i` of the output is axis `permutation[i]` of the input.
  case transpose([Int])
  /// `x -> y`, repeating axes of extent 1, with leading axes added.
  case broadcast(Shape)
  /// `x... -> y`.
  case concatenate(axis: Int)
  /// `x -> y`.
  case slice(SliceAttributes)
  /// `dy -> dx`: zeros of the given shape, with `dy` written into the slice.
  case sliceGradient(SliceAttributes, input: Shape)
  /// `x -> y` with constant borders.
  case pad(before: [Int], after: [Int], value: Double)
  /// `x -> y`: padding with the tensor itself, resizing, and other maps along each axis.
  case resample(Resampling)
  /// `dy -> dx`.
  case resampleGradient(Resampling, input: Shape)
  /// `x, indices (int32) -> y`, both of the indices' shape: element `[.., indices[.., i, ..], ..]` along the axis.
  case gatherElements(axis: Int)
  /// `x, indices (int32) -> y`: adds each element to position `indices[.., i, ..]` of an axis of `extent` zeros.
  case scatterElements(axis: Int, extent: Int)
  /// `-> y`: one value everywhere.
  case fill(Double, shape: Shape, dtype: DType)

  // MARK: Update of parameters

  /// `loss, gradient... -> factor, norm`: the norm over all gradients, and the factor that brings it down to
  /// `maximumNorm` (1 if it is smaller or there is no maximum). The factor is NaN, which makes updates leave
  /// parameters alone, when the loss or the norm is not finite.
  case clipFactor(maximumNorm: Double?)
  /// `parameter, gradient, factor, rate [learning rate, step], velocity? -> parameter, velocity?`.
  case sgd(SGDAttributes)
  /// `parameter, gradient, factor, rate [learning rate, step], first moment, second moment
  ///  -> parameter, first moment, second moment`.
  case adam(AdamAttributes)

  /// Whether it replaces a parameter and its optimizer states.
  public var isUpdate: Bool {
    switch self {
    case .sgd, .adam: true
    default: false
    }
  }

  /// The short name that summaries, profiles and errors use.
  public var name: String {
    switch self {
    case .conv(let attributes): "conv\(attributes.rank)d"
    case .convTransposed(let attributes, _): "conv_transposed\(attributes.rank)d"
    case .convWeightGradient: "conv_weight_gradient"
    case .linear: "linear"
    case .matmul: "matmul"
    case .pool(let attributes):
      (attributes.kind == .max ? "max_pool" : "avg_pool") + "\(attributes.rank)d"
    case .poolGradient: "pool_gradient"
    case .maxPoolIndices: "max_pool_indices"
    case .batchNorm, .batchNormTraining: "batch_norm"
    case .batchNormGradient: "batch_norm_gradient"
    case .standardize: "standardize"
    case .standardizeGradient: "standardize_gradient"
    case .choose: "where"
    case .argmax: "argmax"
    case .unary(let function): function.name
    case .unaryGradient(let function): function.name + "_gradient"
    case .binary(let function): function.rawValue
    case .dropout: "dropout"
    case .cast: "cast"
    case .reduce(let reduction, _, _): reduction.rawValue
    case .softmax: "softmax"
    case .logSoftmax: "log_softmax"
    case .softmaxGradient: "softmax_gradient"
    case .crossEntropy: "cross_entropy"
    case .crossEntropyGradient: "cross_entropy_gradient"
    case .reshape(let shape): shape.rank == 2 ? "flatten" : "reshape"
    case .transpose: "transpose"
    case .broadcast: "broadcast"
    case .concatenate: "concatenate"
    case .slice: "slice"
    case .sliceGradient: "slice_gradient"
    case .pad: "pad"
    case .resample(let resampling): resampling.name
    case .resampleGradient(let resampling, _): resampling.name + "_gradient"
    case .gatherElements: "gather_elements"
    case .scatterElements: "scatter_elements"
    case .fill: "fill"
    case .clipFactor: "clip_factor"
    case .sgd: "sgd"
    case .adam: "adam"
    }
  }
}

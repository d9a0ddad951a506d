/// The region of the network's input that one element of a value depends on, along each spatial axis (Araujo et al.,
/// "Computing receptive fields of convolutional neural networks", Distill 2019).
public struct ReceptiveField: Hashable, Sendable {
  /// Extent of the region in input elements.
  public var size: [Int]
  /// Distance in input elements between the regions of neighbouring elements; the total stride.
  public var stride: [Int]
  /// Input coordinate of the region's first element for output element 0; negative if it reaches into the padding.
  public var start: [Int]
  /// Whether a layer in between looks at the whole map (global pooling, flattening before a linear layer).
  public var isGlobal = false

  /// The receptive field of the input itself.
  public static func input(rank: Int) -> ReceptiveField {
    ReceptiveField(
      size: .init(repeating: 1, count: rank), stride: .init(repeating: 1, count: rank),
      start: .init(repeating: 0, count: rank))
  }

  func windowed(kernel: [Int], stride: [Int], dilation: [Int], paddingBefore: [Int]) -> ReceptiveField {
    var field = self
    for axis in size.indices {
      field.size[axis] += dilation[axis] * (kernel[axis] - 1) * self.stride[axis]
      field.start[axis] -= paddingBefore[axis] * self.stride[axis]
      field.stride[axis] *= stride[axis]
    }
    return field
  }

  /// The smallest field that covers both.
  func union(_ other: ReceptiveField) -> ReceptiveField {
    guard size.count == other.size.count else { return global }
    var field = self
    for axis in size.indices {
      let end = max(start[axis] + size[axis], other.start[axis] + other.size[axis])
      field.start[axis] = min(start[axis], other.start[axis])
      field.size[axis] = end - field.start[axis]
      field.stride[axis] = max(stride[axis], other.stride[axis])
    }
    field.isGlobal = isGlobal || other.isGlobal
    return field
  }

  /// Borders and interpolation look at nearby elements: at most as many as the widest output element needs, counted
  /// where no border cuts them.
  func resampled(_ resampling: Resampling, input: Shape) -> ReceptiveField {
    if case .select(let axis, _) = resampling, axis >= 2 { return global }
    var field = self
    for (axis, map) in resampling.axisMaps(for: input).dropFirst(2).enumerated() where axis < size.count {
      guard let map, let first = map.taps.first else { continue }
      if case .extend(let before, _, _) = resampling {
        field.start[axis] -= before[axis + 2] * stride[axis]
        continue
      }
      let reach = map.taps.map { ($0.map(\.source).max() ?? 0) - ($0.map(\.source).min() ?? 0) }.max() ?? 0
      field.size[axis] += reach * stride[axis]
      field.start[axis] += (first.map(\.source).min() ?? 0) * stride[axis]
      field.stride[axis] = max(1, stride[axis] * map.inputCount / max(1, map.taps.count))
    }
    return field
  }

  var global: ReceptiveField {
    var field = self
    field.isGlobal = true
    return field
  }
}

extension Operation {
  /// The receptive-field rule: the field of the outputs from those of the inputs that have one (parameters do not).
  public func receptiveField(inputs: [ReceptiveField], inputTypes: [TensorType]) -> ReceptiveField? {
    guard let first = inputs.first else { return nil }
    let joined = inputs.dropFirst().reduce(first) { $0.union($1) }
    switch self {
    case .conv(let attributes):
      return joined.windowed(
        kernel: Array(inputTypes[1].shape.spatial), stride: attributes.stride, dilation: attributes.dilation,
        paddingBefore: attributes.paddingBefore)
    case .pool(let attributes), .maxPoolIndices(let attributes):
      return joined.windowed(
        kernel: attributes.kernel, stride: attributes.stride, dilation: attributes.dilation,
        paddingBefore: attributes.paddingBefore)
    case .convTransposed(let attributes, _):
      // A transposed convolution: neighbours are closer together than on its input.
      var field = joined
      let kernel = Array(inputTypes[1].shape.spatial)
      for axis in field.size.indices {
        let taps = (attributes.dilation[axis] * (kernel[axis] - 1)) / attributes.stride[axis]
        field.size[axis] += taps * joined.stride[axis]
        field.stride[axis] = max(1, joined.stride[axis] / attributes.stride[axis])
      }
      return field
    case .reduce(_, let axes, _): return axes.contains { $0 >= 2 } ? joined.global : joined
    case .standardize(let axis, _), .argmax(let axis): return axis >= 2 ? joined.global : joined
    case .gatherElements(let axis), .scatterElements(let axis, _): return axis >= 2 ? joined.global : joined
    case .resample(let resampling): return joined.resampled(resampling, input: inputTypes[0].shape)
    case .reshape(let shape):
      // Flattening mixes positions unless there was only one.
      let spatial = inputTypes[0].shape.spatial
      return shape.rank == inputTypes[0].shape.rank || spatial.allSatisfy { $0 == 1 } ? joined : joined.global
    case .pad(let before, _, _):
      var field = joined
      for axis in field.start.indices where axis + 2 < before.count {
        field.start[axis] -= before[axis + 2] * joined.stride[axis]
      }
      return field
    case .slice(let slice):
      var field = joined
      for axis in field.start.indices where axis + 2 < slice.starts.count {
        field.start[axis] += slice.starts[axis + 2] * joined.stride[axis]
        field.stride[axis] *= slice.steps[axis + 2]
      }
      return field
    case .linear, .matmul, .batchNorm, .batchNormTraining, .unary, .binary, .choose, .dropout, .cast, .softmax,
      .logSoftmax,
      .transpose, .broadcast, .concatenate, .crossEntropy:
      return joined
    case .convWeightGradient, .poolGradient, .standardizeGradient, .resampleGradient, .batchNormGradient,
      .unaryGradient, .softmaxGradient,
      .crossEntropyGradient, .sliceGradient, .fill, .clipFactor, .sgd, .adam:
      return nil
    }
  }
}

extension Graph {
  /// The receptive field of every value with respect to the first input.
  public func receptiveFields() -> [ReceptiveField?] {
    var fields = [ReceptiveField?](repeating: nil, count: values.count)
    guard let input = inputs.first, shape(of: input).rank > 2 else { return fields }
    fields[input.index] = .input(rank: shape(of: input).rank - 2)
    for node in nodes {
      let field = node.operation.receptiveField(
        inputs: node.inputs.compactMap { fields[$0.index] }, inputTypes: node.inputs.map { self[$0].type })
      for output in node.outputs { fields[output.index] = field }
    }
    return fields
  }
}

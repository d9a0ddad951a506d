extension Operation {
  /// The shape rule: types of the outputs from types of the inputs, or what is wrong with them.
  public func outputTypes(of inputs: [TensorType]) throws(ShapeError) -> [TensorType] {
    try checkInputCount(inputs.count)
    switch self {
    case .conv(let attributes): return [try convType(attributes, inputs)]
    case .convTransposed(let attributes, let output):
      return [try convTransposedType(attributes, inputs, output: output)]
    case .convWeightGradient(let attributes, let weight, let sumsGradient):
      let forward = TensorType(weight, inputs[0].dtype)
      let expected = try convType(attributes.withoutExtras, [inputs[0], forward]).shape
      try require(expected == inputs[1].shape, "the output's gradient is \(inputs[1].shape), expected \(expected)")
      return [forward] + (sumsGradient ? [TensorType([weight[0]], inputs[0].dtype)] : [])
    case .linear(let hasBias, let epilogue): return [try linearType(hasBias, epilogue, inputs)]
    case .matmul(let transposesA, let transposesB, let epilogue):
      let type = try matmulType(transposesA, transposesB, inputs)
      try requireEpilogue(epilogue, inputs, output: type.shape)
      return [type]
    case .pool(let attributes): return [try poolType(attributes, inputs[0])]
    case .poolGradient(let attributes, let input, let epilogue):
      let forward = TensorType(input, inputs[0].dtype)
      let expected = try poolType(attributes, forward).shape
      try require(expected == inputs[0].shape, "the output's gradient is \(inputs[0].shape), expected \(expected)")
      if attributes.kind == .max {
        try require(inputs[1].shape == input, "the input is \(inputs[1].shape), expected \(input)")
      }
      try requireEpilogue(epilogue, inputs, output: input)
      return [forward]
    case .batchNorm:
      try requireChannels(inputs[0], inputs[1...])
      return [inputs[0]]
    case .batchNormTraining(_, _, let epilogue):
      try requireChannels(inputs[0], inputs[1...4])
      if epilogue.addsResidual {
        try require(inputs[5] == inputs[0], "the residual is \(inputs[5]), the input \(inputs[0])")
      }
      let values = inputs[0].shape.elementCount / max(1, inputs[0].shape[1])
      try require(
        values > 1,
        "batch norm cannot train on one value a channel (input \(inputs[0].shape)); use a batch of at least 2")
      let channel = inputs[1]
      return [inputs[0], channel, channel, channel, channel]
    case .batchNormGradient(let attributes):
      try require(inputs[0] == inputs[1], "the gradient is \(inputs[0]), the input \(inputs[1])")
      try requireChannels(inputs[1], inputs[2...4])
      switch attributes.mask {
      case .output: try require(inputs[5] == inputs[1], "the output is \(inputs[5]), the input \(inputs[1])")
      case .shift: try requireChannels(inputs[1], inputs[5...5])
      case nil: break
      }
      if attributes.addsResidual, let residual = inputs.last {
        try require(residual == inputs[1], "the residual is \(residual), the input \(inputs[1])")
      }
      return [inputs[1], inputs[2], inputs[2]] + (attributes.returnsMasked ? [inputs[0]] : [])
    case .standardize(let axis, _):
      var statistics = inputs[0]
      try require(statistics.shape.dimensions.indices.contains(axis), "there is no axis \(axis) in \(statistics.shape)")
      statistics.shape[axis] = 1
      return [inputs[0], statistics]
    case .standardizeGradient(let axis):
      var statistics = inputs[1]
      try require(statistics.shape.dimensions.indices.contains(axis), "there is no axis \(axis) in \(statistics.shape)")
      statistics.shape[axis] = 1
      try require(
        inputs[0] == inputs[1] && inputs[2] == statistics,
        "the gradient is \(inputs[0]), the output \(inputs[1]), its statistics \(inputs[2])")
      return [inputs[1]]
    case .choose:
      try require(
        inputs[0] == inputs[1] && inputs[1] == inputs[2],
        "condition \(inputs[0]) and choices \(inputs[1]) and \(inputs[2]) differ")
      return [inputs[1]]
    case .argmax(let axis):
      let shape = inputs[0].shape
      try require(
        shape.dimensions.indices.contains(axis) && shape[axis] > 0, "there is nothing along axis \(axis) of \(shape)")
      return [TensorType(try reducedShape(shape, [axis], false), .int32)]
    case .maxPoolIndices(let attributes):
      try require(attributes.kind == .max, "only maximum pooling has indices")
      try require(inputs[0].shape.elementCount < 1 << 31, "\(inputs[0].shape) has too many elements for int32 indices")
      return [TensorType(try poolType(attributes, inputs[0]).shape, .int32)]
    case .resample(let resampling):
      return [TensorType(try resampling.outputShape(of: inputs[0].shape), inputs[0].dtype)]
    case .resampleGradient(let resampling, let input):
      let expected = try resampling.outputShape(of: input)
      try require(inputs[0].shape == expected, "the output's gradient is \(inputs[0].shape), expected \(expected)")
      return [TensorType(input, inputs[0].dtype)]
    case .gatherElements(let axis):
      try requireIndices(inputs[1], into: inputs[0].shape, axis: axis)
      return [TensorType(inputs[1].shape, inputs[0].dtype)]
    case .scatterElements(let axis, let extent):
      try require(inputs[0].shape == inputs[1].shape, "the elements are \(inputs[0]), their indices \(inputs[1])")
      try requireIndices(inputs[1], into: inputs[0].shape, axis: axis)
      try require((0..<(1 << 31)).contains(extent), "the extent is \(extent)")
      var output = inputs[0]
      output.shape[axis] = extent
      return [output]
    case .unary: return [inputs[0]]
    case .unaryGradient:
      try require(
        inputs[0].shape == inputs[1].shape, "the gradient is \(inputs[0].shape), the input \(inputs[1].shape)")
      return [inputs[1]]
    case .binary:
      try require(inputs[0].dtype == inputs[1].dtype, "element types differ: \(inputs[0].dtype) and \(inputs[1].dtype)")
      return [TensorType(try broadcastShape(inputs[0].shape, inputs[1].shape), inputs[0].dtype)]
    case .dropout(let rate, _):
      try require(rate >= 0 && rate < 1, "the rate is \(rate), expected 0 ..< 1")
      try require(inputs[1] == TensorType([2], .int64), "the key is \(inputs[1]), expected [seed, step] of int64")
      return [inputs[0]]
    case .cast(let dtype): return [TensorType(inputs[0].shape, dtype)]
    case .reduce(_, let axes, let keepsDimensions):
      return [TensorType(try reducedShape(inputs[0].shape, axes, keepsDimensions), inputs[0].dtype)]
    case .softmax(let axis), .logSoftmax(let axis), .softmaxGradient(let axis, _):
      try require(inputs[0].shape.dimensions.indices.contains(axis), "there is no axis \(axis) in \(inputs[0].shape)")
      if inputs.count == 2 {
        try require(inputs[0] == inputs[1], "the gradient is \(inputs[0]), the output \(inputs[1])")
      }
      return [inputs[0]]
    case .crossEntropy(_, let isWeighted):
      try requireLabels(inputs[0], inputs[1], weights: isWeighted ? inputs[2] : nil)
      return [TensorType(.scalar, inputs[0].dtype)]
    case .crossEntropyGradient(_, let isWeighted):
      try require(inputs[0].shape.elementCount == 1, "the loss's gradient is \(inputs[0].shape), expected one number")
      try requireLabels(inputs[1], inputs[2], weights: isWeighted ? inputs[3] : nil)
      return [inputs[1]]
    case .reshape(let shape):
      try require(
        shape.elementCount == inputs[0].shape.elementCount,
        "\(inputs[0].shape) has \(inputs[0].shape.elementCount) elements, \(shape) has \(shape.elementCount)")
      try require(shape.dimensions.allSatisfy { $0 >= 0 }, "the shape \(shape) has a negative extent")
      return [TensorType(shape, inputs[0].dtype)]
    case .transpose(let permutation):
      let shape = inputs[0].shape
      try require(
        permutation.sorted() == Array(0..<shape.rank), "\(permutation) is no permutation of the axes of \(shape)")
      return [TensorType(Shape(permutation.map { shape[$0] }), inputs[0].dtype)]
    case .broadcast(let shape):
      try require(
        (try? broadcastShape(inputs[0].shape, shape)) == shape, "\(inputs[0].shape) does not broadcast to \(shape)")
      return [TensorType(shape, inputs[0].dtype)]
    case .concatenate(let axis): return [try concatenatedType(axis, inputs)]
    case .slice(let attributes):
      try requireSlice(attributes, of: inputs[0].shape)
      return [TensorType(Shape(attributes.counts), inputs[0].dtype)]
    case .sliceGradient(let attributes, let input):
      try requireSlice(attributes, of: input)
      try require(inputs[0].shape.dimensions == attributes.counts, "the gradient is \(inputs[0].shape)")
      return [TensorType(input, inputs[0].dtype)]
    case .pad(let before, let after, _):
      let shape = inputs[0].shape
      try require(
        before.count == shape.rank && after.count == shape.rank && (before + after).allSatisfy { $0 >= 0 },
        "padding \(before) and \(after) does not fit the axes of \(shape)")
      return [TensorType(Shape((0..<shape.rank).map { before[$0] + shape[$0] + after[$0] }), inputs[0].dtype)]
    case .fill(_, let shape, let dtype):
      try require(shape.dimensions.allSatisfy { $0 >= 0 }, "the shape \(shape) has a negative extent")
      return [TensorType(shape, dtype)]
    case .clipFactor: return [TensorType(.scalar), TensorType(.scalar)]
    case .sgd, .adam:
      let parameter = inputs[0]
      for state in [inputs[1]] + inputs[4...] {
        try require(state.shape == parameter.shape, "the parameter is \(parameter.shape), its gradient \(state.shape)")
      }
      try require(inputs[2].shape.elementCount == 1, "the factor is \(inputs[2].shape), expected one number")
      try require(inputs[3].shape == [2], "the rate is \(inputs[3].shape), expected [learning rate, step]")
      return [parameter] + inputs[4...]
    }
  }

  /// How many inputs the operation takes; `nil` if any number from one up.
  public var inputCount: Int? {
    switch self {
    case .conv(let attributes), .convTransposed(let attributes, _):
      2 + (attributes.hasBias ? 1 : 0) + attributes.epilogue.inputCount
    case .linear(let hasBias, let epilogue): 2 + (hasBias ? 1 : 0) + epilogue.inputCount
    case .matmul(_, _, let epilogue): 2 + epilogue.inputCount
    case .convWeightGradient, .unaryGradient, .binary, .dropout, .softmaxGradient,
      .gatherElements,
      .scatterElements:
      2
    case .poolGradient(let attributes, _, let epilogue): (attributes.kind == .max ? 2 : 1) + epilogue.inputCount
    case .batchNorm: 5
    case .batchNormTraining(_, _, let epilogue): 5 + (epilogue.addsResidual ? 1 : 0)
    case .batchNormGradient(let attributes): 5 + (attributes.mask == nil ? 0 : 1) + (attributes.addsResidual ? 1 : 0)
    case .crossEntropy(_, let isWeighted): isWeighted ? 3 : 2
    case .crossEntropyGradient(_, let isWeighted): isWeighted ? 4 : 3
    case .pool, .unary, .cast, .reduce, .softmax, .logSoftmax, .reshape, .transpose, .broadcast, .slice,
      .sliceGradient, .pad, .maxPoolIndices, .standardize, .argmax, .resample, .resampleGradient:
      1
    case .standardizeGradient, .choose: 3
    case .fill: 0
    case .concatenate, .clipFactor: nil
    case .sgd(let attributes): attributes.momentum == 0 ? 4 : 5
    case .adam: 6
    }
  }

  private func checkInputCount(_ count: Int) throws(ShapeError) {
    guard let expected = inputCount else {
      return try require(count > 0, "needs at least one input")
    }
    try require(count == expected, "takes \(expected) inputs, got \(count)")
  }

  func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ShapeError) {
    if !condition { throw ShapeError(message: "\(name): \(message())") }
  }
}

extension Operation {
  private func linearType(_ hasBias: Bool, _ epilogue: Epilogue, _ inputs: [TensorType]) throws(ShapeError)
    -> TensorType
  {
    let (input, weight) = (inputs[0].shape, inputs[1].shape)
    try require(weight.rank == 2, "the weight \(weight) must be [out, in]")
    try require(
      weight[1] > 0 || input.dimensions.last == 0,
      "the layer was declared without its input features; resolve the model for an input shape first")
    try require(
      input.rank >= 1 && input[input.rank - 1] == weight[1],
      "the weight \(weight) takes \(weight[1]) features, but the input \(input) has \(input.dimensions.last ?? 1)")
    let output = Shape(input.dimensions.dropLast() + [weight[0]])
    if hasBias { try require(inputs[2].shape == [weight[0]], "the bias is \(inputs[2].shape), expected \(weight[0])") }
    try requireEpilogue(epilogue, inputs, output: output)
    return TensorType(output, inputs[0].dtype)
  }

  func requireEpilogue(_ epilogue: Epilogue, _ inputs: [TensorType], output: Shape) throws(ShapeError) {
    for (name, input) in zip(epilogue.inputNames, inputs.suffix(epilogue.inputCount)) {
      try require(input.shape == output, "the \(name) is \(input.shape), the output \(output)")
    }
  }

  private func matmulType(_ transposesA: Bool, _ transposesB: Bool, _ inputs: [TensorType]) throws(ShapeError)
    -> TensorType
  {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    try require(a.rank >= 2 && b.rank >= 2, "needs matrices, got \(a) and \(b)")
    let (m, k) = transposesA ? (a[a.rank - 1], a[a.rank - 2]) : (a[a.rank - 2], a[a.rank - 1])
    let (k2, n) = transposesB ? (b[b.rank - 1], b[b.rank - 2]) : (b[b.rank - 2], b[b.rank - 1])
    try require(k == k2, "inner extents differ: \(k) and \(k2) in \(a) and \(b)")
    let batch = try broadcastShape(Shape(Array(a.dimensions.dropLast(2))), Shape(Array(b.dimensions.dropLast(2))))
    return TensorType(Shape(batch.dimensions + [m, n]), inputs[0].dtype)
  }

  private func requireChannels(_ input: TensorType, _ vectors: ArraySlice<TensorType>) throws(ShapeError) {
    try require(input.shape.rank >= 2, "the input must be [batch, channels, ...], but it is \(input.shape)")
    for vector in vectors {
      try require(
        vector.shape == [input.shape[1]],
        "the layer has \(vector.shape) channels, but the input \(input.shape) has \(input.shape[1])")
    }
  }

  private func requireLabels(_ logits: TensorType, _ labels: TensorType, weights: TensorType?) throws(ShapeError) {
    try require(logits.shape.rank >= 2, "logits must be [batch, classes, ...], but they are \(logits.shape)")
    var expected = logits.shape
    expected.dimensions.remove(at: 1)
    try require(
      labels.shape == expected,
      "labels for logits \(logits.shape) must be \(expected), but they are \(labels.shape)")
    try require(labels.dtype == .int32, "labels must be int32, but they are \(labels.dtype)")
    if let weights {
      try require(
        weights.shape == [logits.shape[1]], "\(logits.shape[1]) classes need as many weights: \(weights.shape)")
    }
  }

  private func concatenatedType(_ axis: Int, _ inputs: [TensorType]) throws(ShapeError) -> TensorType {
    var output = inputs[0]
    try require(output.shape.dimensions.indices.contains(axis), "there is no axis \(axis) in \(output.shape)")
    for input in inputs.dropFirst() {
      var expected = output.shape
      if input.shape.rank == expected.rank { expected[axis] = input.shape[axis] }
      try require(
        input.shape == expected && input.dtype == output.dtype,
        "\(input) does not join \(inputs[0]) along axis \(axis)" + difference(input.shape, expected))
      output.shape[axis] += input.shape[axis]
    }
    return output
  }

  private func requireSlice(_ slice: SliceAttributes, of shape: Shape) throws(ShapeError) {
    try require(
      slice.starts.count == shape.rank && slice.counts.count == shape.rank && slice.steps.count == shape.rank,
      "the slice has \(slice.starts.count) axes, the input \(shape)")
    for axis in 0..<shape.rank {
      let (start, count, step) = (slice.starts[axis], slice.counts[axis], slice.steps[axis])
      let last = start + (count - 1) * step
      try require(
        step > 0 && count >= 0 && (count == 0 || start >= 0 && last < shape[axis]),
        "elements \(start) to \(last) are outside axis \(axis) of \(shape)")
    }
  }

  private func requireIndices(_ indices: TensorType, into shape: Shape, axis: Int) throws(ShapeError) {
    try require(indices.dtype == .int32, "the indices must be int32, but they are \(indices.dtype)")
    try require(shape.dimensions.indices.contains(axis), "there is no axis \(axis) in \(shape)")
    var expected = shape
    if indices.shape.rank == shape.rank { expected[axis] = indices.shape[axis] }
    try require(
      indices.shape == expected,
      "the indices are \(indices.shape), but may differ from \(shape) only along axis \(axis)")
  }

  private func reducedShape(_ shape: Shape, _ axes: [Int], _ keepsDimensions: Bool) throws(ShapeError) -> Shape {
    try require(
      axes == Array(Set(axes)).sorted() && axes.allSatisfy(shape.dimensions.indices.contains),
      "axes \(axes) do not fit \(shape)")
    if keepsDimensions {
      return Shape(shape.dimensions.enumerated().map { axes.contains($0.offset) ? 1 : $0.element })
    }
    return Shape(shape.dimensions.enumerated().filter { !axes.contains($0.offset) }.map(\.element))
  }

  private func broadcastShape(_ a: Shape, _ b: Shape) throws(ShapeError) -> Shape {
    guard let shape = Shape.broadcast(a, b) else {
      throw ShapeError(message: "\(name): \(a) and \(b) do not broadcast" + (a.rank == b.rank ? difference(a, b) : ""))
    }
    return shape
  }

  /// Which extents differ, where shapes have the same rank.
  private func difference(_ a: Shape, _ b: Shape) -> String {
    guard a.rank == b.rank, let axis = (0..<a.rank).first(where: { a[$0] != b[$0] }) else { return "" }
    return ": along axis \(axis) they have \(a[axis]) and \(b[axis])"
  }
}

extension Shape {
  /// The shape that both broadcast to by NumPy's rule, if there is one.
  public static func broadcast(_ a: Shape, _ b: Shape) -> Shape? {
    let rank = max(a.rank, b.rank)
    var extents = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let x = axis < rank - a.rank ? 1 : a[axis - rank + a.rank]
      let y = axis < rank - b.rank ? 1 : b[axis - rank + b.rank]
      guard x == y || x == 1 || y == 1 else { return nil }
      extents[axis] = x == 1 ? y : x
    }
    return Shape(extents)
  }
}

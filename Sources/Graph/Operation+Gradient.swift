/// What gradient rules are written against: something that applies operations to values. One builder appends nodes to
/// a graph, another computes at once.
public protocol OperationBuilder {
  associatedtype Value
  func type(of value: Value) -> TensorType
  mutating func apply(_ operation: Operation, _ inputs: [Value]) -> [Value]
}

extension OperationBuilder {
  func shape(of value: Value) -> Shape { type(of: value).shape }

  /// Applies an operation that has one output.
  public mutating func callAsFunction(_ operation: Operation, _ inputs: Value...) -> Value {
    apply(operation, inputs)[0]
  }

  mutating func fill(_ value: Double, like other: Value) -> Value {
    apply(.fill(value, shape: shape(of: other), dtype: type(of: other).dtype), [])[0]
  }

  mutating func scale(_ value: Value, by factor: Double) -> Value {
    self(.unary(.affine(scale: factor, shift: 0)), value)
  }

  /// Sums a gradient over the axes along which `shape` was broadcast.
  mutating func unbroadcast(_ gradient: Value, to target: Shape) -> Value {
    let from = shape(of: gradient)
    if from == target { return gradient }
    let added = from.rank - target.rank
    let axes = (0..<from.rank).filter { $0 < added || (target[$0 - added] == 1 && from[$0] != 1) }
    let summed = axes.isEmpty ? gradient : self(.reduce(.sum, axes: axes, keepsDimensions: true), gradient)
    return shape(of: summed) == target ? summed : self(.reshape(target), summed)
  }
}

extension Operation {
  /// The gradient rule: gradients of the inputs from those of the outputs.
  ///
  /// - Parameters:
  ///   - inputs: the node's inputs.
  ///   - outputs: the node's outputs.
  ///   - upstream: the gradient of each output; `nil` where nothing depends on it.
  ///   - needed: which inputs' gradients are wanted; others may be left out.
  /// - Returns: the gradient of each input; `nil` where it is zero or not wanted.
  func gradients<Builder: OperationBuilder>(
    inputs: [Builder.Value], outputs: [Builder.Value], upstream: [Builder.Value?], needed: [Bool],
    in b: inout Builder
  ) -> [Builder.Value?] {
    var result = [Builder.Value?](repeating: nil, count: inputs.count)
    guard let dy = upstream[0] else { return result }
    switch self {
    case .conv(let attributes):
      if attributes.epilogue != .none { fail("differentiate before fusing: \(name) has an epilogue") }
      let plain = attributes.withoutExtras
      if needed[0] { result[0] = b(.convTransposed(plain, output: b.shape(of: inputs[0])), dy, inputs[1]) }
      if needed[1] { result[1] = b(.convWeightGradient(plain, weight: b.shape(of: inputs[1])), inputs[0], dy) }
      if attributes.hasBias && needed[2] { result[2] = channelSums(dy, &b) }
    case .convTransposed(let attributes, _):
      if attributes.epilogue != .none { fail("differentiate before fusing: \(name) has an epilogue") }
      // Linear in both arguments: <dx', transposed(dy, w)> = <conv(dx', w), dy>.
      let plain = attributes.withoutExtras
      if needed[0] { result[0] = b(.conv(plain), dy, inputs[1]) }
      if needed[1] { result[1] = b(.convWeightGradient(plain, weight: b.shape(of: inputs[1])), dy, inputs[0]) }
      if attributes.hasBias && needed[2] { result[2] = channelSums(dy, &b) }
    case .convWeightGradient(let attributes, _, let sumsGradient):
      if sumsGradient { fail("differentiate before fusing: \(name) sums its gradient") }
      if needed[0] { result[0] = b(.convTransposed(attributes, output: b.shape(of: inputs[0])), inputs[1], dy) }
      if needed[1] { result[1] = b(.conv(attributes.withoutExtras), inputs[0], dy) }
    case .linear(let hasBias, let epilogue):
      if epilogue != .none { fail("differentiate before fusing: \(name) has an epilogue") }
      let (input, weight) = (b.shape(of: inputs[0]), b.shape(of: inputs[1]))
      if needed[0] { result[0] = b(.matmul(transposesA: false, transposesB: false), rows(dy, &b), inputs[1]) }
      if needed[0] && input.rank != 2 { result[0] = b(.reshape(input), result[0]!) }
      if needed[1] {
        result[1] = b(.matmul(transposesA: true, transposesB: false), rows(dy, &b), rows(inputs[0], &b))
        assert(b.shape(of: result[1]!) == weight)
      }
      if hasBias && needed[2] { result[2] = b(.reduce(.sum, axes: [0], keepsDimensions: false), rows(dy, &b)) }
    case .matmul(let transposesA, let transposesB, let epilogue):
      if epilogue != .none { fail("differentiate before fusing: \(name) has an epilogue") }
      // Rows of all matrices on the left meet the same matrix on the right: one sum over all of them.
      let sumsRows = !transposesA && b.shape(of: inputs[1]).rank == 2 && b.shape(of: inputs[0]).rank > 2
      if needed[0] {
        let gradient =
          transposesA
          ? b(.matmul(transposesA: transposesB, transposesB: true), inputs[1], dy)
          : b(.matmul(transposesA: false, transposesB: !transposesB), dy, inputs[1])
        result[0] = b.unbroadcast(gradient, to: b.shape(of: inputs[0]))
      }
      if needed[1] && sumsRows {
        let (x, dy) = (rows(inputs[0], &b), rows(dy, &b))
        result[1] = b(.matmul(transposesA: true, transposesB: false), transposesB ? dy : x, transposesB ? x : dy)
      } else if needed[1] {
        let gradient =
          transposesB
          ? b(.matmul(transposesA: true, transposesB: transposesA), dy, inputs[0])
          : b(.matmul(transposesA: !transposesA, transposesB: false), inputs[0], dy)
        result[1] = b.unbroadcast(gradient, to: b.shape(of: inputs[1]))
      }
    case .pool(let attributes):
      let gradient = Operation.poolGradient(attributes, input: b.shape(of: inputs[0]))
      result[0] = attributes.kind == .max ? b(gradient, dy, inputs[0]) : b(gradient, dy)
    case .batchNorm(let epsilon, let activation):
      if activation != nil { fail("differentiate before fusing: \(name) has an activation") }
      result = batchNormGradients(epsilon: epsilon, dy, inputs, needed, &b)
    case .batchNormTraining(_, _, let epilogue):
      if epilogue != .none { fail("differentiate before fusing: \(name) has an epilogue") }
      let gradients = b.apply(.batchNormGradient(), [dy, inputs[0], inputs[1], outputs[1], outputs[2]])
      for index in 0..<3 { result[index] = gradients[index] }
    case .standardize(let axis, _):
      result[0] = b(.standardizeGradient(axis: axis), dy, outputs[0], outputs[1])
    case .choose:
      let zero = b.fill(0, like: dy)
      if needed[1] { result[1] = b(.choose, inputs[0], dy, zero) }
      if needed[2] { result[2] = b(.choose, inputs[0], zero, dy) }
    case .resample(let resampling):
      result[0] = b(.resampleGradient(resampling, input: b.shape(of: inputs[0])), dy)
    case .resampleGradient(let resampling, _): result[0] = b(.resample(resampling), dy)
    case .gatherElements(let axis):
      result[0] = b(.scatterElements(axis: axis, extent: b.shape(of: inputs[0])[axis]), dy, inputs[1])
    case .scatterElements(let axis, _): result[0] = b(.gatherElements(axis: axis), dy, inputs[1])
    case .unary(let function): result[0] = gradient(of: function, dy, inputs[0], outputs[0], &b)
    case .binary(let function):
      let (da, db) = gradients(of: function, dy, inputs, outputs[0], needed, &b)
      result[0] = da.map { b.unbroadcast($0, to: b.shape(of: inputs[0])) }
      result[1] = db.map { b.unbroadcast($0, to: b.shape(of: inputs[1])) }
    case .dropout: result[0] = b(self, dy, inputs[1])
    case .cast: result[0] = b(.cast(b.type(of: inputs[0]).dtype), dy)
    case .reduce(let reduction, let axes, _):
      result[0] = gradient(of: reduction, axes, dy, inputs[0], outputs[0], &b)
    case .softmax(let axis): result[0] = b(.softmaxGradient(axis: axis, isLog: false), dy, outputs[0])
    case .logSoftmax(let axis): result[0] = b(.softmaxGradient(axis: axis, isLog: true), dy, outputs[0])
    case .crossEntropy(let smoothing, let isWeighted):
      let gradient = Operation.crossEntropyGradient(labelSmoothing: smoothing, isWeighted: isWeighted)
      result[0] = b.apply(gradient, [dy] + inputs)[0]
    case .reshape: result[0] = b(.reshape(b.shape(of: inputs[0])), dy)
    case .transpose(let permutation):
      result[0] = b(.transpose(permutation.indices.map { permutation.firstIndex(of: $0)! }), dy)
    case .broadcast: result[0] = b.unbroadcast(dy, to: b.shape(of: inputs[0]))
    case .concatenate(let axis):
      var start = 0
      for (index, input) in inputs.enumerated() {
        let shape = b.shape(of: input)
        var starts = [Int](repeating: 0, count: shape.rank)
        starts[axis] = start
        let slice = SliceAttributes(
          starts: starts, counts: shape.dimensions, steps: .init(repeating: 1, count: shape.rank))
        if needed[index] { result[index] = b(.slice(slice), dy) }
        start += shape[axis]
      }
    case .slice(let attributes): result[0] = b(.sliceGradient(attributes, input: b.shape(of: inputs[0])), dy)
    case .sliceGradient(let attributes, _): result[0] = b(.slice(attributes), dy)
    case .pad(let before, _, _):
      let shape = b.shape(of: inputs[0])
      let steps = [Int](repeating: 1, count: shape.rank)
      result[0] = b(.slice(SliceAttributes(starts: before, counts: shape.dimensions, steps: steps)), dy)
    case .fill, .argmax, .maxPoolIndices: break
    case .poolGradient, .standardizeGradient, .batchNormGradient, .unaryGradient, .softmaxGradient,
      .crossEntropyGradient, .clipFactor,
      .sgd, .adam:
      fail("\(name) is itself part of a gradient or an update; second derivatives of it are not defined")
    }
    return result
  }

  /// Whether gradients flow through the operation; operations of a backward pass or an update are ends.
  public var isDifferentiable: Bool {
    switch self {
    case .poolGradient, .batchNormGradient, .unaryGradient, .softmaxGradient, .crossEntropyGradient, .clipFactor, .sgd,
      .adam, .fill, .argmax, .maxPoolIndices, .standardizeGradient:
      false
    case .cast(let dtype): dtype.isFloatingPoint
    default: true
    }
  }

  /// Of `[N, C, ...]`: the gradient of a bias.
  private func channelSums<Builder: OperationBuilder>(_ dy: Builder.Value, _ b: inout Builder) -> Builder.Value {
    b(.reduce(.sum, axes: [0] + Array(2..<b.shape(of: dy).rank), keepsDimensions: false), dy)
  }

  /// All axes but the last collapsed into one.
  private func rows<Builder: OperationBuilder>(_ value: Builder.Value, _ b: inout Builder) -> Builder.Value {
    let shape = b.shape(of: value)
    if shape.rank == 2 { return value }
    let columns = shape[shape.rank - 1]
    return b(.reshape([shape.elementCount / max(1, columns), columns]), value)
  }

  private func batchNormGradients<Builder: OperationBuilder>(
    epsilon: Double, _ dy: Builder.Value, _ inputs: [Builder.Value], _ needed: [Bool], _ b: inout Builder
  ) -> [Builder.Value?] {
    let shape = b.shape(of: inputs[0])
    let perChannel = Shape([shape[1]] + Array(repeating: 1, count: shape.rank - 2))
    let shifted = b(.unary(.affine(scale: 1, shift: epsilon)), inputs[4])
    let inverse = b(.unary(.reciprocal), b(.unary(.sqrt), shifted))
    var result = [Builder.Value?](repeating: nil, count: 5)
    if needed[0] {
      let factor = b(.binary(.multiply), inputs[1], inverse)
      result[0] = b(.binary(.multiply), dy, b(.reshape(perChannel), factor))
    }
    let axes = [0] + Array(2..<shape.rank)
    if needed[1] {
      let centred = b(.binary(.subtract), inputs[0], b(.reshape(perChannel), inputs[3]))
      let normalised = b(.binary(.multiply), centred, b(.reshape(perChannel), inverse))
      let product = b(.binary(.multiply), dy, normalised)
      result[1] = b(.reduce(.sum, axes: axes, keepsDimensions: false), product)
    }
    if needed[2] { result[2] = b(.reduce(.sum, axes: axes, keepsDimensions: false), dy) }
    // The statistics are constants of inference.
    return result
  }

  private func gradient<Builder: OperationBuilder>(
    of function: UnaryFunction, _ dy: Builder.Value, _ x: Builder.Value, _ y: Builder.Value, _ b: inout Builder
  ) -> Builder.Value? {
    switch function {
    case .relu, .relu6, .leakyReLU, .sigmoid, .tanh, .gelu, .geluTanh, .silu, .hardSwish, .hardSigmoid, .elu, .selu,
      .softplus, .mish, .clip:
      return b(.unaryGradient(function), dy, x)
    case .exp: return b(.binary(.multiply), dy, y)
    case .log: return b(.binary(.divide), dy, x)
    case .sqrt: return b(.binary(.divide), b.scale(dy, by: 0.5), y)
    case .negate: return b(.unary(.negate), dy)
    case .absolute: return b(.binary(.multiply), dy, b(.unary(.sign), x))
    case .square: return b(.binary(.multiply), b.scale(dy, by: 2), x)
    case .reciprocal: return b(.binary(.multiply), dy, b(.unary(.negate), b(.unary(.square), y)))
    case .sign, .floor, .ceil, .round, .not: return nil
    case .sine: return b(.binary(.multiply), dy, b(.unary(.cosine), x))
    case .cosine: return b(.binary(.multiply), dy, b(.unary(.negate), b(.unary(.sine), x)))
    case .errorFunction:
      let density = b(.unary(.exp), b(.unary(.negate), b(.unary(.square), x)))
      return b(.binary(.multiply), dy, b.scale(density, by: 2 / Double.pi.squareRoot()))
    case .affine(let scale, _): return b.scale(dy, by: scale)
    }
  }

  private func gradients<Builder: OperationBuilder>(
    of function: BinaryFunction, _ dy: Builder.Value, _ inputs: [Builder.Value], _ y: Builder.Value, _ needed: [Bool],
    _ b: inout Builder
  ) -> (Builder.Value?, Builder.Value?) {
    let (x0, x1) = (inputs[0], inputs[1])
    switch function {
    case .add: return (dy, dy)
    case .subtract: return (dy, needed[1] ? b(.unary(.negate), dy) : nil)
    case .multiply:
      return (needed[0] ? b(.binary(.multiply), dy, x1) : nil, needed[1] ? b(.binary(.multiply), dy, x0) : nil)
    case .divide:
      let d0 = b(.binary(.divide), dy, x1)
      return (d0, needed[1] ? b(.unary(.negate), b(.binary(.multiply), d0, y)) : nil)
    case .maximum, .minimum:
      // Ties share the gradient equally, as in PyTorch.
      let wins: BinaryFunction = function == .maximum ? .greater : .less
      let tie = b.scale(b(.binary(.equal), x0, x1), by: 0.5)
      let first = b(.binary(.add), b(.binary(wins), x0, x1), tie)
      let second = b(.binary(.add), b(.binary(wins), x1, x0), tie)
      return (b(.binary(.multiply), dy, first), b(.binary(.multiply), dy, second))
    case .power:
      // As in PyTorch: 0 for an exponent of 0, and of the exponent for a base of 0, where the formulas are not numbers.
      let exponent = b(.unary(.affine(scale: 1, shift: -1)), b(.binary(.add), x1, b(.unary(.not), x1)))
      let slope = b(.binary(.multiply), x1, b(.binary(.power), x0, exponent))
      let first = b(.binary(.multiply), dy, slope)
      guard needed[1] else { return (first, nil) }
      let isFlat = b(.binary(.and), b(.unary(.not), x0), b(.binary(.greaterOrEqual), x1, b.fill(0, like: x1)))
      let logarithm = b(.unary(.log), b(.binary(.add), x0, isFlat))
      return (first, b(.binary(.multiply), dy, b(.binary(.multiply), y, logarithm)))
    case .greater, .less, .equal, .greaterOrEqual, .lessOrEqual, .and, .or, .exclusiveOr: return (nil, nil)
    }
  }

  private func gradient<Builder: OperationBuilder>(
    of reduction: Reduction, _ axes: [Int], _ dy: Builder.Value, _ x: Builder.Value, _ y: Builder.Value,
    _ b: inout Builder
  ) -> Builder.Value {
    let shape = b.shape(of: x)
    let kept = Shape(shape.dimensions.enumerated().map { axes.contains($0.offset) ? 1 : $0.element })
    let spread = b(.broadcast(shape), b(.reshape(kept), dy))
    switch reduction {
    case .sum: return spread
    case .mean: return b.scale(spread, by: 1 / Double(axes.reduce(1) { $0 * shape[$1] }))
    case .maximum, .minimum:
      // Ties share the gradient equally, as PyTorch's amax and amin do.
      let winners = b(.binary(.equal), x, b(.broadcast(shape), b(.reshape(kept), y)))
      let count = b(.reduce(.sum, axes: axes, keepsDimensions: true), winners)
      return b(.binary(.multiply), spread, b(.binary(.divide), winners, count))
    case .product:
      // The product of all others: of the numbers that are not 0, it is 0 unless there is no other 0.
      let isZero = b(.unary(.not), x)
      let safe = b(.binary(.add), x, isZero)
      let product = b(.reduce(.product, axes: axes, keepsDimensions: true), safe)
      let zeros = b(.reduce(.sum, axes: axes, keepsDimensions: true), isZero)
      let others = b(.binary(.subtract), b(.broadcast(shape), zeros), isZero)
      let counts = b(.unary(.not), others)
      let quotient = b(.binary(.divide), b(.broadcast(shape), product), safe)
      return b(.binary(.multiply), spread, b(.binary(.multiply), quotient, counts))
    }
  }
}

import Layers

extension ONNXOperators {
  static let normalization: [String: ONNXOperator] = [
    "BatchNormalization": { try $0.batchNormalization() },
    "InstanceNormalization": { call in
      let x = try call.input()
      guard x.rank > 2 else { throw call.invalid("the input \(x.shape) has no spatial axis") }
      let y = try call.standardize(x, rows: x.shape[0] * x.shape[1], call.number("epsilon", 1e-5)).output
      let scale = try call.perChannel(call.input(1), rank: x.rank)
      return [try call.add(call.multiply(y, scale), call.perChannel(call.input(2), rank: x.rank))]
    },
    "GroupNormalization": { [try $0.groupNormalization()] },
    "LayerNormalization": { call in
      let x = try call.input()
      let first = try call.axis(call.integer("axis", -1), rank: x.rank)
      let result = try call.standardize(x, from: first, call.number("epsilon", 1e-5))
      let scaled = try call.multiply(result.output, call.input(1))
      let output = try call.optional(2).map { try call.add(scaled, $0) } ?? scaled
      if call.node.outputs.count == 1 { return [output] }
      let mean = try call.reduce(.mean, x, Array(first..<x.rank))
      return [output, mean, try call.reshape(result.inverseDeviation, mean.shape.dimensions)]
    },
    "MeanVarianceNormalization": { call in
      let x = try call.input()
      let axes = try call.axes(call.integers("axes") ?? [0, 2, 3], rank: x.rank)
      let mean = try call.reduce(.mean, x, axes)
      let centred = try call.subtract(x, mean)
      let variance = try call.reduce(.mean, call.unary(.square, centred), axes)
      return [try call.divide(centred, call.affine(call.unary(.sqrt, variance), shift: 1e-9))]
    },
    "LpNormalization": { call in
      let x = try call.input()
      let axis = try call.axis(call.integer("axis", -1), rank: x.rank)
      let norm =
        try call.integer("p", 2) == 2
        ? call.root(call.reduce(.sum, call.unary(.square, x), [axis]))
        : call.reduce(.sum, call.unary(.absolute, x), [axis])
      // Zeros stay zeros.
      return [try call.divide(x, call.add(norm, call.unary(.not, norm)))]
    },
    "LRN": { [try $0.localResponseNormalization()] },
    "Dropout": { try $0.dropout() },
    "Softmax": { call in [try call.softmax { try call.compute(.softmax(axis: $1), $0) }] },
    "LogSoftmax": { call in [try call.softmax { try call.compute(.logSoftmax(axis: $1), $0) }] },
    "Hardmax": { call in
      [
        try call.softmax { x, axis in
          let best = try call.cast(call.argument(x, axis: axis, keeps: true), to: x.dtype)
          let places = (0..<x.shape[axis]).map { Double($0) }
          let shape = Shape((0..<x.rank).map { $0 == axis ? x.shape[axis] : 1 })
          return try call.binary(.equal, .made(places, shape, x.dtype), best)
        }
      ]
    },
  ]
}

extension ONNXCall {
  /// `(x - mean) / sqrt(variance + epsilon)` of each of so many rows that the tensor divides into.
  fileprivate func standardize(_ x: Tensor, rows: Int, _ epsilon: Double) throws -> (
    output: Tensor, inverseDeviation: Tensor
  ) {
    guard rows > 0, x.elementCount > 0 else { throw invalid("the input \(x.shape) is empty") }
    let flat = try reshape(x, [rows, x.elementCount / rows])
    let results = try compute(.standardize(axis: 1, epsilon: epsilon), [flat])
    return (try reshape(results[0], x.shape.dimensions), results[1])
  }

  /// The same over all axes from one on together.
  fileprivate func standardize(_ x: Tensor, from first: Int, _ epsilon: Double) throws -> (
    output: Tensor, inverseDeviation: Tensor
  ) {
    let extents = x.shape.dimensions
    guard x.elementCount > 0, x.elementCount == extents[...first].reduce(1, *) else {
      return try standardize(x, rows: extents[..<first].reduce(1, *), epsilon)
    }
    let results = try compute(.standardize(axis: first, epsilon: epsilon), [x])
    return (results[0], results[1])
  }

  /// Wu and He, 2018. Scale and shift are those of groups up to version 20, of channels since.
  fileprivate func groupNormalization() throws -> Tensor {
    let x = try input()
    let groups = try integer("num_groups", 0)
    guard x.rank > 1, 1...1 << 24 ~= groups, x.shape[1] % groups == 0 else {
      throw invalid("\(groups) groups of the channels of \(x.shape)")
    }
    func perChannel(_ vector: Tensor) throws -> Tensor {
      guard vector.elementCount == groups, groups != x.shape[1] else {
        return try self.perChannel(vector, rank: x.rank)
      }
      let repeated = try compute(.broadcast([groups, x.shape[1] / groups]), reshape(vector, [groups, 1]))
      return try self.perChannel(repeated, rank: x.rank)
    }
    let y = try standardize(x, rows: x.shape[0] * groups, number("epsilon", 1e-5)).output
    return try add(multiply(y, perChannel(input(1))), perChannel(input(2)))
  }

  /// While a model is trained it takes the statistics of the batch, as a `BatchNorm` layer does.
  fileprivate func batchNormalization() throws -> [Tensor] {
    let tensors = try (0..<5).map(input)
    let (epsilon, momentum) = (try number("epsilon", 1e-5), try number("momentum", 0.9))
    if let tracer = Tracer.current, tracer.isTraining, !tracer.isFrozen(tensors[1]),
      tensors.contains(where: { $0.symbol != nil })
    {
      let outputs = try compute(.batchNormTraining(epsilon: epsilon, momentum: 1 - momentum), tensors)
      tracer.recordUpdate(of: tensors[3], to: outputs[3])
      tracer.recordUpdate(of: tensors[4], to: outputs[4])
      return [outputs[0]]
    }
    guard try integer("training_mode", 0) != 0 else { return [try compute(.batchNorm(epsilon: epsilon), tensors)[0]] }

    // ONNX's own training mode moves the running variance towards the biased one.
    let x = tensors[0]
    let axes = (0..<x.rank).filter { $0 != 1 }
    let mean = try reduce(.mean, x, axes, keeps: false)
    let centred = try subtract(x, perChannel(mean, rank: x.rank))
    let variance = try reduce(.mean, unary(.square, centred), axes, keeps: false)
    func moved(_ running: Tensor, towards batch: Tensor) throws -> Tensor {
      try add(affine(running, scale: momentum), affine(batch, scale: 1 - momentum))
    }
    return [
      try compute(.batchNorm(epsilon: epsilon), x, tensors[1], tensors[2], mean, variance),
      try moved(tensors[3], towards: mean), try moved(tensors[4], towards: variance),
    ]
  }

  /// Krizhevsky et al., 2012: divides by the squares of neighbouring channels.
  fileprivate func localResponseNormalization() throws -> Tensor {
    let x = try input()
    let size = try integer("size", 1)
    guard x.rank > 1, 1...1024 ~= size else { throw invalid("a size of \(size) for \(x.shape)") }
    var (before, after) = ([Int](repeating: 0, count: x.rank), [Int](repeating: 0, count: x.rank))
    before[1] = (size - 1) / 2
    after[1] = size / 2
    let squares = try compute(.pad(before: before, after: after, value: 0), unary(.square, x))
    var sum = try slice(squares, axis: 1, 0..<x.shape[1])
    for shift in 1..<size { sum = try add(sum, slice(squares, axis: 1, shift..<shift + x.shape[1])) }
    let base = try affine(sum, scale: number("alpha", 1e-4) / Double(size), shift: number("bias", 1))
    return try divide(x, binary(.power, base, scalar(number("beta", 0.75), like: x)))
  }

  /// Drops only while a model is trained; a node that asks for it at other times draws numbers that nobody can repeat.
  fileprivate func dropout() throws -> [Tensor] {
    let x = try input()
    let rate = try double(1) ?? number("ratio", 0.5)
    if let tracer = Tracer.current, tracer.isTraining, x.symbol != nil, rate > 0, rate < 1 {
      let operation = Operation.dropout(rate: rate, stream: tracer.nextRandomStream())
      return try compute(operation, [x, tracer.randomKey()])
    }
    if let asks = optional(2), try integers(of: asks).contains(1), rate != 0 {
      throw unsupported("dropout outside of training")
    }
    let mask = Tensor.made(
      [Double](repeating: 1, count: node.outputs.count > 1 ? x.elementCount : 0),
      node.outputs.count > 1 ? x.shape : [0], .bool)
    return [x, mask]
  }

  /// Along one axis; before version 13, over all axes from one on together.
  fileprivate func softmax(_ function: (Tensor, Int) throws -> Tensor) throws -> Tensor {
    let x = try input()
    let axis = try axis(integer("axis", version < 13 ? 1 : -1), rank: x.rank)
    if version >= 13 { return try function(x, axis) }
    let rows = x.shape.dimensions[..<axis].reduce(1, *)
    return try reshape(function(reshape(x, [rows, x.elementCount / max(1, rows)]), 1), x.shape.dimensions)
  }
}

import Layers

extension ONNXOperators {
  static let pooling: [String: ONNXOperator] = [
    "MaxPool": { try $0.maxPool() },
    "MaxUnpool": { [try $0.maxUnpool()] },
    "AveragePool": { call in
      let kind = PoolAttributes.Kind.average(countsPadding: try call.integer("count_include_pad", 0) != 0)
      return [try call.compute(.pool(call.poolAttributes(kind)), call.input())]
    },
    "LpPool": { [try $0.lpPool()] },
    "GlobalAveragePool": { [try $0.reduce(.mean, $0.input(), $0.spatialAxes())] },
    "GlobalMaxPool": { [try $0.reduce(.maximum, $0.input(), $0.spatialAxes())] },
    "GlobalLpPool": { call in
      let axes = try call.spatialAxes()
      return [try call.norm(call.input()) { try call.reduce(.sum, $0, axes) }]
    },
  ]
}

extension ONNXCall {
  fileprivate func spatialAxes() throws -> [Int] {
    let rank = try input().rank
    guard rank > 2 else { throw invalid("the input has \(rank) axes and no spatial one") }
    return Array(2..<rank)
  }

  fileprivate func poolAttributes(_ kind: PoolAttributes.Kind) throws -> PoolAttributes {
    guard let kernel = try integers("kernel_shape") else { throw invalid("there is no kernel_shape") }
    let window = try window(kernel: kernel, spatial: Array(input().shape.spatial))
    return PoolAttributes(
      kind: kind, kernel: kernel, stride: window.stride, dilation: window.dilation,
      paddingBefore: window.paddingBefore, paddingAfter: window.paddingAfter,
      roundsUp: try integer("ceil_mode", 0) != 0)
  }

  fileprivate func maxPool() throws -> [Tensor] {
    let x = try input()
    let attributes = try poolAttributes(.max)
    // Kernels find no maximum among 8-bit numbers; every one of them is exact in float32.
    let y = try cast(compute(.pool(attributes), x.dtype == .uint8 ? cast(x, to: .float32) : x), to: x.dtype)
    if node.outputs.count < 2 { return [y] }

    // The graph counts within each feature map, ONNX over the whole tensor.
    guard x.elementCount <= 1 << 24 else { throw unsupported("indices into \(x.shape)") }
    let maps = x.shape[0] * x.shape[1]
    let area = x.shape.spatial.reduce(1, *)
    var indices = try cast(compute(.maxPoolIndices(attributes), cast(x, to: .float32)), to: .float32)
    if try integer("storage_order", 0) != 0 { indices = try columnMajor(indices, Array(x.shape.spatial)) }
    let starts = Tensor(
      (0..<maps).map { Float($0 * area) }, shape: Shape([x.shape[0], x.shape[1]] + x.shape.spatial.map { _ in 1 }))
    return [y, try cast(add(indices, starts), to: .int64)]
  }

  /// Row-major indices of a map, as if its first spatial axis were the fastest.
  private func columnMajor(_ indices: Tensor, _ extents: [Int]) throws -> Tensor {
    var (rest, result) = (indices, try affine(indices, scale: 0))
    for axis in extents.indices {
      let inner = Double(extents[(axis + 1)...].reduce(1, *))
      // Half an element keeps the quotient away from the whole numbers.
      let index = try unary(.floor, affine(rest, scale: 1 / inner, shift: 0.5 / inner))
      rest = try subtract(rest, affine(index, scale: inner))
      result = try add(result, affine(index, scale: Double(extents[..<axis].reduce(1, *))))
    }
    return result
  }

  /// Maxima back where they stood, zeros elsewhere.
  fileprivate func maxUnpool() throws -> Tensor {
    let (x, places) = (try input(), try input(1))
    guard let kernel = try integers("kernel_shape"), places.shape == x.shape, x.rank == kernel.count + 2,
      x.elementCount > 0
    else { throw invalid("indices \(places.shape) for \(x.shape)") }
    let window = try window(kernel: kernel, spatial: Array(x.shape.spatial))
    let smallest = kernel.indices.map { axis in
      (x.shape[axis + 2] - 1) * window.stride[axis] + kernel[axis] - window.paddingBefore[axis]
        - window.paddingAfter[axis]
    }
    // Indices are those of the smallest output that pooling could have come from.
    let source = try checked([x.shape[0], x.shape[1]] + smallest)
    let asked = try optional(2).map { try checked(integers(of: $0)) } ?? source
    guard source.elementCount <= 1 << 24, asked.rank == source.rank,
      zip(asked.dimensions, source.dimensions).allSatisfy({ $0 >= $1 })
    else { throw invalid("\(x.shape) does not unpool to \(asked)") }
    if isKnown(places), let wrong = try integers(of: places).first(where: { !(0..<source.elementCount ~= $0) }) {
      throw invalid("the index \(wrong) is outside of \(source)")
    }
    let y = try compute(
      .scatterElements(axis: 0, extent: source.elementCount), reshape(x, [x.elementCount]),
      cast(reshape(places, [x.elementCount]), to: .int32))
    let after = zip(asked.dimensions, source.dimensions).map { $0 - $1 }
    let whole = try reshape(y, source.dimensions)
    return asked == source
      ? whole : try compute(.pad(before: after.map { _ in 0 }, after: after, value: 0), whole)
  }

  fileprivate func lpPool() throws -> Tensor {
    var attributes = try poolAttributes(.average(countsPadding: true))
    let x = try input()
    if attributes.roundsUp {
      // Every divisor becomes the same once the window that hangs over the end hangs into padding.
      for axis in attributes.kernel.indices where x.rank == attributes.rank + 2 {
        let covered = attributes.dilation[axis] * (attributes.kernel[axis] - 1) + 1
        let last = (attributes.outputExtent(x.shape[axis + 2], axis: axis) - 1) * attributes.stride[axis]
        attributes.paddingAfter[axis] = max(
          attributes.paddingAfter[axis], last + covered - x.shape[axis + 2] - attributes.paddingBefore[axis])
      }
      attributes.roundsUp = false
    }
    let area = Double(attributes.kernel.reduce(1, *))
    return try norm(x) { try affine(compute(.pool(attributes), $0), scale: area) }
  }

  /// `sum(|x|^p)^(1/p)`, where `sum` adds up what belongs together.
  fileprivate func norm(_ x: Tensor, _ sum: (Tensor) throws -> Tensor) throws -> Tensor {
    switch try integer("p", 2) {
    case 1: return try sum(unary(.absolute, x))
    case 2: return try root(sum(unary(.square, x)))
    case let p where p > 0:
      return try root(sum(binary(.power, unary(.absolute, x), scalar(Double(p), like: x))), p)
    case let p: throw invalid("the norm of \(p)")
    }
  }
}

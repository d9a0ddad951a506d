import Layers

extension ONNXOperators {
  static let reduction: [String: ONNXOperator] = [
    "ReduceSum": reducing { try $0.reduce(.sum, $1, $2, keeps: $3) },
    "ReduceMean": reducing { try $0.reduce(.mean, $1, $2, keeps: $3) },
    "ReduceMax": reducing { try $0.reduce(.maximum, $1, $2, keeps: $3) },
    "ReduceMin": reducing { try $0.reduce(.minimum, $1, $2, keeps: $3) },
    "ReduceL1": reducing { try $0.reduce(.sum, $0.unary(.absolute, $1), $2, keeps: $3) },
    "ReduceL2": reducing { try $0.unary(.sqrt, $0.reduce(.sum, $0.unary(.square, $1), $2, keeps: $3)) },
    "ReduceSumSquare": reducing { try $0.reduce(.sum, $0.unary(.square, $1), $2, keeps: $3) },
    "ReduceLogSum": reducing { try $0.unary(.log, $0.reduce(.sum, $1, $2, keeps: $3)) },
    "ReduceLogSumExp": reducing { call, x, axes, keeps in
      // Without the largest, whose exponential could overflow.
      let largest = try call.reduce(.maximum, x, axes)
      let sum = try call.reduce(.sum, call.unary(.exp, call.subtract(x, largest)), axes)
      let result = try call.add(call.unary(.log, sum), largest)
      return keeps ? result : try call.reduce(.sum, result, axes, keeps: false)
    },
    "ReduceProd": reducing { call, x, axes, keeps in
      var shape = x.shape
      for axis in axes { shape[axis] = 1 }
      var products = [Double](repeating: 1, count: shape.elementCount)
      let numbers = try call.doubles(of: x)
      for (position, number) in zip(call.positions(shape, broadcastTo: x.shape), numbers) {
        products[position] *= number
      }
      let kept = (0..<x.rank).filter { keeps || !axes.contains($0) }
      return .made(products, Shape(kept.map { shape[$0] }), x.dtype)
    },
    "ArgMax": { [try $0.argument { $0 > $1 }] },
    "ArgMin": { [try $0.argument { $0 < $1 }] },
    "CumSum": { [try $0.cumulativeSum()] },
    "TopK": { try $0.largest() },
  ]

  private static func reducing(_ body: @escaping @Sendable (ONNXCall, Tensor, [Int], Bool) throws -> Tensor)
    -> ONNXOperator
  {
    { call in
      let x = try call.input()
      let keeps = try call.integer("keepdims", 1) != 0
      var axes = try call.axes(call.integers(1, orAttribute: "axes") ?? [], rank: x.rank)
      if axes.isEmpty {
        if try call.integer("noop_with_empty_axes", 0) != 0 { return [x] }
        axes = Array(0..<x.rank)
      }
      return [try body(call, x, axes, keeps)]
    }
  }
}

extension ONNXCall {
  fileprivate func argument(_ precedes: (Double, Double) -> Bool) throws -> Tensor {
    let x = try input()
    return try argument(
      x, axis: axis(integer("axis", 0), rank: x.rank), keeps: integer("keepdims", 1) != 0,
      takesLast: integer("select_last_index", 0) != 0, precedes)
  }

  /// The index of the first element along an axis that precedes all others; of equals the first or the last.
  func argument(_ x: Tensor, axis: Int, keeps: Bool, takesLast: Bool, _ precedes: (Double, Double) -> Bool) throws
    -> Tensor
  {
    guard x.rank > 0, x.shape[axis] > 0 else { throw invalid("axis \(axis) of \(x.shape) is empty") }
    let numbers = try doubles(of: x)
    let stride = x.shape.strides[axis]
    var shape = x.shape
    shape[axis] = 1
    let indices = lines(x.shape, axis).map { start in
      var best = 0
      for index in 1..<max(1, x.shape[axis]) {
        let (one, other) = (numbers[start + index * stride], numbers[start + best * stride])
        if precedes(one, other) || takesLast && one == other { best = index }
      }
      return Int64(best)
    }
    if !keeps { shape.dimensions.remove(at: axis) }
    return Tensor(indices, shape: shape)
  }

  /// Where each line along an axis starts, in row-major order of the other axes.
  func lines(_ shape: Shape, _ axis: Int) -> [Int] {
    var extents = shape.dimensions
    extents[axis] = 1
    return positions(extents, strides: shape.strides)
  }

  fileprivate func cumulativeSum() throws -> Tensor {
    let x = try input()
    guard let place = try double(1) else { throw invalid("the axis is missing") }
    let axis = try axis(Int(exactly: place) ?? .max, rank: x.rank)
    let (isExclusive, isReversed) = (try integer("exclusive", 0) != 0, try integer("reverse", 0) != 0)
    guard x.rank > 0 else { throw invalid("the input has no axes") }
    let numbers = try doubles(of: x)
    var sums = numbers
    let (count, stride) = (x.shape[axis], x.shape.strides[axis])
    for start in lines(x.shape, axis) {
      var sum = 0.0
      for step in 0..<count {
        let position = start + (isReversed ? count - 1 - step : step) * stride
        sums[position] = isExclusive ? sum : sum + numbers[position]
        sum += numbers[position]
      }
    }
    return .made(sums, x.shape, x.dtype)
  }

  fileprivate func largest() throws -> [Tensor] {
    let x = try input()
    let axis = try axis(integer("axis", -1), rank: x.rank)
    let count = try integers(1, orAttribute: "k")?.first ?? integer("k", 0)
    guard x.rank > 0, 0...x.shape[axis] ~= count else { throw invalid("the \(count) largest of \(x.shape)") }
    let isLargest = try integer("largest", 1) != 0
    let numbers = try doubles(of: x)
    let stride = x.shape.strides[axis]
    var shape = x.shape
    shape[axis] = count
    var (places, indices) = (
      [Int](repeating: 0, count: shape.elementCount), [Int64](repeating: 0, count: shape.elementCount)
    )
    for (start, target) in zip(lines(x.shape, axis), lines(shape, axis)) {
      let order = (0..<x.shape[axis]).sorted { a, b in
        let (one, other) = (numbers[start + a * stride], numbers[start + b * stride])
        return one == other ? a < b : isLargest ? one > other : one < other
      }
      for (rank, index) in order.prefix(count).enumerated() {
        places[target + rank * shape.strides[axis]] = start + index * stride
        indices[target + rank * shape.strides[axis]] = Int64(index)
      }
    }
    return [try take(x, places, shape), Tensor(indices, shape: shape)]
  }
}

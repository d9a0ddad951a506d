import Layers

extension ONNXOperators {
  static let reduction: [String: ONNXOperator] = [
    "ReduceSum": reducing { try $0.reduce(.sum, $1, $2, keeps: $3) },
    "ReduceMean": reducing { try $0.reduce(.mean, $1, $2, keeps: $3) },
    "ReduceMax": reducing { try $0.reduce(.maximum, $1, $2, keeps: $3) },
    "ReduceMin": reducing { try $0.reduce(.minimum, $1, $2, keeps: $3) },
    "ReduceL1": reducing { try $0.reduce(.sum, $0.unary(.absolute, $1), $2, keeps: $3) },
    "ReduceL2": reducing { try $0.root($0.reduce(.sum, $0.unary(.square, $1), $2, keeps: $3)) },
    "ReduceSumSquare": reducing { try $0.reduce(.sum, $0.unary(.square, $1), $2, keeps: $3) },
    "ReduceLogSum": reducing { try $0.unary(.log, $0.reduce(.sum, $1, $2, keeps: $3)) },
    "ReduceLogSumExp": reducing { call, x, axes, keeps in
      // Without the largest, whose exponential could overflow.
      let largest = try call.reduce(.maximum, x, axes)
      let sum = try call.reduce(.sum, call.unary(.exp, call.subtract(x, largest)), axes)
      let result = try call.add(call.unary(.log, sum), largest)
      return keeps ? result : try call.reduce(.sum, result, axes, keeps: false)
    },
    "ReduceProd": reducing { try $0.reduce(.product, $1, $2, keeps: $3) },
    "ArgMax": { [try $0.argument(isLargest: true)] },
    "ArgMin": { [try $0.argument(isLargest: false)] },
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
  fileprivate func argument(isLargest: Bool) throws -> Tensor {
    let x = try input()
    return try argument(
      x, axis: axis(integer("axis", 0), rank: x.rank), keeps: integer("keepdims", 1) != 0, isLargest: isLargest,
      takesLast: integer("select_last_index", 0) != 0)
  }

  /// The index of the largest or smallest element along an axis; of equals the first or the last.
  func argument(_ x: Tensor, axis: Int, keeps: Bool, isLargest: Bool = true, takesLast: Bool = false) throws -> Tensor {
    guard x.rank > 0, 1...1 << 24 ~= x.shape[axis] else {
      throw invalid("the largest along axis \(axis) of \(x.shape)")
    }
    var numbers = try numbers(x)
    if !isLargest { numbers = try unary(.negate, numbers) }
    if takesLast { numbers = try gather(numbers, axis: axis, (0..<x.shape[axis]).reversed()) }
    var indices = try compute(.argmax(axis: axis), numbers)
    if takesLast {
      let reversed = try affine(cast(indices, to: .float32), scale: -1, shift: Double(x.shape[axis] - 1))
      indices = try cast(reversed, to: .int32)
    }
    var shape = x.shape.dimensions
    if keeps { shape[axis] = 1 } else { shape.remove(at: axis) }
    return try cast(reshape(indices, shape), to: .int64)
  }

  /// Where each line along an axis starts, in row-major order of the other axes.
  private func lines(_ shape: Shape, _ axis: Int) -> [Int] {
    var extents = shape.dimensions
    extents[axis] = 1
    return positions(extents, strides: shape.strides)
  }

  /// Sums of ever longer stretches (Hillis and Steele, "Data parallel algorithms", 1986).
  fileprivate func cumulativeSum() throws -> Tensor {
    let x = try input()
    guard let place = try double(1) else { throw invalid("the axis is missing") }
    let axis = try axis(Int(exactly: place) ?? .max, rank: x.rank)
    let (isExclusive, isReversed) = (try integer("exclusive", 0) != 0, try integer("reverse", 0) != 0)
    guard x.rank > 0 else { throw invalid("the input has no axes") }
    let count = x.shape[axis]
    func shifted(_ tensor: Tensor, by distance: Int) throws -> Tensor {
      let none = [Int](repeating: 0, count: x.rank)
      var amount = none
      amount[axis] = distance
      let padded = try compute(
        .pad(before: isReversed ? none : amount, after: isReversed ? amount : none, value: 0), tensor)
      return try slice(padded, axis: axis, isReversed ? distance..<distance + count : 0..<count)
    }
    var sums = try numbers(x)
    var distance = 1
    while distance < count {
      sums = try add(sums, shifted(sums, by: distance))
      distance *= 2
    }
    return try cast(isExclusive ? shifted(sums, by: 1) : sums, to: x.dtype)
  }

  /// The most elements that are sought one after the other, where they cannot be sorted ahead.
  private static let searchLimit = 64

  fileprivate func largest() throws -> [Tensor] {
    let x = try input()
    let axis = try axis(integer("axis", -1), rank: x.rank)
    let count = try integers(1, orAttribute: "k")?.first ?? integer("k", 0)
    guard x.rank > 0, 0...x.shape[axis] ~= count else { throw invalid("the \(count) largest of \(x.shape)") }
    let isLargest = try integer("largest", 1) != 0
    if x.isConcrete {
      let indices = try sortedIndices(x.untracked, axis: axis, isLargest: isLargest, count: count)
      return [try compute(.gatherElements(axis: axis), x, indices), try cast(indices, to: .int64)]
    }
    guard x.dtype == .float32, 1...Self.searchLimit ~= count else {
      throw unsupported("the \(count) largest of \(x.shape) \(x.dtype) in a compiled model")
    }
    var shape = Shape(.init(repeating: 1, count: x.rank))
    shape[axis] = x.shape[axis]
    let places = Tensor((0..<x.shape[axis]).map { Float($0) }, shape: shape)
    let hidden = try compute(
      .broadcast(x.shape), Tensor.made([-.infinity], .init(.init(repeating: 1, count: x.rank)), .float32))
    var rest = isLargest ? x : try unary(.negate, x)
    var found: [Tensor] = []
    for position in 0..<count {
      let best = try cast(argument(rest, axis: axis, keeps: true), to: .float32)
      found.append(best)
      if position + 1 < count { rest = try compute(.choose, binary(.equal, places, best), hidden, rest) }
    }
    let indices = try cast(concatenate(found, axis: axis), to: .int32)
    return [try compute(.gatherElements(axis: axis), x, indices), try cast(indices, to: .int64)]
  }

  private func sortedIndices(_ x: Tensor, axis: Int, isLargest: Bool, count: Int) throws -> Tensor {
    try checked(x.shape.dimensions, isSlow: true)
    let numbers = try doubles(of: x)
    let stride = x.shape.strides[axis]
    var shape = x.shape
    shape[axis] = count
    var indices = [Int32](repeating: 0, count: shape.elementCount)
    for (start, target) in zip(lines(x.shape, axis), lines(shape, axis)) {
      let order = (0..<x.shape[axis]).sorted { a, b in
        let (one, other) = (numbers[start + a * stride], numbers[start + b * stride])
        return one == other ? a < b : isLargest ? one > other : one < other
      }
      for (rank, index) in order.prefix(count).enumerated() {
        indices[target + rank * shape.strides[axis]] = Int32(index)
      }
    }
    return Tensor(indices, shape: shape)
  }
}

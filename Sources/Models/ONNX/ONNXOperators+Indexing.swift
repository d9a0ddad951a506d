import Layers

extension ONNXOperators {
  /// Elements chosen by index, by mask or by order.
  static let indexing: [String: ONNXOperator] = [
    "Gather": { [try $0.gathered()] },
    "GatherElements": { [try $0.gatheredElements()] },
    "GatherND": { [try $0.gatheredSlices()] },
    "ScatterElements": { [try $0.scatteredElements()] },
    "Scatter": { [try $0.scatteredElements()] },
    "ScatterND": { [try $0.scatteredSlices()] },
    "OneHot": { [try $0.oneHot()] },
    "NonZero": { call in
      let x = try call.input()
      let found = try call.doubles(of: x).enumerated().filter { $0.element != 0 }.map(\.offset)
      let indices = (0..<x.rank).flatMap { axis in
        found.map { Int64($0 / x.shape.strides[axis] % x.shape[axis]) }
      }
      return [Tensor(indices, shape: [x.rank, found.count])]
    },
    "Compress": { call in
      let x = try call.input()
      let mask = try call.integers(of: call.input(1))
      let chosen = mask.indices.filter { mask[$0] != 0 }
      let isFlat = call.node.attributes["axis"] == nil
      let source = isFlat ? try call.reshape(x, [x.elementCount]) : x
      let axis = isFlat ? 0 : try call.axis(call.integer("axis", 0), rank: x.rank)
      guard chosen.allSatisfy({ $0 < source.shape[axis] }) else { throw call.invalid("the condition is too long") }
      return [try call.gather(source, axis: axis, chosen)]
    },
    "ReverseSequence": { call in
      let x = try call.input()
      let lengths = try call.integers(of: call.input(1))
      let time = try call.axis(call.integer("time_axis", 0), rank: x.rank)
      let batch = try call.axis(call.integer("batch_axis", 1), rank: x.rank)
      guard x.rank > 1, lengths.count == x.shape[batch], lengths.allSatisfy({ 0...x.shape[time] ~= $0 }) else {
        throw call.invalid("lengths \(lengths.prefix(8)) for \(x.shape)")
      }
      let strides = x.shape.strides
      let positions = (0..<x.elementCount).map { position in
        let (step, length) = (
          position / strides[time] % x.shape[time], lengths[position / strides[batch] % x.shape[batch]]
        )
        return step < length ? position + (length - 1 - 2 * step) * strides[time] : position
      }
      return [try call.take(x, positions, x.shape)]
    },
  ]
}

extension ONNXCall {
  /// Indices into an axis; negative ones count from its end.
  private func indices(_ tensor: Tensor, into extent: Int) throws -> [Int] {
    try integers(of: tensor).map { index in
      guard -extent..<extent ~= index else { throw invalid("the index \(index) is outside an axis of \(extent)") }
      return index < 0 ? index + extent : index
    }
  }

  fileprivate func gathered() throws -> Tensor {
    let (x, places) = (try input(), try input(1))
    guard x.rank > 0 else { throw invalid("the input has no axes") }
    let axis = try axis(integer("axis", 0), rank: x.rank)
    let shape = x.shape.dimensions[..<axis] + places.shape.dimensions + x.shape.dimensions[(axis + 1)...]
    guard !isKnown(places) else {
      return try reshape(gather(x, axis: axis, indices(places, into: x.shape[axis])), Array(shape))
    }
    let count = places.elementCount
    let column = try reshape(
      symbolicIndices(places, into: x.shape[axis]), [count] + .init(repeating: 1, count: x.rank - axis - 1))
    var extents = x.shape.dimensions
    extents[axis] = count
    let spread = try cast(compute(.broadcast(checked(extents)), column), to: .int32)
    return try reshape(compute(.gatherElements(axis: axis), x, spread), Array(shape))
  }

  /// Indices that are not known yet, as float32; negative ones count from the end of an axis. Those outside of it stop
  /// the plan when it runs.
  private func symbolicIndices(_ places: Tensor, into extent: Int) throws -> Tensor {
    guard extent < 1 << 24 else { throw unsupported("indices into an axis of \(extent) in a compiled model") }
    let numbers = try cast(places, to: .float32)
    return try add(numbers, affine(binary(.less, numbers, scalar(0, like: numbers)), scale: Double(extent)))
  }

  /// For each element of an index tensor, its position in a tensor where it replaces the index along one axis.
  private func elementPositions(_ places: Tensor, in shape: Shape) throws -> [Int] {
    guard shape.rank > 0, places.rank == shape.rank else { throw invalid("indices \(places.shape) into \(shape)") }
    let axis = try axis(integer("axis", 0), rank: shape.rank)
    for other in 0..<shape.rank where other != axis && places.shape[other] > shape[other] {
      throw invalid("indices \(places.shape) into \(shape)")
    }
    var strides = shape.strides
    let along = strides[axis]
    strides[axis] = 0
    let bases = positions(places.shape.dimensions, strides: strides)
    return zip(bases, try indices(places, into: shape[axis])).map { $0 + $1 * along }
  }

  fileprivate func gatheredElements() throws -> Tensor {
    let (x, places) = (try input(), try input(1))
    if isKnown(places) { return try take(x, elementPositions(places, in: x.shape), places.shape) }
    let axis = try axis(integer("axis", 0), rank: x.rank)
    let indices = try cast(symbolicIndices(places, into: x.shape[axis]), to: .int32)
    return try compute(.gatherElements(axis: axis), x, indices)
  }

  /// Where the slices start that the last axis of an index tensor points to, and how long they are.
  private func slicePositions(_ places: Tensor, in shape: Shape, batch: Int) throws -> (starts: [Int], count: Int) {
    guard let depth = places.shape.dimensions.last, 0..<places.rank ~= batch, depth >= 1,
      batch + depth <= shape.rank, places.shape.dimensions[..<batch] == shape.dimensions[..<batch]
    else { throw invalid("indices \(places.shape) into \(shape)") }
    let strides = shape.strides
    let numbers = try integers(of: places)
    let rows = places.elementCount / depth
    let batches = shape.dimensions[..<batch].reduce(1, *)
    let starts = try (0..<rows).map { row in
      var start = batches == 0 ? 0 : row / max(1, rows / batches) * (batch == 0 ? 0 : strides[batch - 1])
      for level in 0..<depth {
        let (index, extent) = (numbers[row * depth + level], shape[batch + level])
        guard -extent..<extent ~= index else { throw invalid("the index \(index) is outside an axis of \(extent)") }
        start += (index < 0 ? index + extent : index) * strides[batch + level]
      }
      return start
    }
    return (starts, strides[batch + depth - 1])
  }

  fileprivate func gatheredSlices() throws -> Tensor {
    let (x, places) = (try input(), try input(1))
    let batch = try integer("batch_dims", 0)
    let (starts, count) = try slicePositions(places, in: x.shape, batch: batch)
    let depth = places.shape.dimensions.last ?? 0
    let shape = try checked(
      places.shape.dimensions.dropLast() + x.shape.dimensions[(batch + depth)...], isSlow: true)
    return try take(x, starts.flatMap { start in (0..<count).map { start + $0 } }, shape)
  }

  /// Copies `x` with `updates` at some positions, combined by `reduction`.
  private func scatter(_ updates: Tensor, at positions: [Int], of x: Tensor) throws -> Tensor {
    guard updates.elementCount == positions.count, updates.dtype == x.dtype else {
      throw invalid("updates \(updates.shape) \(updates.dtype) for \(positions.count) elements of \(x.dtype)")
    }
    let reduction = try string("reduction", "none")
    let flat = try reshape(x, [x.elementCount])
    let flatUpdates = try reshape(updates, [updates.elementCount])
    if reduction == "none" {
      var places = Array(0..<x.elementCount)
      for (index, position) in positions.enumerated() { places[position] = x.elementCount + index }
      return try take(concatenate([flat, flatUpdates], axis: 0), places, x.shape)
    }
    if reduction == "add", x.dtype == .float32, x.elementCount < Int(Int32.max), !positions.isEmpty {
      let places = Tensor(positions.map { Int32($0) })
      let sums = try compute(.scatterElements(axis: 0, extent: x.elementCount), flatUpdates, places)
      return try reshape(add(flat, sums), x.shape.dimensions)
    }
    var numbers = try doubles(of: x)
    for (position, update) in zip(positions, try doubles(of: updates)) {
      switch reduction {
      case "add": numbers[position] += update
      case "mul": numbers[position] *= update
      case "max": numbers[position] = max(numbers[position], update)
      case "min": numbers[position] = min(numbers[position], update)
      default: throw unsupported("a reduction by \(reduction)")
      }
    }
    return .made(numbers, x.shape, x.dtype)
  }

  fileprivate func scatteredElements() throws -> Tensor {
    let (x, places, updates) = (try input(), try input(1), try input(2))
    return try scatter(updates, at: elementPositions(places, in: x.shape), of: x)
  }

  fileprivate func scatteredSlices() throws -> Tensor {
    let (x, places, updates) = (try input(), try input(1), try input(2))
    let (starts, count) = try slicePositions(places, in: x.shape, batch: 0)
    try checked([starts.count, count], isSlow: true)
    return try scatter(updates, at: starts.flatMap { start in (0..<count).map { start + $0 } }, of: x)
  }

  fileprivate func oneHot() throws -> Tensor {
    let (places, values) = (try input(), try input(2))
    guard let depth = try double(1), depth >= 1, depth < 0x1p25, values.elementCount == 2 else {
      throw invalid("depth or values do not fit")
    }
    let count = Int(depth)
    let axis = try axis(integer("axis", -1), rank: places.rank + 1)
    var shape = places.shape
    shape.dimensions.insert(count, at: axis)
    try checked(shape.dimensions, isSlow: true)
    guard isKnown(places) else {
      // A comparison with every class.
      let classes = Shape((0...places.rank).map { $0 == axis ? count : 1 })
      let row = try reshape(
        symbolicIndices(places, into: count), shape.dimensions.enumerated().map { $0.offset == axis ? 1 : $0.element })
      let mask = try binary(.equal, row, .made((0..<count).map { Double($0) }, classes, .float32))
      let numbers = try doubles(of: values)
      return try cast(affine(mask, scale: numbers[1] - numbers[0], shift: numbers[0]), to: values.dtype)
    }
    let indices = try doubles(of: places)
    let inner = shape.strides[axis]
    let chosen = (0..<shape.elementCount).map { position in
      let index = indices[position / (inner * count) * inner + position % inner]
      return (index < 0 ? index + depth : index) == Double(position / inner % count) ? 1 : 0
    }
    return try take(values, chosen, shape)
  }
}

import Layers

extension ONNXOperators {
  /// Operators that move elements without computing.
  static let movement: [String: ONNXOperator] = [
    "Identity": { [try $0.input()] },
    "Reshape": { [try $0.reshaped()] },
    "Flatten": { call in
      let x = try call.input()
      let axis = try call.integer("axis", 1)
      let first = axis == x.rank ? axis : try call.axis(axis, rank: x.rank)
      let extents = x.shape.dimensions
      return [try call.reshape(x, [extents[..<first].reduce(1, *), extents[first...].reduce(1, *)])]
    },
    "Squeeze": { call in
      let x = try call.input()
      let given = try call.integers(1, orAttribute: "axes")
      let axes = try given.map { try call.axes($0, rank: x.rank) } ?? (0..<x.rank).filter { x.shape[$0] == 1 }
      return [try call.reshape(x, (0..<x.rank).filter { !axes.contains($0) }.map { x.shape[$0] })]
    },
    "Unsqueeze": { call in
      let x = try call.input()
      guard let added = try call.integers(1, orAttribute: "axes") else { throw call.invalid("there are no axes") }
      let axes = try call.axes(added, rank: x.rank + added.count).sorted()
      var extents = x.shape.dimensions
      for axis in axes { extents.insert(1, at: axis) }
      return [try call.reshape(x, extents)]
    },
    "Transpose": { call in
      let x = try call.input()
      return [try call.transpose(x, call.integers("perm") ?? (0..<x.rank).reversed())]
    },
    "Concat": { call in
      let tensors = try call.allInputs()
      return [try call.concatenate(tensors, axis: call.axis(call.integer("axis", 1), rank: tensors[0].rank))]
    },
    "Split": { try $0.split() },
    "Slice": { [try $0.sliced()] },
    "Pad": { [try $0.padded()] },
    "Expand": { call in
      let (x, extents) = (try call.input(), try call.integers(of: call.input(1)))
      guard let shape = Shape.broadcast(x.shape, try call.checked(extents)) else {
        throw call.invalid("\(x.shape) does not expand to \(extents)")
      }
      return [x.shape == shape ? x : try call.compute(.broadcast(call.checked(shape.dimensions)), x)]
    },
    "Tile": { call in
      let (x, repeats) = (try call.input(), try call.integers(of: call.input(1)))
      guard repeats.count == x.rank, repeats.allSatisfy({ 1...1 << 20 ~= $0 }) else {
        throw call.invalid("\(repeats.prefix(8)) repeats of \(x.shape)")
      }
      // Each axis gets a partner of extent 1 before it, which is broadcast and merged.
      try call.checked(zip(repeats, x.shape.dimensions).map { $0 * $1 })
      let spread = try call.reshape(x, x.shape.dimensions.flatMap { [1, $0] })
      let repeated = zip(repeats, x.shape.dimensions).flatMap { [$0, $1] }
      let wide = try call.compute(.broadcast(call.checked(repeated)), spread)
      return [try call.reshape(wide, zip(repeats, x.shape.dimensions).map { $0 * $1 })]
    },
    "DepthToSpace": { call in
      let (x, block) = (try call.input(), try call.integer("blocksize", 0))
      guard x.rank == 4, 1...1 << 10 ~= block, x.shape[1] % (block * block) == 0 else {
        throw call.invalid("blocks of \(block) in \(x.shape)")
      }
      let (n, c, h, w) = (x.shape[0], x.shape[1] / (block * block), x.shape[2], x.shape[3])
      let isDepthFirst = try call.string("mode", "DCR") == "DCR"
      let parts = try call.reshape(x, isDepthFirst ? [n, block, block, c, h, w] : [n, c, block, block, h, w])
      let order = try call.transpose(parts, isDepthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3])
      return [try call.reshape(order, [n, c, h * block, w * block])]
    },
    "SpaceToDepth": { call in
      let (x, block) = (try call.input(), try call.integer("blocksize", 0))
      guard x.rank == 4, 1...1 << 10 ~= block, x.shape[2] % block == 0, x.shape[3] % block == 0 else {
        throw call.invalid("blocks of \(block) in \(x.shape)")
      }
      let (n, c, h, w) = (x.shape[0], x.shape[1], x.shape[2] / block, x.shape[3] / block)
      let parts = try call.reshape(x, [n, c, h, block, w, block])
      return [try call.reshape(call.transpose(parts, [0, 3, 5, 1, 2, 4]), [n, c * block * block, h, w])]
    },
    "Cast": { call in
      guard let dtype = try call.dtype("to") else { throw call.invalid("there is no type to cast to") }
      return [try call.cast(call.input(), to: dtype)]
    },
    "CastLike": { [try $0.cast($0.input(), to: $0.input(1).dtype)] },
    "Trilu": { call in
      let x = try call.input()
      guard x.rank >= 2 else { throw call.invalid("\(x.shape) is no matrix") }
      let shift = try call.double(1) ?? 0
      let keepsUpper = try call.integer("upper", 1) != 0
      let (rows, columns) = (x.shape[x.rank - 2], x.shape[x.rank - 1])
      let positions = (0..<x.elementCount).map { position in
        let (row, column) = (Double(position / columns % rows), Double(position % columns))
        return (keepsUpper ? column - row >= shift : column - row <= shift) ? position : -1
      }
      return [try call.take(x, positions, x.shape)]
    },
  ]
}

extension ONNXCall {
  fileprivate func reshaped() throws -> Tensor {
    let x = try input()
    guard var extents = try integers(1, orAttribute: "shape") else { throw invalid("there is no shape") }
    let keepsZero = try integer("allowzero", 0) != 0
    for (axis, extent) in extents.enumerated() where extent == 0 && !keepsZero {
      guard axis < x.rank else { throw invalid("the shape \(extents) copies an axis that \(x.shape) lacks") }
      extents[axis] = x.shape[axis]
    }
    if let free = extents.firstIndex(of: -1) {
      var known = extents
      known.remove(at: free)
      let product = try checked(known).elementCount
      guard product > 0, x.elementCount % product == 0 else {
        throw invalid("\(x.shape) does not reshape to \(extents)")
      }
      extents[free] = x.elementCount / product
    }
    return try reshape(x, extents)
  }

  fileprivate func split() throws -> [Tensor] {
    let x = try input()
    let axis = try axis(integer("axis", 0), rank: x.rank)
    guard x.rank > 0 else { throw invalid("the input has no axes") }
    let parts = try integer("num_outputs", node.outputs.count)
    let even = x.shape[axis] / max(1, parts) + (x.shape[axis] % max(1, parts) == 0 ? 0 : 1)
    let counts =
      try integers(1, orAttribute: "split")
      ?? (0..<max(0, min(parts, node.outputs.count))).map {
        max(0, min(even, x.shape[axis] - $0 * even))
      }
    guard counts.allSatisfy({ 0...x.shape[axis] ~= $0 }), counts.reduce(0, +) == x.shape[axis] else {
      throw invalid("parts of \(counts.prefix(8)) of axis \(axis) of \(x.shape)")
    }
    var start = 0
    return try counts.map { count in
      defer { start += count }
      return try slice(x, axis: axis, start..<start + count)
    }
  }

  fileprivate func sliced() throws -> Tensor {
    let x = try input()
    guard let starts = try integers(1, orAttribute: "starts"), let ends = try integers(2, orAttribute: "ends"),
      starts.count == ends.count
    else { throw invalid("starts and ends do not match") }
    let axes = try self.axes(integers(3, orAttribute: "axes") ?? Array(starts.indices), rank: x.rank)
    let steps = try optional(4).map(integers(of:)) ?? .init(repeating: 1, count: starts.count)
    guard axes.count == starts.count, steps.count == starts.count, x.rank > 0 || axes.isEmpty else {
      throw invalid("starts, axes and steps do not match")
    }
    var region = SliceAttributes(
      starts: .init(repeating: 0, count: x.rank), counts: x.shape.dimensions, steps: .init(repeating: 1, count: x.rank))
    for (index, axis) in axes.enumerated() {
      let (extent, step) = (x.shape[axis], steps[index])
      guard step != 0, step.magnitude < 1 << 40 else { throw invalid("a step of \(step)") }
      // A negative bound counts from the end; what lies outside is cut off.
      func bound(_ value: Int, _ range: ClosedRange<Int>) -> Int {
        min(
          max(value < 0 ? value.addingReportingOverflow(extent).partialValue : value, range.lowerBound),
          range.upperBound)
      }
      let (start, end) =
        step > 0
        ? (bound(starts[index], 0...extent), bound(ends[index], 0...extent))
        : (bound(starts[index], -1...max(-1, extent - 1)), bound(ends[index], -1...max(-1, extent - 1)))
      let length = step > 0 ? end - start : start - end
      region.starts[axis] = start
      region.steps[axis] = step
      region.counts[axis] = max(0, (length + abs(step) - 1) / abs(step))
    }
    for axis in 0..<x.rank where region.counts[axis] <= 1 { region.steps[axis] = 1 }
    if region.counts == x.shape.dimensions && region.steps.allSatisfy({ $0 == 1 }) { return x }
    if region.steps.allSatisfy({ $0 > 0 }) {
      for axis in 0..<x.rank where region.counts[axis] == 0 { region.starts[axis] = 0 }
      return try compute(.slice(region), x)
    }
    let strides = x.shape.strides
    let shape = try checked(region.counts, isSlow: true)
    guard shape.elementCount > 0 else { return try take(x, [], shape) }
    let start = (0..<x.rank).reduce(0) { $0 + region.starts[$1] * strides[$1] }
    return try take(
      x, positions(region.counts, strides: (0..<x.rank).map { region.steps[$0] * strides[$0] }, start: start), shape)
  }

  fileprivate func padded() throws -> Tensor {
    let x = try input()
    guard let pads = try integers(1, orAttribute: "pads") else { throw invalid("there are no pads") }
    let axes = try optional(3).map { try self.axes(integers(of: $0), rank: x.rank) } ?? Array(0..<x.rank)
    guard pads.count == 2 * axes.count, pads.allSatisfy({ $0.magnitude < 1 << 24 }) else {
      throw invalid("pads \(pads.prefix(16)) for \(x.shape)")
    }
    var (before, after) = ([Int](repeating: 0, count: x.rank), [Int](repeating: 0, count: x.rank))
    for (index, axis) in axes.enumerated() {
      (before[axis], after[axis]) = (pads[index], pads[index + axes.count])
    }
    try checked((0..<x.rank).map { before[$0] + x.shape[$0] + after[$0] })
    let mode = try string("mode", "constant")
    guard x.elementCount > 0 || mode == "constant" else { throw invalid("an empty tensor to pad from") }
    if mode == "constant" {
      let value = try double(2) ?? number("value", 0)
      let cut = try zip(before.indices, zip(before, after)).reduce(x) { tensor, axis in
        let (axis, (first, last)) = axis
        if first >= 0 && last >= 0 { return tensor }
        let (start, end) = (max(0, -first), tensor.shape[axis] - max(0, -last))
        guard start <= end else { throw invalid("pads \(pads.prefix(16)) for \(x.shape)") }
        return try slice(tensor, axis: axis, start..<end)
      }
      (before, after) = (before.map { max(0, $0) }, after.map { max(0, $0) })
      return (before + after).allSatisfy { $0 == 0 }
        ? cut : try compute(.pad(before: before, after: after, value: value), cut)
    }
    let border: BorderMode
    switch mode {
    case "edge": border = .replicate
    case "wrap": border = .circular
    case "reflect": border = .reflect
    default: throw unsupported("padding by \(mode)")
    }
    let extend = Operation.resample(.extend(before: before, after: after, mode: border))
    if x.dtype.isFloatingPoint, (try? extend.outputTypes(of: [TensorType(x.shape, x.dtype)])) != nil {
      return try compute(extend, x)
    }
    // More than an axis can give at once, or less than nothing: element by element.
    return try (0..<x.rank).reduce(x) { tensor, axis in
      let extent = x.shape[axis]
      let sources = (-before[axis]..<(extent + after[axis])).map { border.source($0, count: extent) }
      return sources == Array(0..<extent) ? tensor : try gather(tensor, axis: axis, sources)
    }
  }

  /// Elements of one axis by index, in the given order.
  func gather(_ x: Tensor, axis: Int, _ indices: [Int]) throws -> Tensor {
    var shape = x.shape
    shape[axis] = indices.count
    guard isKnown(x) else {
      let first = indices.first ?? 0
      if indices == Array(first..<first + indices.count) {
        return try slice(x, axis: axis, first..<first + indices.count)
      }
      return try compute(.resample(.select(axis: axis, indices: indices)), x)
    }
    try checked(shape.dimensions, isSlow: true)
    let stride = x.shape.strides[axis]
    let outer = x.shape.dimensions[..<axis].reduce(1, *)
    var places: [Int] = []
    places.reserveCapacity(shape.elementCount)
    for block in 0..<outer {
      for index in indices {
        let start = (block * x.shape[axis] + index) * stride
        places += start..<start + stride
      }
    }
    return try take(x, places, shape)
  }
}

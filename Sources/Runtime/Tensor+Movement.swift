public import Graph

// MARK: - Borders, order and size

extension Tensor {
  /// The tensor continued beyond its edges by itself: `before[i]` and `after[i]` elements on axis `i`.
  public func padded(before: [Int], after: [Int], mode: BorderMode) -> Tensor {
    apply(.resample(.extend(before: before, after: after, mode: mode)), self)
  }

  /// The tensor in reverse order along some axes.
  public func flipped(along axes: [Int]) -> Tensor {
    axes.map(shape.normalizedAxis).reduce(self) { x, axis in
      apply(.resample(.select(axis: axis, indices: (0..<shape[axis]).reversed())), x)
    }
  }

  /// Elements `indices` along an axis, in that order; they may repeat.
  public func selecting(_ indices: [Int], along axis: Int) -> Tensor {
    apply(.resample(.select(axis: shape.normalizedAxis(axis), indices: indices)), self)
  }

  /// Feature maps `[N, C, ...]` with other spatial extents, interpolated.
  public func resized(_ attributes: ResizeAttributes) -> Tensor { apply(.resample(.resize(attributes)), self) }

  /// Feature maps `[N, C, ...]` with other spatial extents: linear interpolation between centres of pixels, with
  /// antialiasing if asked.
  public func resized(to extents: [Int], antialiased: Bool = false) -> Tensor {
    resized(ResizeAttributes(output: extents, antialiases: antialiased))
  }

  /// `[N, C * r * r, H, W]` to `[N, C, H * r, W * r]` (Shi et al., 2016).
  public func pixelShuffled(by factor: Int) -> Tensor {
    let area = factor * factor
    if rank != 4 || factor < 1 || shape[1] % area != 0 {
      let near = rank == 4 && factor > 0 ? "; " + nearestMultiples(of: area, to: shape[1], "channels") : ""
      return misfit(
        "pixel_shuffle: needs [batch, channels of \(area) each, height, width], but the input is \(shape)" + near)
    }
    let (batch, channels, height, width) = (shape[0], shape[1] / area, shape[2], shape[3])
    return reshaped(to: [batch, channels, factor, factor, height, width])
      .transposed([0, 1, 4, 2, 5, 3])
      .reshaped(to: [batch, channels, height * factor, width * factor])
  }

  /// The inverse of ``pixelShuffled(by:)``: `[N, C, H * r, W * r]` to `[N, C * r * r, H, W]`.
  public func pixelUnshuffled(by factor: Int) -> Tensor {
    if rank != 4 || factor < 1 || shape[2] % factor != 0 || shape[3] % factor != 0 {
      let odd = [(2, "rows"), (3, "columns")].filter { rank == 4 && factor > 0 && shape[$0.0] % factor != 0 }
      return misfit(
        "pixel_unshuffle: needs [batch, channels, height, width] in squares of \(factor), but the input is \(shape)"
          + odd.map { "; " + nearestMultiples(of: factor, to: shape[$0.0], $0.1) }.joined())
    }
    let (batch, channels, height, width) = (shape[0], shape[1], shape[2] / factor, shape[3] / factor)
    return reshaped(to: [batch, channels, height, factor, width, factor])
      .transposed([0, 1, 3, 5, 2, 4])
      .reshaped(to: [batch, channels * factor * factor, height, width])
  }
}

// MARK: - Axes

extension Tensor {
  /// Without an axis of extent 1.
  public func squeezed(_ axis: Int) -> Tensor {
    var extents = shape.dimensions
    let axis = shape.normalizedAxis(axis)
    if !extents.indices.contains(axis) || extents[axis] != 1 {
      return misfit("squeeze: axis \(axis) of \(shape) is not of extent 1")
    }
    extents.remove(at: axis)
    return reshaped(to: Shape(extents))
  }

  /// With a new axis of extent 1 at `axis` of the result.
  public func unsqueezed(at axis: Int) -> Tensor {
    var extents = shape.dimensions
    extents.insert(1, at: axis < 0 ? axis + rank + 1 : axis)
    return reshaped(to: Shape(extents))
  }

  /// Consecutive parts along an axis, which the counts fill.
  public func split(into counts: [Int], along axis: Int = 1) -> [Tensor] {
    let axis = shape.normalizedAxis(axis)
    guard shape.dimensions.indices.contains(axis), counts.reduce(0, +) == shape[axis] else {
      let total = counts.reduce(0, +)
      let part = misfit("split: parts of \(counts) take \(total) elements of axis \(axis), but the input is \(shape)")
      return counts.map { _ in part }
    }
    var start = 0
    return counts.map { count in
      defer { start += count }
      let ranges = (0..<axis).map { 0..<shape[$0] } + [start..<(start + count)]
      return sliced(ranges)
    }
  }
}

/// Joins tensors of one shape along a new axis.
public func stack(_ tensors: [Tensor], along axis: Int = 0) -> Tensor {
  concatenate(tensors.map { $0.unsqueezed(at: axis) }, along: axis)
}

// MARK: - Places that are data

extension Tensor {
  /// `y[.., i, ..] = x[.., indices[.., i, ..], ..]` along an axis (PyTorch's `gather`); indices are int32 and of the
  /// result's shape, which may differ from this tensor's along the axis only.
  public func gathered(_ indices: Tensor, along axis: Int) -> Tensor {
    apply(.gatherElements(axis: shape.normalizedAxis(axis)), self, indices.cast(to: .int32))
  }

  /// Adds each element to place `indices[.., i, ..]` of an axis of `extent` zeros; the adjoint of ``gathered(_:along:)``.
  public func scattered(_ indices: Tensor, along axis: Int, extent: Int) -> Tensor {
    apply(.scatterElements(axis: shape.normalizedAxis(axis), extent: extent), self, indices.cast(to: .int32))
  }

  /// The whole slices `indices` along an axis: the axis is replaced by the axes of `indices` (ONNX's `Gather`).
  public func taken(_ indices: Tensor, along axis: Int) -> Tensor {
    let axis = shape.normalizedAxis(axis)
    var extents = shape.dimensions
    extents[axis] = indices.elementCount
    let spread = indices.cast(to: .int32)
      .reshaped(to: Shape([indices.elementCount] + Array(repeating: 1, count: rank - axis - 1)))
      .broadcast(to: Shape(extents))
    extents.replaceSubrange(axis...axis, with: indices.shape.dimensions)
    return gathered(spread, along: axis).reshaped(to: Shape(extents))
  }

  /// The int32 indices of the largest elements along an axis, which is removed; the first of equals.
  public func argmax(along axis: Int) -> Tensor { apply(.argmax(axis: shape.normalizedAxis(axis)), self) }
}

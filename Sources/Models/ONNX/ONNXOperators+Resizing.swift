import Layers

extension ONNXOperators {
  static let resizing: [String: ONNXOperator] = [
    "Resize": { [try $0.resized()] },
    "Upsample": { [try $0.resized()] },
  ]
}

extension ONNXCall {
  /// Version 10 has scales as input 1; later ones a region there, scales as input 2 and sizes as input 3.
  private var isOldResize: Bool { node.operation == "Upsample" || version < 11 }

  fileprivate func resized() throws -> Tensor {
    let x = try input()
    let axes = try self.axes(integers("axes") ?? Array(0..<x.rank), rank: x.rank)
    let (scales, sizes) = try resizedExtents(x.shape, axes)
    let region = try (isOldResize ? nil : optional(1)).map(doubles(of:)) ?? []

    var (output, factors) = (x.shape.dimensions, [Double](repeating: 1, count: x.rank))
    var (starts, ends) = ([Double](repeating: 0, count: x.rank), [Double](repeating: 1, count: x.rank))
    for (index, axis) in axes.enumerated() {
      (output[axis], factors[axis]) = (sizes[index], scales[index])
      if region.count == 2 * axes.count { (starts[axis], ends[axis]) = (region[index], region[index + axes.count]) }
    }
    try checked(output)
    guard sizes.allSatisfy({ $0 <= 1 << 20 }) else { throw unsupported("more than a million elements along an axis") }
    guard x.elementCount > 0, !output.contains(0) else { throw invalid("\(x.shape) to \(sizes)") }

    // Batch and channels of an image keep their place; other axes are resized as if all were spatial.
    let isImage = x.rank > 2 && factors[..<2] == [1, 1] && output[..<2] == x.shape.dimensions[..<2]
    let first = isImage ? 2 : 0
    var attributes = ResizeAttributes(
      output: Array(output[first...]), scales: Array(factors[first...]), method: try method(),
      coordinates: try coordinates(starts: Array(starts[first...]), ends: Array(ends[first...])),
      antialiases: try integer("antialias", 0) != 0, excludesOutside: try integer("exclude_outside", 0) != 0)
    // Where nothing shrinks there is nothing to widen.
    if attributes.antialiases, scales.allSatisfy({ $0 >= 1 }) { attributes.antialiases = false }
    let image = isImage ? x : try reshape(x, [1, 1] + x.shape.dimensions)
    let resized = try compute(.resample(.resize(attributes)), numbers(image))
    return try cast(reshape(extrapolated(resized, x.shape, attributes), output), to: x.dtype)
  }

  /// Outside of the region that is cropped, what the node says instead of 0.
  private func extrapolated(_ x: Tensor, _ input: Shape, _ attributes: ResizeAttributes) throws -> Tensor {
    let value = try number("extrapolation_value", 0)
    guard case .region = attributes.coordinates, value != 0 else { return x }
    let ones = Shape([1, 1] + input.dimensions.suffix(attributes.output.count))
    let inside = [Double](repeating: 1, count: try checked(ones.dimensions).elementCount)
    let covered = try compute(.resample(.resize(attributes)), .made(inside, ones, x.dtype))
    return try add(x, affine(covered, scale: -value, shift: value))
  }

  private func resizedExtents(_ shape: Shape, _ axes: [Int]) throws -> (scales: [Double], sizes: [Int]) {
    let given = try (isOldResize ? optional(1) : optional(2)).map(doubles(of:)) ?? numbers("scales") ?? []
    if given.isEmpty, !isOldResize, let input = optional(3) {
      var sizes = try integers(of: input)
      guard sizes.count == axes.count, sizes.allSatisfy({ 0...1 << 24 ~= $0 }) else {
        throw invalid("the sizes \(sizes.prefix(8)) for \(axes.count) axes")
      }
      var scales = zip(sizes, axes).map { Double($0) / Double(max(1, shape[$1])) }
      let policy = try string("keep_aspect_ratio_policy", "stretch")
      if policy != "stretch", let scale = policy == "not_larger" ? scales.min() : scales.max() {
        scales = scales.map { _ in scale }
        sizes = axes.map { Int((scale * Double(shape[$0])).rounded(.toNearestOrAwayFromZero)) }
      }
      return (scales, sizes)
    }
    guard given.count == axes.count, given.allSatisfy({ $0 > 0x1p-20 && $0 < 0x1p20 }) else {
      throw invalid("\(given.prefix(8)) are no scales for \(axes.count) axes")
    }
    return (given, zip(given, axes).map { Int((Double(shape[$1]) * $0).rounded(.down)) })
  }

  private func method() throws -> ResizeAttributes.Method {
    switch try string("mode", "nearest") {
    case "nearest":
      switch isOldResize ? "floor" : try string("nearest_mode", "round_prefer_floor") {
      case "floor": return .nearest(.floor)
      case "ceil": return .nearest(.ceil)
      case "round_prefer_ceil": return .nearest(.halfUp)
      default: return .nearest(.halfDown)
      }
    case "linear", "bilinear": return .linear
    case "cubic": return .cubic(a: try number("cubic_coeff_a", -0.75))
    case let mode: throw unsupported("the mode \(mode)")
    }
  }

  private func coordinates(starts: [Double], ends: [Double]) throws -> ResizeAttributes.Coordinates {
    switch isOldResize ? "asymmetric" : try string("coordinate_transformation_mode", "half_pixel") {
    case "half_pixel": .halfPixel
    case "pytorch_half_pixel": .halfPixelOrOrigin
    case "half_pixel_symmetric": .halfPixelSymmetric
    case "tf_half_pixel_for_nn": .halfPixelShifted
    case "align_corners": .alignCorners
    case "asymmetric": .asymmetric
    case "tf_crop_and_resize": .region(starts: starts, ends: ends)
    case let mode: throw unsupported("the coordinates \(mode)")
    }
  }
}

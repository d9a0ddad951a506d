import Layers

extension ONNXOperators {
  /// Resizing by any mode: along each axis an output element is a weighted sum of input elements, so resizing an axis
  /// is a product with a matrix that depends on extents and attributes alone.
  static let resizing: [String: ONNXOperator] = [
    "Resize": { [try $0.resized()] },
    "Upsample": { [try $0.resized()] },
  ]
}

extension ONNXCall {
  fileprivate func resized() throws -> Tensor {
    let x = try input()
    // Version 10 has scales as input 1; later ones a region there, scales as input 2 and sizes as input 3.
    let isOld = node.operation == "Upsample" || version < 11
    let axes = try self.axes(integers("axes") ?? Array(0..<x.rank), rank: x.rank)
    let scalesInput = isOld ? optional(1) : optional(2)
    var scales = try scalesInput.map(doubles(of:)) ?? numbers("scales") ?? []
    var sizes: [Int] = []
    if scales.isEmpty, !isOld, let given = optional(3) {
      sizes = try integers(of: given)
      guard sizes.count == axes.count else { throw invalid("\(sizes.count) sizes for \(axes.count) axes") }
      if try string("keep_aspect_ratio_policy", "stretch") != "stretch" { throw unsupported("kept aspect ratios") }
      scales = zip(sizes, axes).map { Double($0) / Double(max(1, x.shape[$1])) }
    } else {
      guard scales.count == axes.count, scales.allSatisfy({ $0 > 0 && $0 < 0x1p20 }) else {
        throw invalid("\(scales.prefix(8)) are no scales for \(axes.count) axes")
      }
      sizes = zip(scales, axes).map { Int((Double(x.shape[$1]) * $0).rounded(.down)) }
    }
    var shape = x.shape
    for (axis, size) in zip(axes, sizes) { shape[axis] = size }
    try checked(shape.dimensions)
    guard sizes.allSatisfy({ $0 <= 1 << 20 }) else { throw unsupported("more than a million elements along an axis") }
    guard x.elementCount > 0, shape.elementCount > 0 else { throw invalid("\(x.shape) to \(shape)") }

    var result = x
    for (index, axis) in axes.enumerated() {
      guard sizes[index] != x.shape[axis] || scales[index] != 1 else { continue }
      let region = try (isOld ? nil : optional(1)).map(doubles(of:)) ?? []
      let filter = try ResizeFilter(
        self, input: x.shape[axis], output: sizes[index], scale: scales[index],
        region: region.count == 2 * axes.count ? (region[index], region[index + axes.count]) : (0, 1), isOld: isOld)
      result = try resize(result, axis: axis, filter)
    }
    return result
  }

  private func resize(_ x: Tensor, axis: Int, _ filter: ResizeFilter) throws -> Tensor {
    let count = x.shape[axis]
    if let places = filter.places {
      if isKnown(x) { return try gather(x, axis: axis, places) }
      // Enlarging by a whole number repeats each element.
      if places.count % count == 0, case let times = places.count / count,
        places.indices.allSatisfy({ places[$0] == $0 / times })
      {
        var extents = x.shape.dimensions
        extents.insert(1, at: axis + 1)
        let spread = try reshape(x, extents)
        extents[axis + 1] = times
        let repeated = try compute(.broadcast(checked(extents)), spread)
        extents.remove(at: axis + 1)
        extents[axis] = places.count
        return try reshape(repeated, extents)
      }
    }
    try checked([filter.rows.count, count])
    let weights = filter.rows.flatMap { row in
      var dense = [Double](repeating: 0, count: count)
      for (place, weight) in row { dense[place] += weight }
      return dense
    }
    var order = Array(0..<x.rank)
    order.swapAt(axis, x.rank - 1)
    let matrix = Tensor.made(weights, [filter.rows.count, count], x.dtype)
    return try transpose(compute(.linear(hasBias: false), transpose(x, order), matrix), order)
  }
}

/// For each output position along an axis, the input positions that it is the weighted sum of.
private struct ResizeFilter {
  private(set) var rows: [[(place: Int, weight: Double)]] = []

  /// The one input position of each output, if that is all.
  var places: [Int]? {
    rows.allSatisfy { $0.count == 1 && $0[0].weight == 1 } ? rows.map { $0[0].place } : nil
  }

  init(
    _ call: ONNXCall, input: Int, output: Int, scale: Double, region: (start: Double, end: Double), isOld: Bool
  ) throws {
    let mode = try call.string("mode", "nearest")
    let coordinates = isOld ? "asymmetric" : try call.string("coordinate_transformation_mode", "half_pixel")
    let rounding = isOld ? "floor" : try call.string("nearest_mode", "round_prefer_floor")
    let sharpness = try call.number("cubic_coeff_a", -0.75)
    let excludes = try call.integer("exclude_outside", 0) != 0
    if try call.integer("antialias", 0) != 0, scale < 1, mode != "nearest" { throw call.unsupported("antialiasing") }
    if coordinates == "tf_crop_and_resize", try call.number("extrapolation_value", 0) != 0 {
      throw call.unsupported("an extrapolation value")
    }
    for index in 0..<output {
      let i = Double(index)
      let last = Double(input - 1)
      let x: Double
      switch coordinates {
      case "half_pixel": x = (i + 0.5) / scale - 0.5
      case "pytorch_half_pixel": x = output > 1 ? (i + 0.5) / scale - 0.5 : 0
      case "align_corners":
        // ONNX's reference takes the resized length before it is rounded down.
        let length = scale * Double(input)
        x = output > 1 && length > 1 ? i * last / (length - 1) : 0
      case "asymmetric": x = i / scale
      case "tf_half_pixel_for_nn": x = (i + 0.5) / scale
      case "half_pixel_symmetric":
        let adjustment = Double(output) / (scale * Double(input))
        x = Double(input) / 2 * (1 - adjustment) + (i + 0.5) / scale - 0.5
      case "tf_crop_and_resize":
        let extent = region.end - region.start
        x =
          output > 1
          ? region.start * last + i * extent * last / Double(output - 1) : 0.5 * (region.start + region.end) * last
        if !(x >= 0 && x <= last) {
          rows.append([])
          continue
        }
      default: throw call.unsupported("the coordinates \(coordinates)")
      }
      guard x.magnitude < 0x1p40 else { throw call.invalid("a position of \(x)") }

      var taps: [(place: Int, weight: Double)]
      switch mode {
      case "nearest":
        let nearest =
          switch rounding {
          case "floor": x.rounded(.down)
          case "ceil": x.rounded(.up)
          case "round_prefer_ceil": (x + 0.5).rounded(.down)
          default: (x - 0.5).rounded(.up)
          }
        taps = [(Int(nearest), 1)]
      case "linear", "bilinear":
        let base = x.rounded(.down)
        taps = x == base ? [(Int(base), 1)] : [(Int(base), 1 - (x - base)), (Int(base) + 1, x - base)]
      case "cubic":
        let base = x.rounded(.down)
        taps = (-1...2).map { (Int(base) + $0, Self.cubic(x - base - Double($0), sharpness)) }
      default: throw call.unsupported("the mode \(mode)")
      }
      if excludes && mode != "nearest" {
        taps = taps.filter { 0..<input ~= $0.place }
        let sum = taps.reduce(0) { $0 + $1.weight }
        taps = taps.map { ($0.place, $0.weight / sum) }
      }
      rows.append(taps.map { (min(max($0.place, 0), input - 1), $0.weight) })
    }
  }

  /// Cubic convolution (Keys, 1981).
  private static func cubic(_ distance: Double, _ a: Double) -> Double {
    let d = distance.magnitude
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }
}

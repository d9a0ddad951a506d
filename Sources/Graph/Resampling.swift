/// A linear map that treats each axis by itself: elements are picked, repeated or mixed by position alone.
public enum Resampling: Hashable, Sendable {
  /// Borders made of the tensor itself: `before[i]` and `after[i]` elements on axis `i`.
  case extend(before: [Int], after: [Int], mode: BorderMode)
  /// Another number of elements along each spatial axis, interpolated.
  case resize(ResizeAttributes)
  /// The means of `output[i]` windows that cover spatial axis `i` evenly, as PyTorch's `AdaptiveAvgPool` has them.
  case adaptiveAverage(output: [Int])
  /// Elements `indices` of one axis, in that order and perhaps repeatedly.
  case select(axis: Int, indices: [Int])

  /// The field's name, as in a summary's row.
  public var name: String {
    switch self {
    case .extend(_, _, let mode): "pad_\(mode.rawValue)"
    case .resize: "resize"
    case .adaptiveAverage: "adaptive_avg_pool"
    case .select: "select"
    }
  }
}

/// What stands beyond the edge of `a b c d`.
public enum BorderMode: String, Hashable, Sendable, CaseIterable {
  /// `c b | a b c d | c b`: the edge itself is not repeated.
  case reflect
  /// `a a | a b c d | d d`.
  case replicate
  /// `c d | a b c d | a b`.
  case circular

  /// The element that stands at `position`, which may lie outside `0 ..< count`.
  public func source(_ position: Int, count: Int) -> Int {
    switch self {
    case .replicate: return min(max(position, 0), count - 1)
    case .circular: return (position % count + count) % count
    case .reflect:
      let period = max(1, 2 * (count - 1))
      let phase = (position % period + period) % period
      return phase < count ? phase : period - phase
    }
  }
}

/// How an image grows or shrinks; the cases are those of PyTorch's `interpolate` and ONNX's `Resize`.
public struct ResizeAttributes: Hashable, Sendable {
  public enum Method: Hashable, Sendable {
    case nearest(Rounding)
    /// Linear along each axis: bilinear for images.
    case linear
    /// Cubic convolution (Keys, 1981) with coefficient `a`; PyTorch and ONNX take -0.75, and -0.5 with antialiasing.
    case cubic(a: Double)
  }

  /// Which neighbour is nearest. `floor` is PyTorch's `nearest` (with ``Coordinates/asymmetric``), `halfUp` its
  /// `nearest-exact` (with ``Coordinates/halfPixel``).
  public enum Rounding: Hashable, Sendable { case floor, ceil, halfDown, halfUp }

  /// Where output position `i` lies on the input's axis.
  public enum Coordinates: Hashable, Sendable {
    /// `(i + 0.5) / scale - 0.5`: centres of pixels.
    case halfPixel
    /// ``halfPixel``, but 0 for an output of one element (ONNX's `pytorch_half_pixel`).
    case halfPixelOrOrigin
    /// ``halfPixel`` about the centre of the input, where a scale leaves a rest (ONNX's `half_pixel_symmetric`).
    case halfPixelSymmetric
    /// `(i + 0.5) / scale` (ONNX's `tf_half_pixel_for_nn`).
    case halfPixelShifted
    /// `i * (input - 1) / (output - 1)`: the corner elements coincide. With ``ResizeAttributes/scales`` the output's
    /// length is not rounded, `scale * input` (ONNX's rule; PyTorch's is the rounded one).
    case alignCorners
    /// `i / scale`.
    case asymmetric
    /// From `starts` to `ends`, as shares of each spatial axis between its first and last centre; 0 outside of the
    /// input (ONNX's `tf_crop_and_resize`).
    case region(starts: [Double], ends: [Double])
  }

  /// The extents along the spatial axes.
  public var output: [Int]
  /// Output elements for each input element, if that is not the ratio of the extents.
  public var scales: [Double]?
  public var method: Method
  public var coordinates: Coordinates
  /// Whether the filter widens when shrinking, so that every input element counts.
  public var antialiases: Bool
  /// Whether neighbours beyond the edge do not count, instead of repeating it.
  public var excludesOutside: Bool

  public init(
    output: [Int], scales: [Double]? = nil, method: Method = .linear, coordinates: Coordinates = .halfPixel,
    antialiases: Bool = false, excludesOutside: Bool = false
  ) {
    self.output = output
    self.scales = scales
    self.method = method
    self.coordinates = coordinates
    self.antialiases = antialiases
    self.excludesOutside = excludesOutside
  }
}

// MARK: - Shapes

extension Resampling {
  /// What each input axis becomes.
  func outputShape(of input: Shape) throws(ShapeError) -> Shape {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ShapeError) {
      if !condition { throw ShapeError(message: "\(name): \(message())") }
    }
    var output = input
    switch self {
    case .extend(let before, let after, let mode):
      try require(
        before.count == input.rank && after.count == input.rank
          && (before + after).allSatisfy { (0..<(1 << 30)).contains($0) },
        "padding \(before) and \(after) does not fit the axes of \(input)")
      for axis in 0..<input.rank where before[axis] + after[axis] > 0 {
        let limit = mode == .reflect ? input[axis] - 1 : mode == .circular ? input[axis] : .max
        try require(
          input[axis] > 0 && max(before[axis], after[axis]) <= limit,
          "padding \(max(before[axis], after[axis])) is more than axis \(axis) of \(input) can give")
        output[axis] += before[axis] + after[axis]
      }
    case .resize(let attributes):
      try require(
        input.rank == attributes.output.count + 2 && (attributes.scales?.count ?? input.rank - 2) == input.rank - 2,
        "an output of \(attributes.output) needs an input [batch, channels, \(attributes.output.count) spatial axes], "
          + "but it is \(input)")
      try require(
        attributes.output.allSatisfy { (1..<(1 << 30)).contains($0) } && input.spatial.allSatisfy { $0 > 0 },
        "\(input) cannot become \(attributes.output)")
      try require(
        attributes.scales?.allSatisfy { $0 > 1e-9 && $0 < 1e9 } ?? true, "the scales are \(attributes.scales ?? [])")
      if case .region(let starts, let ends) = attributes.coordinates {
        try require(
          starts.count == input.rank - 2 && ends.count == input.rank - 2
            && (starts + ends).allSatisfy { $0.magnitude < 1e9 }, "the region is \(starts) to \(ends)")
      }
      output.dimensions.replaceSubrange(2..., with: attributes.output)
    case .adaptiveAverage(let extents):
      try require(
        input.rank == extents.count + 2 && extents.allSatisfy { (1..<(1 << 30)).contains($0) }
          && input.spatial.allSatisfy { $0 > 0 }, "\(input) cannot be pooled to \(extents)")
      output.dimensions.replaceSubrange(2..., with: extents)
    case .select(let axis, let indices):
      try require(input.dimensions.indices.contains(axis), "there is no axis \(axis) in \(input)")
      try require(
        indices.allSatisfy { (0..<input[axis]).contains($0) }, "an index is outside axis \(axis) of \(input)")
      output[axis] = indices.count
    }
    return output
  }
}

// MARK: - The map along one axis

/// A sparse matrix from the elements of an axis to those of another: `y[i] = sum of weight * x[source]` over `taps[i]`.
public struct AxisMap: Sendable {
  public struct Tap: Sendable {
    public var source: Int
    public var weight: Double
  }

  public var taps: [[Tap]]
  public var inputCount: Int

  /// The map of the gradient.
  public var transposed: AxisMap {
    var columns = [[Tap]](repeating: [], count: inputCount)
    for (output, row) in taps.enumerated() {
      for tap in row { columns[tap.source].append(Tap(source: output, weight: tap.weight)) }
    }
    return AxisMap(taps: columns, inputCount: taps.count)
  }

  fileprivate init(taps: [[Tap]], inputCount: Int) {
    self.taps = taps
    self.inputCount = inputCount
  }

  fileprivate init(picking sources: some Sequence<Int>, of count: Int) {
    self.init(taps: sources.map { [Tap(source: $0, weight: 1)] }, inputCount: count)
  }
}

extension Resampling {
  /// The map of each axis of `input`; `nil` where nothing changes.
  public func axisMaps(for input: Shape) -> [AxisMap?] {
    switch self {
    case .extend(let before, let after, let mode):
      return (0..<input.rank).map { axis in
        if before[axis] == 0 && after[axis] == 0 { return nil }
        let count = input[axis]
        return AxisMap(
          picking: (-before[axis]..<(count + after[axis])).map { mode.source($0, count: count) }, of: count)
      }
    case .resize(let attributes):
      return [nil, nil] + attributes.output.indices.map { attributes.axisMap(from: input[$0 + 2], axis: $0) }
    case .adaptiveAverage(let output):
      return [nil, nil]
        + output.indices.map { axis in
          let windows = adaptiveWindows(of: input[axis + 2], into: output[axis])
          return AxisMap(
            taps: windows.map { window in
              window.map { AxisMap.Tap(source: $0, weight: 1 / Double(window.count)) }
            }, inputCount: input[axis + 2])
        }
    case .select(let axis, let indices):
      var maps = [AxisMap?](repeating: nil, count: input.rank)
      maps[axis] = AxisMap(picking: indices, of: input[axis])
      return maps
    }
  }
}

/// `output` windows that cover `0 ..< input` evenly and overlap where that does not divide, as PyTorch's adaptive
/// pooling has them.
public func adaptiveWindows(of input: Int, into output: Int) -> [Range<Int>] {
  (0..<output).map { ($0 * input / output)..<(($0 + 1) * input + output - 1) / output }
}

extension ResizeAttributes {
  /// A distance on the output, on the input.
  private func inputDistance(_ distance: Double, from input: Int, axis: Int) -> Double {
    scales.map { distance / $0[axis] } ?? distance * (Double(input) / Double(output[axis]))
  }

  /// Where output `index` lies on an input axis; `nil` outside of a region.
  private func position(_ index: Int, from input: Int, axis: Int) -> Double? {
    let output = output[axis]
    let scale = scales?[axis]
    let centre = inputDistance(Double(index) + 0.5, from: input, axis: axis)
    switch coordinates {
    case .halfPixel: return centre - 0.5
    case .halfPixelOrOrigin: return output > 1 ? centre - 0.5 : 0
    case .halfPixelSymmetric:
      let rest = scale.map { 1 - Double(output) / ($0 * Double(input)) } ?? 0
      return Double(input) / 2 * rest + centre - 0.5
    case .halfPixelShifted: return centre
    case .alignCorners:
      let length = scale.map { $0 * Double(input) } ?? Double(output)
      return output > 1 && length > 1 ? Double(index) * (Double(input - 1) / (length - 1)) : 0
    // A product of integers is exact where the quotient is a whole number.
    case .asymmetric: return scale.map { Double(index) / $0 } ?? Double(index * input) / Double(output)
    case .region(let starts, let ends):
      let (start, end, last) = (starts[axis], ends[axis], Double(input - 1))
      let position =
        output > 1
        ? start * last + Double(index) * (end - start) * last / Double(output - 1) : 0.5 * (start + end) * last
      return position >= 0 && position <= last ? position : nil
    }
  }

  fileprivate func axisMap(from input: Int, axis: Int) -> AxisMap? {
    let output = output[axis]
    var cuts = false
    if case .region = coordinates { cuts = true }
    if input == output && scales?[axis] ?? 1 == 1 && !cuts { return nil }
    switch method {
    case .nearest(let rounding):
      return AxisMap(
        taps: (0..<output).map { index in
          position(index, from: input, axis: axis).map {
            [AxisMap.Tap(source: min(max(rounding.round($0), 0), input - 1), weight: 1)]
          } ?? []
        }, inputCount: input)
    case .linear, .cubic:
      let radius = method == .linear ? 1.0 : 2.0
      let rows = (0..<output).map { index in
        guard let position = position(index, from: input, axis: axis) else { return [] as [AxisMap.Tap] }
        if !antialiases { return taps(around: position, radius: Int(radius), input: input) }
        // As in PyTorch, filters keep their distance from the edge where corners coincide.
        let step =
          coordinates == .alignCorners
          ? Double(input - 1) / Double(max(1, output - 1)) : inputDistance(1, from: input, axis: axis)
        let centre = coordinates == .alignCorners ? (Double(index) + 0.5) * step : position + 0.5
        return widenedTaps(centre: centre, step: step, radius: radius, input: input)
      }
      return AxisMap(taps: rows, inputCount: input)
    }
  }

  /// The weights of the neighbours of a position; those outside fall to the elements at the edge.
  private func taps(around position: Double, radius: Int, input: Int) -> [AxisMap.Tap] {
    let first = Int(position.rounded(.down)) - radius + 1
    var taps: [AxisMap.Tap] = []
    for neighbour in first..<(first + 2 * radius) {
      let weight = filter(Double(neighbour) - position)
      let source = min(max(neighbour, 0), input - 1)
      if weight == 0 || excludesOutside && source != neighbour { continue }
      if taps.last?.source == source {
        taps[taps.count - 1].weight += weight
      } else {
        taps.append(AxisMap.Tap(source: source, weight: weight))
      }
    }
    return excludesOutside ? normalized(taps) : taps
  }

  private func normalized(_ taps: [AxisMap.Tap]) -> [AxisMap.Tap] {
    let sum = taps.reduce(0) { $0 + $1.weight }
    // Positions far outside, where scales and extents contradict each other, see nothing.
    if sum == 0 { return [] }
    return taps.map { AxisMap.Tap(source: $0.source, weight: $0.weight / sum) }
  }

  /// The weights of a filter as wide as the input elements that one output element stands for, normalised to 1.
  private func widenedTaps(centre: Double, step: Double, radius: Double, input: Int) -> [AxisMap.Tap] {
    let width = max(step, 1)
    let first = max(Int(centre - radius * width + 0.5), 0)
    let end = min(Int(centre + radius * width + 0.5), input)
    let taps = (first..<max(first, end)).map {
      AxisMap.Tap(source: $0, weight: filter((Double($0) + 0.5 - centre) / width))
    }
    return normalized(taps)
  }

  private func filter(_ distance: Double) -> Double {
    let x = abs(distance)
    guard case .cubic(let a) = method else { return max(0, 1 - x) }
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0
  }
}

extension ResizeAttributes.Rounding {
  fileprivate func round(_ position: Double) -> Int {
    switch self {
    case .floor: Int(position.rounded(.down))
    case .ceil: Int(position.rounded(.up))
    case .halfDown: Int((position - 0.5).rounded(.up))
    case .halfUp: Int((position + 0.5).rounded(.down))
    }
  }
}

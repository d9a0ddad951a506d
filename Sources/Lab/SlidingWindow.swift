public import Layers

/// A window that slides over a small input, with everything that a slide shows of it: what each window covers, its
/// products, and the output.
///
/// The output is computed by the library's own layers; the terms of each window are collected here, one by one by the
/// definition, and compared with it.
public struct SlidingWindow: Sendable {
  public enum Kind: Hashable, Sendable {
    case convolution(Convolution)
    case pooling(Pooling)
  }

  /// Cross-correlation, which networks call convolution, with some kernels of one size.
  public struct Convolution: Hashable, Sendable {
    /// Each makes one channel of the output and has the input's channels divided by the groups.
    public var kernels: [NumberGrid]
    /// One number for each kernel, or none.
    public var bias: [Float] = []
    public var groups = 1
    /// What stands in the padding.
    public var borders = Borders.zeros
    /// Whether kernels are reversed along each axis: convolution as mathematics defines it.
    public var isFlipped = false

    public init(
      kernels: [NumberGrid], bias: [Float] = [], groups: Int = 1, borders: Borders = .zeros, isFlipped: Bool = false
    ) {
      (self.kernels, self.bias, self.groups) = (kernels, bias, groups)
      (self.borders, self.isFlipped) = (borders, isFlipped)
    }
  }

  public struct Pooling: Hashable, Sendable {
    public enum Function: String, CaseIterable, Sendable {
      case max, average, sum, min, l2, variance
      /// The maximum over channels instead of places.
      case maxout
    }

    public var function: Function
    /// Along each axis; one number means all. Ignored by `maxout`.
    public var size: [Int]
    /// Whether a last window that hangs over the end counts (PyTorch's `ceil_mode`).
    public var roundsUp = false
    /// Whether an average divides by the padding's zeros too.
    public var countsPadding = true
    /// How many channels `maxout` takes together.
    public var pieces = 2

    public init(
      _ function: Function, size: [Int], roundsUp: Bool = false, countsPadding: Bool = true, pieces: Int = 2
    ) {
      (self.function, self.size, self.roundsUp) = (function, size, roundsUp)
      (self.countsPadding, self.pieces) = (countsPadding, pieces)
    }
  }

  /// How the window moves. One number means all axes, several are rows and columns or planes, rows and columns.
  public struct Steps: Hashable, Sendable {
    public enum Padding: Hashable, Sendable {
      case amounts(before: [Int], after: [Int])
      /// As many outputs as inputs, divided by the stride and rounded up; an odd element goes after or before.
      case same, sameLower
      /// Every window that touches the input counts.
      case full
    }

    public var stride: [Int]
    public var padding: Padding
    public var dilation: [Int]

    public init(stride: [Int] = [1], padding: Padding = .amounts(before: [0], after: [0]), dilation: [Int] = [1]) {
      (self.stride, self.padding, self.dilation) = (stride, padding, dilation)
    }

    /// - Parameter padding: on either side of each axis.
    public init(stride: [Int] = [1], padding: [Int], dilation: [Int] = [1]) {
      self.init(stride: stride, padding: .amounts(before: padding, after: padding), dilation: dilation)
    }
  }

  /// One position of the window.
  public struct Position: Hashable, Sendable {
    /// Of the output element.
    public var channel: Int
    /// Plane, row and column of the output element.
    public var place: [Int]
    /// What the window covers, in the order of the kernel; without the padding where that does not count.
    public var values: [Float]
    /// The kernel's numbers as they are multiplied; empty for pooling.
    public var weights: [Float]
    public var bias: Float?
    /// The output, by the library's layer.
    public var result: Float
  }

  public let kind: Kind
  public let input: NumberGrid
  public let output: NumberGrid
  public let positions: [Position]
  /// 1 if input and window are single rows, 3 if either has several planes, otherwise 2.
  public let rank: Int
  /// How the window moves, for planes, rows and columns.
  let geometry: Geometry

  /// Computes all windows.
  ///
  /// - Throws: ``LabError`` if the window does not fit or a number is out of range.
  public init(_ kind: Kind, over input: NumberGrid, steps: Steps = Steps()) throws(LabError) {
    (self.kind, self.input) = (kind, input)
    geometry = try Geometry(kind, over: input, steps: steps)
    rank = geometry.rank
    let y = Self.output(kind, of: input, geometry)
    let extents = [Int](repeating: 1, count: 3 - rank) + y.shape.spatial
    let output = NumberGrid(
      channels: y.shape[1], planes: extents[0], rows: extents[1], columns: extents[2], values: y.scalars())
    self.output = output

    var positions: [Position] = []
    for index in output.values.indices {
      let (row, column) = (index / output.columns, index % output.columns)
      let place = [row / output.rows % output.planes, row % output.rows, column]
      var position = Position(
        channel: row / output.rows / output.planes, place: place, values: [], weights: [], result: output.values[index])
      if case .convolution(let convolution) = kind, !convolution.bias.isEmpty {
        position.bias = convolution.bias[position.channel]
      }
      for tap in geometry.taps(channel: position.channel, place: place) {
        guard let value = Self.value(of: input, tap, kind, geometry) else { continue }
        position.values.append(value)
        if case .convolution(let convolution) = kind {
          position.weights.append(convolution.kernels[position.channel][tap.weight.channel, tap.weight.place])
        }
      }
      try Self.checkResult(of: position, kind, input)
      positions.append(position)
    }
    self.positions = positions
  }

  /// What the input or its padding holds at a place; `nil` where padding does not count.
  static func value(of input: NumberGrid, _ tap: Geometry.Tap, _ kind: Kind, _ geometry: Geometry) -> Float? {
    let isInside = zip(tap.place, input.extents).allSatisfy { (0..<$1).contains($0) }
    if isInside { return input[tap.channel, tap.place] }
    switch kind {
    case .convolution(let convolution):
      if convolution.borders == .zeros { return 0 }
      let place = zip(tap.place, input.extents).map { position, extent in
        switch convolution.borders {
        case .reflect: position < 0 ? -position : position >= extent ? 2 * (extent - 1) - position : position
        case .circular: (position + extent) % extent
        default: min(max(position, 0), extent - 1)
        }
      }
      return input[tap.channel, place]
    case .pooling(let pooling):
      switch pooling.function {
      case .sum, .l2: return 0
      case .average where pooling.countsPadding:
        // A window that hangs over the end of the padding does not count what is there.
        let counts = (0..<3).allSatisfy { tap.place[$0] < input.extents[$0] + geometry.after[$0] }
        return counts ? 0 : nil
      default: return nil
      }
    }
  }

  private static func checkResult(of position: Position, _ kind: Kind, _ input: NumberGrid) throws(LabError) {
    let values = position.values.map(Double.init)
    let sum = values.reduce(0, +)
    let count = Double(max(1, values.count))
    var size = values.reduce(0) { $0 + abs($1) }
    let expected: Double
    switch kind {
    case .convolution:
      let products = zip(values, position.weights).map { $0 * Double($1) } + (position.bias.map { [Double($0)] } ?? [])
      (expected, size) = (products.reduce(0, +), products.reduce(0) { $0 + abs($1) })
    case .pooling(let pooling):
      switch pooling.function {
      case .max, .maxout: expected = values.max() ?? 0
      case .min: expected = values.min() ?? 0
      case .average: expected = sum / count
      case .sum: expected = sum
      case .l2: expected = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      case .variance:
        expected = values.reduce(0) { $0 + ($1 - sum / count) * ($1 - sum / count) } / count
        // It is a difference of squares, which are as large as the input's spread.
        let spread = Double(input.values.max() ?? 0) - Double(input.values.min() ?? 0)
        size = spread * spread
      }
    }
    guard position.result.isFinite else { throw LabError("the numbers are too large for float32") }
    if abs(expected - Double(position.result)) > 1e-5 * size {
      throw LabError("the layer gave \(position.result), but its terms make \(expected): please report this")
    }
  }
}

extension SlidingWindow {
  private static func output(_ kind: Kind, of input: NumberGrid, _ geometry: Geometry) -> Tensor {
    switch (kind, geometry.rank) {
    case (.convolution(let convolution), 1): convolved(Conv1D.self, convolution, input, geometry)
    case (.convolution(let convolution), 2): convolved(Conv2D.self, convolution, input, geometry)
    case (.convolution(let convolution), _): convolved(Conv3D.self, convolution, input, geometry)
    case (.pooling(let pooling), 1): pooled(MaxPool1D.self, pooling, input, geometry)
    case (.pooling(let pooling), 2): pooled(MaxPool2D.self, pooling, input, geometry)
    case (.pooling(let pooling), _): pooled(MaxPool3D.self, pooling, input, geometry)
    }
  }

  private static func convolved<let rank: Int>(
    _: Conv<rank>.Type, _ convolution: Convolution, _ input: NumberGrid, _ geometry: Geometry
  ) -> Tensor {
    func spatial(_ numbers: [Int]) -> Extents { Extents(Array(numbers.suffix(rank))) }
    let kernels = convolution.kernels
    var layer = Conv<rank>(
      in: input.channels, out: kernels.count, kernel: spatial(geometry.window), stride: spatial(geometry.stride),
      padding: .uneven(before: spatial(geometry.before), after: spatial(geometry.after)),
      dilation: spatial(geometry.dilation), groups: convolution.groups, bias: !convolution.bias.isEmpty,
      borders: convolution.borders, isFlipped: convolution.isFlipped)
    layer.weight = Tensor(kernels.flatMap(\.values), shape: layer.weight.shape)
    if !convolution.bias.isEmpty { layer.bias = Tensor(convolution.bias) }
    return layer(input.tensor(rank: rank))
  }

  private static func pooled<let rank: Int>(
    _: MaxPool<rank>.Type, _ pooling: Pooling, _ input: NumberGrid, _ geometry: Geometry
  ) -> Tensor {
    let axes = { (numbers: [Int]) in Array(numbers.suffix(rank)) }
    let (kernel, stride) = (Extents(axes(geometry.window)), Extents(axes(geometry.stride)))
    let roundsUp = pooling.roundsUp
    // Layers pad both sides alike; windows of the lab need not.
    func place(_ attributes: inout PoolAttributes) {
      (attributes.paddingBefore, attributes.paddingAfter) = (axes(geometry.before), axes(geometry.after))
      attributes.dilation = axes(geometry.dilation)
    }
    let x = input.tensor(rank: rank)
    switch pooling.function {
    case .max:
      var layer = MaxPool<rank>(kernel: kernel, stride: stride, roundsUp: roundsUp)
      place(&layer.attributes)
      return layer(x)
    case .min:
      var layer = MinPool<rank>(kernel: kernel, stride: stride, roundsUp: roundsUp)
      place(&layer.attributes)
      return layer(x)
    case .sum:
      var layer = SumPool<rank>(kernel: kernel, stride: stride, roundsUp: roundsUp)
      place(&layer.attributes)
      return layer(x)
    case .l2:
      var layer = LpPool<rank>(kernel: kernel, stride: stride, roundsUp: roundsUp)
      place(&layer.sum.attributes)
      return layer(x)
    case .average:
      var layer = AveragePool<rank>(
        kernel: kernel, stride: stride, roundsUp: roundsUp, countsPadding: pooling.countsPadding)
      place(&layer.attributes)
      return layer(x)
    case .variance:
      var layer = VariancePool<rank>(kernel: kernel, stride: stride, roundsUp: roundsUp)
      place(&layer.attributes)
      return layer(x)
    case .maxout: return maxout(x, pieces: pooling.pieces)
    }
  }
}

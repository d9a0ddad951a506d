import Layers

/// A window that slides over a small input, with everything that a slide shows of it: what each window covers, its
/// products, and the output.
///
/// The output is computed by the library's own operation; the terms of each window are collected here, one by one, and
/// compared with it.
public struct SlidingWindow: Sendable {
  public enum Kind: Hashable, Sendable {
    /// Cross-correlation, which networks call convolution.
    case convolution(kernel: NumberGrid)
    case maximum(rows: Int, columns: Int)
    /// The padding's zeros count, as in PyTorch's default.
    case average(rows: Int, columns: Int)
  }

  /// For each axis, rows first.
  public struct Steps: Hashable, Sendable {
    public var stride: [Int]
    public var padding: [Int]
    public var dilation: [Int]

    /// - Parameters:
    ///   - stride: rows and columns.
    ///   - padding: zeros on either side of each axis.
    public init(stride: [Int] = [1, 1], padding: [Int] = [0, 0], dilation: [Int] = [1, 1]) {
      (self.stride, self.padding, self.dilation) = (stride, padding, dilation)
    }
  }

  /// One position of the window.
  public struct Position: Hashable, Sendable {
    /// Of the output element; `channel` is 0 for convolutions.
    public var channel, row, column: Int
    /// What the window covers in the order of the kernel; zeros where it is over padding.
    public var values: [Float]
    /// The kernel's numbers; empty for pooling.
    public var weights: [Float]
    /// The output, by the library's operation.
    public var result: Float
  }

  public let kind: Kind
  public let input: NumberGrid
  public let steps: Steps
  public let output: NumberGrid
  public let positions: [Position]
  /// 1 if input and kernel are single rows, otherwise 2.
  public let rank: Int

  static let extentLimit = 4096
  static let windowLimit = 1 << 18

  var windowRows: Int {
    switch kind {
    case .convolution(let kernel): kernel.rows
    case .maximum(let rows, _), .average(let rows, _): rows
    }
  }
  var windowColumns: Int {
    switch kind {
    case .convolution(let kernel): kernel.columns
    case .maximum(_, let columns), .average(_, let columns): columns
    }
  }

  /// Computes all windows.
  ///
  /// - Throws: ``LabError`` if the window does not fit or a step is not positive.
  public init(_ kind: Kind, over input: NumberGrid, steps: Steps = Steps()) throws(LabError) {
    (self.kind, self.input) = (kind, input)
    var (rows, columns, kernel) = (0, 0, NumberGrid?.none)
    switch kind {
    case .convolution(let grid): (rows, columns, kernel) = (grid.rows, grid.columns, grid)
    case .maximum(let r, let c), .average(let r, let c): (rows, columns) = (r, c)
    }
    let rank = input.rows == 1 && rows == 1 ? 1 : 2
    self.rank = rank
    var steps = steps
    guard (1...Self.extentLimit).contains(rows), (1...Self.extentLimit).contains(columns) else {
      throw LabError("the window must be from 1 to \(Self.extentLimit) on each side, but it is \(rows)x\(columns)")
    }
    try Self.check(steps)
    // The rows' numbers mean nothing to a single row.
    if rank == 1 { (steps.stride[0], steps.padding[0], steps.dilation[0]) = (1, 0, 1) }
    self.steps = steps
    try Self.check(input, rows: rows, columns: columns, kernel: kernel, kind: kind, steps)

    // The library's own operation.
    let axes = rank == 1 ? 1..<2 : 0..<2
    func spatial(_ numbers: [Int]) -> [Int] { Array(numbers[axes]) }
    let x = input.tensor(rank: rank)
    let y: Tensor
    if let kernel {
      let attributes = ConvAttributes(
        stride: spatial(steps.stride), dilation: spatial(steps.dilation), paddingBefore: spatial(steps.padding),
        paddingAfter: spatial(steps.padding))
      y = apply(.conv(attributes), x, kernel.tensor(rank: rank))
    } else {
      var pooling = PoolAttributes.Kind.max
      if case .average = kind { pooling = .average(countsPadding: true) }
      let attributes = PoolAttributes(
        kind: pooling, kernel: spatial([rows, columns]), stride: spatial(steps.stride),
        dilation: spatial(steps.dilation), paddingBefore: spatial(steps.padding), paddingAfter: spatial(steps.padding))
      y = apply(.pool(attributes), x)
    }
    let output = NumberGrid(
      channels: y.shape[1], rows: rank == 1 ? 1 : y.shape[2], columns: y.shape.dimensions.last ?? 0,
      values: y.scalars())
    self.output = output

    // What each window covers, by the definition.
    var positions: [Position] = []
    for channel in 0..<output.channels {
      for row in 0..<output.rows {
        for column in 0..<output.columns {
          var position = Position(
            channel: channel, row: row, column: column, values: [], weights: kernel?.values ?? [],
            result: output[channel, row, column])
          for source in kernel == nil ? channel..<channel + 1 : 0..<input.channels {
            for i in 0..<rows {
              for j in 0..<columns {
                let r = row * steps.stride[0] + i * steps.dilation[0] - steps.padding[0]
                let c = column * steps.stride[1] + j * steps.dilation[1] - steps.padding[1]
                let isInside = (0..<input.rows).contains(r) && (0..<input.columns).contains(c)
                // The padding never wins a maximum.
                if !isInside, case .maximum = kind { continue }
                position.values.append(isInside ? input[source, r, c] : 0)
              }
            }
          }
          try Self.checkResult(of: position, kind)
          positions.append(position)
        }
      }
    }
    self.positions = positions
  }

  private static func check(_ steps: Steps) throws(LabError) {
    for (numbers, name, least) in [
      (steps.stride, "stride", 1), (steps.padding, "padding", 0),
      (steps.dilation, "dilation", 1),
    ] {
      guard numbers.count == 2, numbers.allSatisfy({ (least...extentLimit).contains($0) }) else {
        let text = Set(numbers).count == 1 ? "\(numbers[0])" : numbers.map(String.init).joined(separator: "x")
        throw LabError("the \(name) must be from \(least) to \(extentLimit), but it is \(text)")
      }
    }
  }

  private static func check(
    _ input: NumberGrid, rows: Int, columns: Int, kernel: NumberGrid?, kind: Kind, _ steps: Steps
  ) throws(LabError) {
    if let kernel, kernel.channels != input.channels {
      throw LabError(
        "the kernel has \(kernel.channels) channels, but the input has \(input.channels); they must be as many")
    }
    var count = input.channels
    for (axis, (extent, window)) in zip([input.rows, input.columns], [rows, columns]).enumerated() {
      let padded = extent + 2 * steps.padding[axis]
      let covered = steps.dilation[axis] * (window - 1) + 1
      guard covered <= padded else {
        throw LabError(
          "the window covers \(covered) \(axis == 0 ? "rows" : "columns"), but the input has only \(padded) with its "
            + "padding; use a smaller window or more padding")
      }
      count *= windowCount(padded, kernel: window, stride: steps.stride[axis], dilation: steps.dilation[axis])
      if kernel == nil && steps.padding[axis] > window / 2 {
        throw LabError("pooling may pad by at most half its window, \(window / 2), but it is \(steps.padding[axis])")
      }
      guard count <= windowLimit / (rows * columns) else {
        throw LabError("that is too much to write out; use fewer windows")
      }
    }
  }

  private static func checkResult(of position: Position, _ kind: Kind) throws(LabError) {
    let values = position.values.map(Double.init)
    let expected: Double
    switch kind {
    case .convolution: expected = zip(values, position.weights).reduce(0) { $0 + $1.0 * Double($1.1) }
    case .maximum: expected = values.max() ?? 0
    case .average: expected = values.reduce(0, +) / Double(max(1, values.count))
    }
    var size = values.reduce(0) { $0 + abs($1) }
    if case .convolution = kind { size = zip(values, position.weights).reduce(0) { $0 + abs($1.0 * Double($1.1)) } }
    guard position.result.isFinite else { throw LabError("the numbers are too large for float32") }
    if abs(expected - Double(position.result)) > 1e-5 * size {
      throw LabError("the operation gave \(position.result), but its terms add up to \(expected): please report this")
    }
  }
}

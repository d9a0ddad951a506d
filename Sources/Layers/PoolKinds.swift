/// The sum of each window over `rank` spatial axes: `[N, C, ...]` to `[N, C, ...]`; padding counts as zeros.
public struct SumPool<let rank: Int>: Layer {
  /// Of an average over the same windows.
  public var attributes: PoolAttributes

  public init(
    kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1, roundsUp: Bool = false
  ) {
    attributes =
      AveragePool<rank>(
        kernel: kernel, stride: stride, padding: padding, dilation: dilation, roundsUp: roundsUp
      ).attributes
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    var attributes = attributes
    if attributes.roundsUp && x.rank == rank + 2 {
      // Every divisor becomes the same once the window that hangs over the end hangs into padding.
      for axis in 0..<rank {
        let covered = attributes.dilation[axis] * (attributes.kernel[axis] - 1) + 1
        let last = (attributes.outputExtent(x.shape[axis + 2], axis: axis) - 1) * attributes.stride[axis]
        attributes.paddingAfter[axis] = max(
          attributes.paddingAfter[axis], last + covered - x.shape[axis + 2] - attributes.paddingBefore[axis])
      }
      attributes.roundsUp = false
    }
    return apply(.pool(attributes), x) * Double(attributes.kernel.reduce(1, *))
  }
}

/// Minimum pooling over `rank` spatial axes; the padding never wins.
public struct MinPool<let rank: Int>: Layer {
  public var attributes: PoolAttributes

  public init(
    kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1, roundsUp: Bool = false
  ) {
    attributes =
      MaxPool<rank>(
        kernel: kernel, stride: stride, padding: padding, dilation: dilation, roundsUp: roundsUp
      ).attributes
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { -apply(.pool(attributes), -x) }
}

/// The p-norm of each window, `sum(|x|^p)^(1/p)` (Sermanet et al., 2012): L2 pooling for `p = 2`.
///
/// PyTorch's `LPPool` takes `x^p` without the magnitude, which agrees for even `p`. As there, a window of zeros has the
/// gradient 0.
public struct LpPool<let rank: Int>: Layer {
  public var p: Double
  public var sum: SumPool<rank>

  public static var fields: [Field<Self>] { [.init("sum", \.sum)] }

  public init(
    p: Double = 2, kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1,
    roundsUp: Bool = false
  ) {
    self.p = p
    sum = SumPool(kernel: kernel, stride: stride, padding: padding, dilation: dilation, roundsUp: roundsUp)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    sum(x.powers(p)).root(p)
  }
}

/// The (biased) variance of each window over `rank` spatial axes. Padding does not count.
public struct VariancePool<let rank: Int>: Layer {
  /// Of the averages that the variance is made of.
  public var attributes: PoolAttributes

  public init(kernel: Extents, stride: Extents? = nil, padding: Extents = 0, roundsUp: Bool = false) {
    attributes =
      AveragePool<rank>(
        kernel: kernel, stride: stride, padding: padding, roundsUp: roundsUp, countsPadding: false
      ).attributes
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    // Windows differ less from their map's mean than from 0, which keeps the difference of squares exact.
    let centred = x - x.mean(along: Array(2..<Swift.max(2, x.rank)), keepingDimensions: true)
    return relu(apply(.pool(attributes), square(centred)) - square(apply(.pool(attributes), centred)))
  }
}

public typealias SumPool2D = SumPool<2>
public typealias MinPool2D = MinPool<2>
public typealias LpPool2D = LpPool<2>
public typealias VariancePool2D = VariancePool<2>

/// One number for each feature map: `[N, C, ...]` to `[N, C]`.
public struct GlobalPool: Layer {
  public enum Kind: Hashable, Sendable {
    case average, max, min, sum, variance
    /// The p-norm of a positive p, as in ``LpPool``.
    case lp(Double)

    /// The Euclidean norm.
    public static let l2 = Kind.lp(2)
  }

  public let kind: Kind
  public init(_ kind: Kind) { self.kind = kind }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let axes = Array(2..<Swift.max(2, x.rank))
    return switch kind {
    case .average: x.mean(along: axes)
    case .max: x.max(along: axes)
    case .min: x.min(along: axes)
    case .sum: x.sum(along: axes)
    case .variance: x.variance(along: axes)
    case .lp(let p): x.powers(p).sum(along: axes).root(p)
    }
  }
}

/// Average pooling to a given extent, whatever the input's: `[N, C, ...]` to `[N, C, output...]`.
public struct AdaptiveAveragePool<let rank: Int>: Layer {
  public let output: [Int]
  public init(output: Extents) { self.output = output.resolved(rank: rank, "output") }
  public func callAsFunction(_ x: Tensor) -> Tensor { apply(.resample(.adaptiveAverage(output: output)), x) }
}

/// Maximum pooling to a given extent, whatever the input's.
public struct AdaptiveMaxPool<let rank: Int>: Layer {
  public let output: [Int]
  public init(output: Extents) { self.output = output.resolved(rank: rank, "output") }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if x.rank != rank + 2 || output.contains(where: { $0 < 1 }) {
      return x.misfit("adaptive_max_pool\(rank)d: \(x.shape) cannot be pooled to \(output)")
    }
    // Windows of different extents become windows of one by repeating their last element, which cannot win earlier.
    var (y, kernel) = (x, [Int]())
    for axis in 0..<rank {
      let windows = adaptiveWindows(of: x.shape[axis + 2], into: output[axis])
      let extent = windows.map(\.count).max() ?? 1
      let indices = windows.flatMap { window in (0..<extent).map { min(window.lowerBound + $0, window.upperBound - 1) }
      }
      if indices != Array(0..<x.shape[axis + 2]) { y = y.selecting(indices, along: axis + 2) }
      kernel.append(extent)
    }
    return MaxPool<rank>(kernel: Extents(kernel))(y)
  }
}

/// One number for each of `output` windows that cover the input evenly, of any kind: ``AdaptiveAveragePool`` and
/// ``AdaptiveMaxPool`` are the usual ones.
public struct AdaptivePool<let rank: Int>: Layer {
  public let kind: GlobalPool.Kind
  public let output: [Int]

  public init(_ kind: GlobalPool.Kind, output: Extents) {
    self.kind = kind
    self.output = output.resolved(rank: rank, "output")
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let average = AdaptiveAveragePool<rank>(output: Extents(output))
    switch kind {
    case .average: return average(x)
    case .max: return AdaptiveMaxPool<rank>(output: Extents(output))(x)
    case .min: return -AdaptiveMaxPool<rank>(output: Extents(output))(-x)
    case .sum: return average(x) * areas(x)
    case .lp(let p): return (average(x.powers(p)) * areas(x)).root(p)
    case .variance:
      // As in VariancePool.
      let centred = x - x.mean(along: Array(2..<Swift.max(2, x.rank)), keepingDimensions: true)
      return relu(average(square(centred)) - square(average(centred)))
    }
  }

  /// The number of elements in each window, `[output...]`.
  private func areas(_ x: Tensor) -> Tensor {
    guard x.rank == rank + 2 else { return .ones(Shape(output)) }
    var areas: [Float] = [1]
    for axis in 0..<rank {
      let counts = adaptiveWindows(of: x.shape[axis + 2], into: output[axis]).map { Float($0.count) }
      areas = areas.flatMap { area in counts.map { area * $0 } }
    }
    return Tensor(areas, shape: Shape(output))
  }
}

public typealias AdaptiveAveragePool2D = AdaptiveAveragePool<2>
public typealias AdaptiveMaxPool2D = AdaptiveMaxPool<2>

extension MaxPool {
  /// The maxima and, for ``maxUnpool(_:_:to:)``, where each stands in its flattened feature map (int32).
  public func withIndices(_ x: Tensor) -> (maxima: Tensor, indices: Tensor) {
    (self(x), apply(.maxPoolIndices(attributes), x))
  }
}

/// Puts maxima back where they were, with zeros elsewhere (Zeiler and Fergus, 2014).
///
/// - Parameters:
///   - x: `[N, C, ...]`.
///   - indices: from ``MaxPool/withIndices(_:)`` of windows that do not overlap.
///   - extents: of the spatial axes of the result.
public func maxUnpool(_ x: Tensor, _ indices: Tensor, to extents: [Int]) -> Tensor {
  let maps: Shape = [x.shape[0], x.shape[1], -1]
  return x.reshaped(to: maps)
    .scattered(indices.reshaped(to: maps), along: 2, extent: extents.reduce(1, *))
    .reshaped(to: Shape([x.shape[0], x.shape[1]] + extents))
}

/// The maximum over groups of `pieces` consecutive channels: `[N, C, ...]` to `[N, C / pieces, ...]` (Goodfellow et
/// al., "Maxout networks", 2013).
public func maxout(_ x: Tensor, pieces: Int) -> Tensor {
  if x.rank < 2 || pieces < 1 || x.shape[1] % pieces != 0 {
    let channels = x.rank < 2 ? 0 : x.shape[1]
    return x.misfit(
      "maxout: the \(channels) channels of \(x.shape) do not divide into groups of \(pieces); "
        + nearestMultiples(of: pieces, to: channels, "channels"))
  }
  return x.reshaped(to: Shape([x.shape[0], x.shape[1] / pieces, pieces] + x.shape.spatial)).max(along: [2])
}

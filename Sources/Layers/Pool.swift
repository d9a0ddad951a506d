/// Maximum pooling over `rank` spatial axes: `[N, C, ...]` to `[N, C, ...]`, without parameters.
public struct MaxPool<let rank: Int>: Layer {
  public var attributes: PoolAttributes

  /// - Parameters:
  ///   - stride: the kernel's extent unless given.
  ///   - padding: on either side; the padding never wins.
  public init(
    kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1, roundsUp: Bool = false
  ) {
    let padding = padding.resolved(rank: rank, "padding")
    attributes = PoolAttributes(
      kind: .max, kernel: kernel.resolved(rank: rank, "kernel"),
      stride: (stride ?? kernel).resolved(rank: rank, "stride"),
      dilation: dilation.resolved(rank: rank, "dilation"), paddingBefore: padding, paddingAfter: padding,
      roundsUp: roundsUp)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { apply(.pool(attributes), x) }
}

/// Average pooling over `rank` spatial axes.
public struct AveragePool<let rank: Int>: Layer {
  public var attributes: PoolAttributes

  /// - Parameter countsPadding: whether zeros of the padding count in the divisor (PyTorch's default).
  public init(
    kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1, roundsUp: Bool = false,
    countsPadding: Bool = true
  ) {
    let padding = padding.resolved(rank: rank, "padding")
    attributes = PoolAttributes(
      kind: .average(countsPadding: countsPadding), kernel: kernel.resolved(rank: rank, "kernel"),
      stride: (stride ?? kernel).resolved(rank: rank, "stride"), dilation: dilation.resolved(rank: rank, "dilation"),
      paddingBefore: padding, paddingAfter: padding, roundsUp: roundsUp)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { apply(.pool(attributes), x) }
}

public typealias MaxPool1D = MaxPool<1>
public typealias MaxPool2D = MaxPool<2>
public typealias MaxPool3D = MaxPool<3>
public typealias AveragePool1D = AveragePool<1>
public typealias AveragePool2D = AveragePool<2>
public typealias AveragePool3D = AveragePool<3>

/// The mean of each feature map: `[N, C, ...]` to `[N, C]` (Lin et al., "Network in Network", 2014).
public struct GlobalAveragePool: Layer {
  public init() {}
  public func callAsFunction(_ x: Tensor) -> Tensor { x.rank <= 2 ? x : x.mean(along: Array(2..<x.rank)) }
}

/// Convolution (cross-correlation) over `rank` spatial axes, with learned weights `[out, in / groups, kernel...]`.
///
/// Input `[N, in, ...]`, output `[N, out, ...]` with
/// `(input + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1` elements along each axis, rounded down.
public struct Conv<let rank: Int>: Layer {
  public var weight: Tensor
  public var bias: Tensor?
  public var attributes: ConvAttributes

  public static var fields: [Field<Self>] { [.init("weight", \.weight), .init("bias", \.bias)] }

  /// - Parameters:
  ///   - padding: zeros on either side of each axis.
  ///   - initializer: of the weight; the bias starts as PyTorch's does.
  public init(
    in inChannels: Int, out outChannels: Int, kernel: Extents, stride: Extents = 1, padding: Extents = 0,
    dilation: Extents = 1, groups: Int = 1, bias: Bool = true, initializer: Initializer = .uniformFanIn
  ) {
    if groups < 1 || inChannels % groups != 0 || outChannels % groups != 0 {
      fail("\(inChannels) input and \(outChannels) output channels do not divide into \(groups) groups")
    }
    let padding = padding.resolved(rank: rank, "padding")
    attributes = ConvAttributes(
      stride: stride.resolved(rank: rank, "stride"), dilation: dilation.resolved(rank: rank, "dilation"),
      paddingBefore: padding, paddingAfter: padding, groups: groups)
    let shape = Shape([outChannels, inChannels / groups] + kernel.resolved(rank: rank, "kernel"))
    weight = initializer(shape)
    self.bias = bias ? Initializer.uniformFanIn([outChannels], fanIn: shape.elementCount / max(1, outChannels)) : nil
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    var attributes = attributes
    attributes.hasBias = bias != nil
    return apply(.conv(attributes), [x, weight] + (bias.map { [$0] } ?? []))[0]
  }
}

public typealias Conv1D = Conv<1>
public typealias Conv2D = Conv<2>
public typealias Conv3D = Conv<3>

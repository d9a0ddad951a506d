/// Transposed convolution over `rank` spatial axes: the linear map of a convolution's gradient, with learned weights
/// `[in, out / groups, kernel...]` (Zeiler et al., "Deconvolutional networks", 2010).
///
/// Input `[N, in, ...]`, output `[N, out, ...]` with
/// `(input - 1) * stride - 2 * padding + dilation * (kernel - 1) + outputPadding + 1` elements along each axis.
public struct ConvTransposed<let rank: Int>: Layer {
  public var weight: Tensor
  public var bias: Tensor?
  /// Of the convolution that this is the transpose of.
  public var attributes: ConvAttributes
  public var outputPadding: [Int]

  public static var fields: [Field<Self>] { [.init("weight", \.weight), .init("bias", \.bias)] }

  /// - Parameters:
  ///   - padding: elements cut off on either side of each axis.
  ///   - outputPadding: elements added after each axis, fewer than the stride.
  public init(
    in inChannels: Int, out outChannels: Int, kernel: Extents, stride: Extents = 1, padding: Extents = 0,
    outputPadding: Extents = 0, dilation: Extents = 1, groups: Int = 1, bias: Bool = true,
    initializer: Initializer = .uniformFanIn
  ) {
    if groups < 1 || inChannels % groups != 0 || outChannels % groups != 0 {
      fail("\(inChannels) input and \(outChannels) output channels do not divide into \(groups) groups")
    }
    let padding = padding.resolved(rank: rank, "padding")
    attributes = ConvAttributes(
      stride: stride.resolved(rank: rank, "stride"), dilation: dilation.resolved(rank: rank, "dilation"),
      paddingBefore: padding, paddingAfter: padding, groups: groups)
    self.outputPadding = outputPadding.resolved(rank: rank, "output padding")
    for axis in 0..<rank where self.outputPadding[axis] >= attributes.stride[axis] {
      fail("the output padding \(self.outputPadding) must be smaller than the stride \(attributes.stride)")
    }
    let shape = Shape([inChannels, outChannels / groups] + kernel.resolved(rank: rank, "kernel"))
    weight = initializer(shape)
    self.bias = bias ? .initialBias(of: shape, outputs: outChannels) : nil
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    convTransposed(x, weight, bias, attributes, outputPadding: outputPadding)
  }
}

public typealias ConvTransposed1D = ConvTransposed<1>
public typealias ConvTransposed2D = ConvTransposed<2>
public typealias ConvTransposed3D = ConvTransposed<3>

/// The transpose of the convolution with these attributes.
///
/// - Parameters:
///   - x: `[N, in, ...]`.
///   - weight: `[in, out / groups, kernel...]`.
///   - bias: `[out]`.
///   - outputPadding: elements added after each axis, fewer than the stride.
public func convTransposed(
  _ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil, _ attributes: ConvAttributes, outputPadding: [Int]
) -> Tensor {
  let rank = attributes.rank
  if x.rank != rank + 2 || weight.rank != rank + 2 || x.shape[1] != weight.shape[0] {
    return x.misfit(
      "conv_transposed\(rank)d: the weight \(weight.shape) takes [batch, \(weight.shape.dimensions.first ?? 0), "
        + "\(rank) spatial axes], but the input is \(x.shape)")
  }
  let extents = (0..<rank).map { axis in
    (x.shape[axis + 2] - 1) * attributes.stride[axis] - attributes.paddingBefore[axis] - attributes.paddingAfter[axis]
      + attributes.dilation[axis] * (weight.shape[axis + 2] - 1) + outputPadding[axis] + 1
  }
  let output = Shape([x.shape[0], weight.shape[1] * attributes.groups] + extents)
  var plain = attributes.withoutExtras
  plain.hasBias = bias != nil
  return apply(.convTransposed(plain, output: output), [x, weight] + (bias.map { [$0] } ?? []))[0]
}

extension Tensor {
  /// A vector of channels as `[C, 1, ...]`, to broadcast over `[N, C, ...]` of the given rank.
  func asChannels(of rank: Int) -> Tensor {
    rank <= 2 ? self : reshaped(to: Shape([elementCount] + Array(repeating: 1, count: rank - 2)))
  }
}

/// Convolution over `rank` spatial axes, with learned weights `[out, in / groups, kernel...]`.
///
/// Input `[N, in, ...]`, output `[N, out, ...]` with
/// `(input + padding before and after - dilation * (kernel - 1) - 1) / stride + 1` elements along each axis, rounded
/// down. As everywhere in the field it is cross-correlation unless `isFlipped` asks for convolution proper.
public struct Conv<let rank: Int>: Layer {
  public var weight: Tensor
  public var bias: Tensor?
  public var attributes: ConvAttributes
  /// Padding that depends on the input; `nil` where ``attributes`` have the numbers.
  public var namedPadding: Padding?
  public var borders: Borders
  /// Whether the kernel is applied reversed along each axis: convolution as mathematics defines it.
  public var isFlipped: Bool
  private let initializer: Initializer

  public static var fields: [Field<Self>] { [.init("weight", \.weight), .init("bias", \.bias)] }

  /// - Parameters:
  ///   - inChannels: left out, they are taken from data once, by ``Layer/resolved(for:)``.
  ///   - padding: elements on either side of each axis.
  ///   - borders: what stands in the padding.
  ///   - isFlipped: whether the kernel is reversed along each axis.
  ///   - initializer: of the weight; the bias starts as PyTorch's does.
  public init(
    in inChannels: Int? = nil, out outChannels: Int, kernel: Extents, stride: Extents = 1, padding: Extents = 0,
    dilation: Extents = 1, groups: Int = 1, bias: Bool = true, borders: Borders = .zeros, isFlipped: Bool = false,
    initializer: Initializer = .uniformFanIn
  ) {
    self.init(
      in: inChannels, out: outChannels, kernel: kernel, stride: stride, padding: .each(padding), dilation: dilation,
      groups: groups, bias: bias, borders: borders, isFlipped: isFlipped, initializer: initializer)
  }

  /// - Parameter padding: by name (`.same`, `.valid`, `.full`, ...) or different on both sides.
  public init(
    in inChannels: Int? = nil, out outChannels: Int, kernel: Extents, stride: Extents = 1, padding: Padding,
    dilation: Extents = 1, groups: Int = 1, bias: Bool = true, borders: Borders = .zeros, isFlipped: Bool = false,
    initializer: Initializer = .uniformFanIn
  ) {
    if groups < 1 || (inChannels ?? 0) % groups != 0 || outChannels % groups != 0 {
      let inputs = inChannels.map { "\($0) input and " } ?? ""
      fail("\(inputs)\(outChannels) output channels do not divide into \(groups) groups")
    }
    var (before, after) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
    switch padding {
    case .each(let extents):
      before = extents.resolved(rank: rank, "padding")
      after = before
    case .uneven(let first, let second):
      (before, after) = (first.resolved(rank: rank, "padding"), second.resolved(rank: rank, "padding"))
    default: namedPadding = padding
    }
    attributes = ConvAttributes(
      stride: stride.resolved(rank: rank, "stride"), dilation: dilation.resolved(rank: rank, "dilation"),
      paddingBefore: before, paddingAfter: after, groups: groups)
    self.borders = borders
    self.isFlipped = isFlipped
    self.initializer = initializer
    let shape = Shape([outChannels, (inChannels ?? 0) / groups] + kernel.resolved(rank: rank, "kernel"))
    if inChannels == nil {
      weight = .zeros(shape)
      self.bias = bias ? .zeros([outChannels]) : nil
    } else {
      weight = initializer(shape)
      self.bias = bias ? .initialBias(of: shape) : nil
    }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let (weight, bias) = resolvedParameters(for: x)
    var attributes = attributes
    attributes.hasBias = bias != nil
    if namedPadding == .same, attributes.stride.contains(where: { $0 != 1 }) {
      return x.misfit("conv\(rank)d: padding .same needs a stride of 1, but it is \(attributes.stride); use .sameUpper")
    }
    var x = x
    if x.rank == rank + 2 {
      for axis in 0..<rank {
        guard let namedPadding else { break }
        (attributes.paddingBefore[axis], attributes.paddingAfter[axis]) = namedPadding.amounts(
          rank: rank, axis: axis, input: x.shape[axis + 2],
          covered: attributes.dilation[axis] * (weight.shape[axis + 2] - 1) + 1, stride: attributes.stride[axis])
      }
      if let mode = borders.mode {
        x = x.padded(before: [0, 0] + attributes.paddingBefore, after: [0, 0] + attributes.paddingAfter, mode: mode)
        attributes.paddingBefore = .init(repeating: 0, count: rank)
        attributes.paddingAfter = attributes.paddingBefore
      }
    }
    let kernel = isFlipped ? weight.flipped(along: Array(2..<weight.rank)) : weight
    return apply(.conv(attributes), [x, kernel] + (bias.map { [$0] } ?? []))[0]
  }

  /// The parameters; those of a layer declared without input channels are made while it is being resolved.
  private func resolvedParameters(for x: Tensor) -> (Tensor, Tensor?) {
    guard weight.shape[1] == 0, let tracer = Tracer.current, x.rank == rank + 2 else { return (weight, bias) }
    var shape = weight.shape
    shape[1] = x.shape[1] / attributes.groups
    return (
      tracer.resolved(weight) { initializer(shape) },
      bias.map { bias in tracer.resolved(bias) { .initialBias(of: shape) } }
    )
  }
}

public typealias Conv1D = Conv<1>
public typealias Conv2D = Conv<2>
public typealias Conv3D = Conv<3>

extension Tensor {
  /// A bias as PyTorch draws it for a layer with weights of that shape.
  static func initialBias(of weight: Shape, outputs: Int? = nil) -> Tensor {
    Initializer.uniformFanIn([outputs ?? weight[0]], fanIn: weight.dimensions.dropFirst().reduce(1, *))
  }
}

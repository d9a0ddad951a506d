/// Layer normalisation: each sample to mean 0 and variance 1, then scaled and shifted (Ba et al., 2016).
public struct LayerNorm: Layer {
  /// The normalised extents, or one number for each channel.
  public var scale: Tensor
  public var shift: Tensor
  public var epsilon: Double
  /// Whether it works on the channels of each position rather than on trailing axes.
  public let normalizesChannels: Bool

  public static var fields: [Field<Self>] {
    [.init("weight", \.scale, kind: .vector), .init("bias", \.shift, kind: .vector)]
  }

  /// Over the trailing axes, which have these extents: PyTorch's `LayerNorm`.
  public init(_ extents: [Int], epsilon: Double = 1e-5) {
    if extents.isEmpty { fail("LayerNorm needs at least one axis") }
    scale = .ones(Shape(extents))
    shift = .zeros(Shape(extents))
    self.epsilon = epsilon
    normalizesChannels = false
  }

  /// Over the channels of each position of `[N, C, ...]`, as ConvNeXt has it (Liu et al., 2022).
  public init(channels: Int, epsilon: Double = 1e-6) {
    scale = .ones([channels])
    shift = .zeros([channels])
    self.epsilon = epsilon
    normalizesChannels = true
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if normalizesChannels {
      if x.rank < 2 || x.shape[1] != scale.elementCount {
        return x.misfit("layer_norm: the layer has \(scale.elementCount) channels, but the input is \(x.shape)")
      }
      let y = apply(.standardize(axis: 1, epsilon: epsilon), [x])[0]
      return y * scale.asChannels(of: x.rank) + shift.asChannels(of: x.rank)
    }
    let axes = scale.rank
    if x.rank < axes || Array(x.shape.dimensions.suffix(axes)) != scale.shape.dimensions {
      return x.misfit("layer_norm: the layer normalises \(scale.shape), but the input is \(x.shape)")
    }
    guard axes > 1 else { return apply(.standardize(axis: x.rank - 1, epsilon: epsilon), [x])[0] * scale + shift }
    let rows = x.reshaped(to: [x.shape.dimensions.dropLast(axes).reduce(1, *), scale.elementCount])
    return apply(.standardize(axis: 1, epsilon: epsilon), [rows])[0].reshaped(to: x.shape) * scale + shift
  }
}

/// Group normalisation of `[N, C, ...]`: each group of channels of each sample to mean 0 and variance 1, then each
/// channel scaled and shifted (Wu and He, 2018).
public struct GroupNorm: Layer {
  public var scale: Tensor?
  public var shift: Tensor?
  public var groups: Int
  public var epsilon: Double

  public static var fields: [Field<Self>] {
    [.init("weight", \.scale, kind: .vector), .init("bias", \.shift, kind: .vector)]
  }

  /// - Parameter isAffine: whether channels are scaled and shifted.
  public init(groups: Int, channels: Int, epsilon: Double = 1e-5, isAffine: Bool = true) {
    if groups < 1 || channels % groups != 0 { fail("\(channels) channels do not divide into \(groups) groups") }
    scale = isAffine ? .ones([channels]) : nil
    shift = isAffine ? .zeros([channels]) : nil
    self.groups = groups
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if x.rank < 2 { return x.misfit("group_norm: the input must be [batch, channels, ...], but it is \(x.shape)") }
    if let scale, scale.elementCount != x.shape[1] {
      return x.misfit(
        "group_norm: the layer has \(scale.elementCount) channels, but the input \(x.shape) has \(x.shape[1])")
    }
    if x.shape[1] % groups != 0 {
      return x.misfit(
        "group_norm: the \(x.shape[1]) channels of \(x.shape) do not divide into \(groups) groups; "
          + nearestMultiples(of: groups, to: x.shape[1], "channels"))
    }
    let rows = x.reshaped(to: [x.shape[0] * groups, -1])
    let y = apply(.standardize(axis: 1, epsilon: epsilon), [rows])[0].reshaped(to: x.shape)
    guard let scale, let shift else { return y }
    return y * scale.asChannels(of: x.rank) + shift.asChannels(of: x.rank)
  }
}

/// Instance normalisation of `[N, C, ...]`: each feature map to mean 0 and variance 1 (Ulyanov et al., 2016).
public struct InstanceNorm: Layer {
  public var scale: Tensor?
  public var shift: Tensor?
  public var epsilon: Double

  public static var fields: [Field<Self>] {
    [.init("weight", \.scale, kind: .vector), .init("bias", \.shift, kind: .vector)]
  }

  /// - Parameter isAffine: whether channels are scaled and shifted afterwards; PyTorch's default is not.
  public init(_ channels: Int, epsilon: Double = 1e-5, isAffine: Bool = false) {
    scale = isAffine ? .ones([channels]) : nil
    shift = isAffine ? .zeros([channels]) : nil
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if x.rank < 2 { return x.misfit("instance_norm: the input must be [batch, channels, ...], but it is \(x.shape)") }
    if x.shape[1] == 0 { return x.misfit("instance_norm: the input \(x.shape) has no channels") }
    var group = GroupNorm(groups: x.shape[1], channels: x.shape[1], epsilon: epsilon, isAffine: false)
    (group.scale, group.shift) = (scale, shift)
    return group(x)
  }
}

/// Local response normalisation across channels: `x / (k + alpha / size * sum(x^2 over size channels))^beta`
/// (Krizhevsky et al., 2012, who take `k = 2`; PyTorch's default is 1).
public struct LocalResponseNorm: Layer {
  public var size: Int
  public var alpha, beta, k: Double

  public init(size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) {
    if size < 1 { fail("local response normalisation needs at least one channel, not \(size)") }
    (self.size, self.alpha, self.beta, self.k) = (size, alpha, beta, k)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    if x.rank < 2 {
      return x.misfit("local_response_norm: the input must be [batch, channels, ...], but it is \(x.shape)")
    }
    let window = PoolAttributes(
      kind: .average(countsPadding: true), kernel: [size, 1], stride: [1, 1], dilation: [1, 1],
      paddingBefore: [size / 2, 0], paddingAfter: [(size - 1) / 2, 0])
    let squares = square(x).reshaped(to: [x.shape[0], 1, x.shape[1], x.shape.spatial.reduce(1, *)])
    let energy = apply(.pool(window), squares).reshaped(to: x.shape)
    return x * exp(log(energy * alpha + k) * -beta)
  }
}

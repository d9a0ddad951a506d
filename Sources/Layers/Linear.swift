/// A fully connected layer: `x · weightᵀ + bias` on the last axis.
public struct Linear: Layer {
  /// `[out, in]`.
  public var weight: Tensor
  public var bias: Tensor?
  private let initializer: Initializer

  public static var fields: [Field<Self>] { [.init("weight", \.weight), .init("bias", \.bias)] }

  /// - Parameter inFeatures: left out, they are taken from data once, by ``Layer/resolved(for:)``.
  public init(
    in inFeatures: Int? = nil, out outFeatures: Int, bias: Bool = true, initializer: Initializer = .uniformFanIn
  ) {
    self.initializer = initializer
    let shape: Shape = [outFeatures, inFeatures ?? 0]
    if inFeatures == nil {
      weight = .zeros(shape)
      self.bias = bias ? .zeros([outFeatures]) : nil
    } else {
      weight = initializer(shape)
      self.bias = bias ? .initialBias(of: shape) : nil
    }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    var (weight, bias) = (weight, bias)
    if weight.shape[1] == 0, let tracer = Tracer.current {
      let shape: Shape = [weight.shape[0], x.shape.dimensions.last ?? 0]
      weight = tracer.resolved(weight) { initializer(shape) }
      bias = bias.map { bias in tracer.resolved(bias) { .initialBias(of: shape) } }
    }
    return apply(.linear(hasBias: bias != nil), [x, weight] + (bias.map { [$0] } ?? []))[0]
  }
}

/// All axes after the batch collapsed into one: `[N, C, H, W]` to `[N, C * H * W]`.
public struct Flatten: Layer {
  public init() {}
  public func callAsFunction(_ x: Tensor) -> Tensor { x.flattened() }
}

/// An activation as a layer of a ``Sequential``.
public struct Activation: Layer {
  public let function: UnaryFunction
  public init(_ function: UnaryFunction) { self.function = function }
  public func callAsFunction(_ x: Tensor) -> Tensor { apply(.unary(function), x) }
}

/// Zeroes elements at random while training, and scales the others so that the expectation stays (Srivastava et al.,
/// 2014). Outside training it does nothing.
public struct Dropout: Layer {
  /// The share of elements that are zeroed, from 0 up to but not 1.
  public var rate: Double

  public init(rate: Double = 0.5) {
    if !(0..<1).contains(rate) { fail("a dropout rate must be in 0 ..< 1, but it is \(rate)") }
    self.rate = rate
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard let tracer = Tracer.current, tracer.isTraining, rate > 0 else { return x }
    return apply(.dropout(rate: rate, stream: tracer.nextRandomStream()), x, tracer.randomKey())
  }
}

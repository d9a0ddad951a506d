/// Dropout of whole feature maps of `[N, C, ...]` while training (Tompson et al., 2015).
public struct SpatialDropout: Layer {
  /// The share of feature maps that are zeroed, from 0 up to but not 1.
  public var rate: Double

  public init(rate: Double = 0.5) {
    if !(0..<1).contains(rate) { fail("a dropout rate must be in 0 ..< 1, but it is \(rate)") }
    self.rate = rate
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.dropping(rate: rate, keptAxes: 2) }
}

/// Drops a residual branch `[N, ...]` for whole samples while training, and scales it for the others so that the
/// expectation stays (Huang et al., "Deep networks with stochastic depth", 2016).
public struct StochasticDepth: Layer {
  /// The share of samples for which the branch is dropped, from 0 up to but not 1.
  public var rate: Double

  public init(rate: Double) {
    if !(0..<1).contains(rate) { fail("a stochastic depth rate must be in 0 ..< 1, but it is \(rate)") }
    self.rate = rate
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.dropping(rate: rate, keptAxes: 1) }
}

extension Tensor {
  /// While training, a product with one random mask element for each index of the first axes.
  fileprivate func dropping(rate: Double, keptAxes: Int) -> Tensor {
    guard let tracer = Tracer.current, tracer.isTraining, rate > 0 else { return self }
    if rank < keptAxes { return misfit("dropout: \(shape) has fewer than \(keptAxes) axes") }
    let mask = Tensor.ones(Shape(shape.dimensions.enumerated().map { $0.offset < keptAxes ? $0.element : 1 }))
    return self * apply(.dropout(rate: rate, stream: tracer.nextRandomStream()), mask, tracer.randomKey())
  }
}

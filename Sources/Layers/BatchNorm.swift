/// Batch normalisation of `[N, C, ...]` over all axes but the channels (Ioffe and Szegedy, 2015).
///
/// While training it normalises with the batch's mean and biased variance and moves the running statistics towards the
/// batch's mean and unbiased variance by `momentum`, as PyTorch does. Otherwise, and while it is frozen, it normalises
/// with the running statistics and leaves them alone.
public struct BatchNorm: Layer {
  public var scale: Tensor
  public var shift: Tensor
  public var runningMean: Tensor
  public var runningVariance: Tensor
  public var epsilon: Double
  public var momentum: Double

  public static var fields: [Field<Self>] {
    [
      .init("weight", \.scale, kind: .vector), .init("bias", \.shift, kind: .vector),
      .init("running_mean", \.runningMean, kind: .statistic), .init("running_var", \.runningVariance, kind: .statistic),
    ]
  }

  public init(_ channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1) {
    scale = .ones([channels])
    shift = .zeros([channels])
    runningMean = .zeros([channels])
    runningVariance = .ones([channels])
    self.epsilon = epsilon
    self.momentum = momentum
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    let inputs = [x, scale, shift, runningMean, runningVariance]
    guard let tracer = Tracer.current, tracer.isTraining, !tracer.isFrozen(scale) else {
      return apply(.batchNorm(epsilon: epsilon), inputs)[0]
    }
    let outputs = apply(.batchNormTraining(epsilon: epsilon, momentum: momentum), inputs)
    tracer.recordUpdate(of: runningMean, to: outputs[3])
    tracer.recordUpdate(of: runningVariance, to: outputs[4])
    return outputs[0]
  }
}

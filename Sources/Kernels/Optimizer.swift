import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Weight decay: `coupled` adds decay * parameter to the gradient (L2 regularisation), `decoupled` multiplies the
/// parameter by 1 - rate * decay (Loshchilov and Hutter 2019).
package enum WeightDecay: Hashable, Sendable {
  case none
  case coupled(Float)
  case decoupled(Float)

  fileprivate var coupledRate: Float { if case .coupled(let decay) = self { decay } else { 0 } }

  fileprivate func keep(rate: Float) -> Float {
    if case .decoupled(let decay) = self { Float(1 - Double(rate) * Double(decay)) } else { 1 }
  }
}

/// One step of stochastic gradient descent over one parameter: PyTorch's `SGD` without dampening.
package struct SGDKernel: Sendable {
  package var rate: Float
  package var momentum: Float
  package var nesterov: Bool
  package var decay: WeightDecay
  /// Multiplies the gradient first (clipping).
  package var gradientScale: Float

  package init(
    rate: Float, momentum: Float = 0, nesterov: Bool = false, decay: WeightDecay = .none, gradientScale: Float = 1
  ) {
    self.rate = rate
    self.momentum = momentum
    self.nesterov = nesterov
    self.decay = decay
    self.gradientScale = gradientScale
  }

  /// - Parameter velocity: starts as zeros; nil stands for no momentum.
  package func update(
    _ parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, velocity: UnsafeMutablePointer<Float>?,
    count: Int, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let sgd = isa.pointwise.sgd!
    let p = ck_sgd(
      rate: rate, momentum: momentum, gradient_scale: gradientScale, coupled_decay: decay.coupledRate,
      keep: decay.keep(rate: rate), nesterov: nesterov ? 1 : 0)
    pool.chunks(count) { range in
      let i = range.lowerBound
      sgd(p, gradient + i, parameter + i, velocity.map { $0 + i }, range.count)
    }
  }
}

/// One step of Adam (Kingma and Ba 2015) over one parameter; with decoupled decay, AdamW. PyTorch's formula: epsilon is
/// added to the bias-corrected root.
package struct AdamKernel: Sendable {
  package var rate: Float
  package var beta1: Double
  package var beta2: Double
  package var epsilon: Float
  package var decay: WeightDecay
  package var gradientScale: Float

  package init(
    rate: Float, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Float = 1e-8, decay: WeightDecay = .none,
    gradientScale: Float = 1
  ) {
    self.rate = rate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.decay = decay
    self.gradientScale = gradientScale
  }

  /// - Parameters:
  ///   - mean, variance: the moments' moving averages, which start as zeros.
  ///   - step: 1 for the first update.
  package func update(
    _ parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, mean: UnsafeMutablePointer<Float>,
    variance: UnsafeMutablePointer<Float>, step: Int, count: Int, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let adam = isa.pointwise.adam!
    let p = ck_adam(
      step: Float(Double(rate) / (1 - pow(beta1, Double(step)))),
      root_correction: Float((1 - pow(beta2, Double(step))).squareRoot()), one_minus_beta1: Float(1 - beta1),
      beta2: Float(beta2), one_minus_beta2: Float(1 - beta2), epsilon: epsilon, gradient_scale: gradientScale,
      coupled_decay: decay.coupledRate, keep: decay.keep(rate: rate))
    pool.chunks(count) { range in
      let i = range.lowerBound
      adam(p, gradient + i, parameter + i, mean + i, variance + i, range.count)
    }
  }
}

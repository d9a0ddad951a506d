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

/// A step of stochastic gradient descent: PyTorch's `SGD` without dampening.
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

  fileprivate var ck: ck_sgd {
    ck_sgd(
      rate: rate, momentum: momentum, gradient_scale: gradientScale, coupled_decay: decay.coupledRate,
      keep: decay.keep(rate: rate), nesterov: nesterov ? 1 : 0)
  }
}

/// A step of Adam (Kingma and Ba 2015); with decoupled decay, AdamW. PyTorch's formula: epsilon is
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

  /// - Parameter count: of steps, this one included.
  fileprivate func ck(step count: Int) -> ck_adam {
    ck_adam(
      step: Float(Double(rate) / (1 - pow(beta1, Double(count)))),
      root_correction: Float((1 - pow(beta2, Double(count))).squareRoot()), one_minus_beta1: Float(1 - beta1),
      beta2: Float(beta2), one_minus_beta2: Float(1 - beta2), epsilon: epsilon, gradient_scale: gradientScale,
      coupled_decay: decay.coupledRate, keep: decay.keep(rate: rate))
  }
}

/// What an optimizer's step does to one parameter, in place.
package struct ParameterUpdate {
  private enum Rule {
    case sgd(ck_sgd, velocity: UnsafeMutablePointer<Float>?)
    case adam(ck_adam, mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>)
  }

  private let rule: Rule
  private let parameter: UnsafeMutablePointer<Float>
  private let gradient: UnsafePointer<Float>

  /// - Parameter velocity: starts as zeros; nil stands for no momentum.
  package init(
    _ kernel: SGDKernel, _ parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
    velocity: UnsafeMutablePointer<Float>?
  ) {
    rule = .sgd(kernel.ck, velocity: velocity)
    self.parameter = parameter
    self.gradient = gradient
  }

  /// - Parameters:
  ///   - mean, variance: the moments' moving averages, which start as zeros.
  ///   - step: 1 for the first update.
  package init(
    _ kernel: AdamKernel, _ parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
    mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>, step: Int
  ) {
    rule = .adam(kernel.ck(step: step), mean: mean, variance: variance)
    self.parameter = parameter
    self.gradient = gradient
  }

  fileprivate func apply(to range: Range<Int>, _ kernels: ck_pointwise_kernels) {
    let i = range.lowerBound
    switch rule {
    case .sgd(let p, let velocity): kernels.sgd(p, gradient + i, parameter + i, velocity.map { $0 + i }, range.count)
    case .adam(let p, let mean, let variance):
      kernels.adam(p, gradient + i, parameter + i, mean + i, variance + i, range.count)
    }
  }
}

/// One loop over the elements of many parameters: large ones are cut, small ones share a task.
package struct UpdateLoop: Sendable {
  private var pieces: [(parameter: Int, range: Range<Int>)] = []
  /// Ranges of the pieces.
  private var tasks: [Range<Int>] = []

  /// - Parameter counts: the elements of each parameter.
  package init(_ counts: [Int]) {
    var (first, elements) = (0, 0)
    for (parameter, count) in counts.enumerated() {
      for start in stride(from: 0, to: count, by: ThreadPool.chunk) {
        let range = start..<min(count, start + ThreadPool.chunk)
        pieces.append((parameter, range))
        elements += range.count
        guard elements >= ThreadPool.chunk else { continue }
        tasks.append(first..<pieces.count)
        (first, elements) = (pieces.count, 0)
      }
    }
    if first < pieces.count { tasks.append(first..<pieces.count) }
  }

  /// - Parameter updates: as many as there are counts.
  package func run(_ updates: [ParameterUpdate], pool: ThreadPool, isa: InstructionSet = .best) {
    let kernels = isa.pointwise
    pool.parallel(tasks.count) { task in
      for piece in pieces[tasks[task]] { updates[piece.parameter].apply(to: piece.range, kernels) }
    }
  }
}

import CKernels

/// Element-wise functions with a kernel for their gradient; definitions, constants and gradients at corners are
/// PyTorch's, and NaN goes through.
package enum ActivationKernel: Hashable, Sendable {
  case relu
  case relu6
  case leakyReLU(slope: Float)
  case sigmoid
  case tanh
  /// x Φ(x) with the exact error function (Hendrycks and Gimpel 2016).
  case geluExact
  /// The approximation of GELU by tanh.
  case geluTanh
  case silu
  case hardSwish
  case hardSigmoid
  case elu(alpha: Float)
  case selu
  /// log(1 + exp(beta x)) / beta, and x where beta x exceeds the threshold.
  case softplus(beta: Float = 1, threshold: Float = 20)
  case mish
  case clip(low: Float, high: Float)

  private var kernel: (op: ck_map_op, a: Float, b: Float) {
    switch self {
    case .relu: (CK_RELU, 0, 0)
    case .relu6: (CK_RELU6, 0, 0)
    case .leakyReLU(let slope): (CK_LEAKY_RELU, slope, 0)
    case .sigmoid: (CK_SIGMOID, 0, 0)
    case .tanh: (CK_TANH, 0, 0)
    case .geluExact: (CK_GELU, 0, 0)
    case .geluTanh: (CK_GELU_TANH, 0, 0)
    case .silu: (CK_SILU, 0, 0)
    case .hardSwish: (CK_HARD_SWISH, 0, 0)
    case .hardSigmoid: (CK_HARD_SIGMOID, 0, 0)
    case .elu(let alpha): (CK_ELU, alpha, 0)
    case .selu: (CK_SELU, 0, 0)
    case .softplus(let beta, let threshold): (CK_SOFTPLUS, beta, threshold)
    case .mish: (CK_MISH, 0, 0)
    case .clip(let low, let high): (CK_CLIP, low, high)
    }
  }

  /// y = f(x); y may be x.
  package func forward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    pool.chunks(count) { map(x + $0.lowerBound, y + $0.lowerBound, count: $0.count, kernels: kernels) }
  }

  /// y = f(x) within one task.
  func map(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, kernels: ck_pointwise_kernels) {
    let (op, a, b) = kernel
    kernels.map(op, x, y, count, a, b)
  }

  /// y = f(y) within one task.
  func map(_ y: UnsafeMutablePointer<Float>, count: Int, isa: InstructionSet) {
    map(y, y, count: count, kernels: isa.pointwise)
  }

  /// dx = dy f'(x); dx may be dy or x.
  package func backward(
    _ dy: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let (op, a, b) = kernel
    let map = isa.pointwise.map_backward!
    pool.chunks(count) { r in
      let i = r.lowerBound
      map(op, dy + i, x + i, dx + i, r.count, a, b)
    }
  }

  /// dx = dy f'(x) of channels-last rows; dx, which is dense, may be dy or x if they are.
  package func backward(
    _ dy: ChannelRows, _ x: ChannelRows, _ dx: UnsafeMutablePointer<Float>, rows: Int, channels: Int,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    if dy.pixel == channels && x.pixel == channels {
      return backward(dy.start, x.start, dx, count: rows * channels, pool: pool, isa: isa)
    }
    let (op, a, b) = kernel
    let map = isa.pointwise.map_backward!
    pool.rowChunks(rows, width: channels) {
      for row in $0 { map(op, (dy + row).start, (x + row).start, dx + row * channels, channels, a, b) }
    }
  }
}

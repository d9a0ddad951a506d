import CKernels

/// Element-wise functions whose gradients are composed of other operations.
package enum UnaryKernel: Hashable, Sendable {
  case exp, log, sqrt, negate, abs, square, reciprocal, erf, sin, cos, floor, ceil
  /// To the nearest whole number, halves to the even one.
  case round
  /// 1 for 0, else 0.
  case not
  /// -1, 0 or 1; 0 for NaN, as in PyTorch.
  case sign
  /// scale * x + offset
  case affine(scale: Float, offset: Float)

  private var kernel: (op: ck_map_op, a: Float, b: Float) {
    switch self {
    case .exp: (CK_EXP, 0, 0)
    case .log: (CK_LOG, 0, 0)
    case .sqrt: (CK_SQRT, 0, 0)
    case .negate: (CK_NEGATE, 0, 0)
    case .abs: (CK_ABS, 0, 0)
    case .square: (CK_SQUARE, 0, 0)
    case .reciprocal: (CK_RECIPROCAL, 0, 0)
    case .erf: (CK_ERF, 0, 0)
    case .sin: (CK_SIN, 0, 0)
    case .cos: (CK_COS, 0, 0)
    case .floor: (CK_FLOOR, 0, 0)
    case .ceil: (CK_CEIL, 0, 0)
    case .round: (CK_ROUND, 0, 0)
    case .not: (CK_NOT, 0, 0)
    case .sign: (CK_SIGN, 0, 0)
    case .affine(let scale, let offset): (CK_AFFINE, scale, offset)
    }
  }

  /// y = f(x); y may be x.
  package func apply(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let (op, a, b) = kernel
    let map = isa.pointwise.map!
    pool.chunks(count) { map(op, x + $0.lowerBound, y + $0.lowerBound, $0.count, a, b) }
  }
}

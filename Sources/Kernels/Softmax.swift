import CKernels

/// Softmax along the middle axis of a dense [outer, n, inner].
package enum SoftmaxKernel {
  /// y = exp(x) / sum(exp(x)), or its logarithm; y may be x.
  package static func forward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, outer: Int, n: Int, inner: Int = 1,
    logarithm: Bool = false, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let softmax = isa.pointwise.softmax!
    pool.rowChunks(outer, width: n * inner) { rows in
      for at in rows.lazy.map({ $0 * n * inner }) { softmax(x + at, y + at, n, inner, logarithm ? 1 : 0) }
    }
  }

  /// dx from dy and the forward output y (of softmax, or of its logarithm); dx may be dy or y.
  package static func backward(
    _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, outer: Int, n: Int,
    inner: Int = 1, logarithm: Bool = false, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let softmax = isa.pointwise.softmax_backward!
    pool.rowChunks(outer, width: n * inner) { rows in
      for at in rows.lazy.map({ $0 * n * inner }) { softmax(dy + at, y + at, dx + at, n, inner, logarithm ? 1 : 0) }
    }
  }
}

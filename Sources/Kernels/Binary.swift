import CKernels

/// Element-wise functions of two variables. `maximum` and `minimum` give NaN if either side is; comparisons give 0 or
/// 1.
package enum BinaryKernel: CaseIterable, Sendable {
  case add, subtract, multiply, divide, maximum, minimum, power, greater, less, equal
  case greaterOrEqual, lessOrEqual, and, or, exclusiveOr

  private var op: ck_zip_op {
    switch self {
    case .add: CK_ADD
    case .subtract: CK_SUBTRACT
    case .multiply: CK_MULTIPLY
    case .divide: CK_DIVIDE
    case .maximum: CK_MAXIMUM
    case .minimum: CK_MINIMUM
    case .power: CK_POWER
    case .greater: CK_GREATER
    case .less: CK_LESS
    case .equal: CK_EQUAL
    case .greaterOrEqual: CK_GREATER_OR_EQUAL
    case .lessOrEqual: CK_LESS_OR_EQUAL
    case .and: CK_AND
    case .or: CK_OR
    case .exclusiveOr: CK_XOR
    }
  }

  /// y[i] = f(a[i], b[i]); y may be a or b.
  package func apply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    apply(a, [1], b, [1], y, extents: [count], pool: pool, isa: isa)
  }

  /// y = f(a, b) over a dense row-major y of `extents` (at most 6), with a and b read through their own strides (in
  /// elements; 0 where a side is broadcast). y may be a side that has y's own strides.
  package func apply(
    _ a: UnsafePointer<Float>, _ aStrides: [Int], _ b: UnsafePointer<Float>, _ bStrides: [Int],
    _ y: UnsafeMutablePointer<Float>, extents: [Int], pool: ThreadPool, isa: InstructionSet = .best
  ) {
    guard !extents.contains(0) else { return }
    let loop = StridedLoop(extents: extents, strides: [aStrides, bStrides, StridedLoop.dense(extents)])
    let kernels = isa.pointwise
    let last = loop.extents.count - 1
    let width = loop.extents[last]
    let (aStep, bStep) = (loop.strides[0][last], loop.strides[1][last])

    if last == 0 && aStep <= 1 && bStep <= 1 {
      pool.chunks(width) { r in
        let i = r.lowerBound
        kernels.zip(op, a + i * aStep, aStep, b + i * bStep, bStep, y + i, r.count)
      }
    } else if last == 1 && aStep == 1 && bStep == 1 && width <= 64 && loop.strides[0][0] == width
      && loop.strides[1][0] == 0
    {
      applyRepeated(a, b, y, rows: loop.extents[0], width: width, pool: pool, kernels: kernels)
    } else {
      let outer = loop.extents.dropLast().reduce(1, *)
      let outerLoops = (0..<last).reversed()
      pool.rowChunks(outer, width: width) { rows in
        for row in rows {
          let a = a + loop.offset(row, of: 0, loops: outerLoops)
          let b = b + loop.offset(row, of: 1, loops: outerLoops)
          applyRow(a, aStep, b, bStep, y + row * width, count: width, kernels: kernels)
        }
      }
    }
  }

  /// A vector of few channels on the right: repeated to fill vectors, once a task.
  private func applyRepeated(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, width: Int,
    pool: ThreadPool, kernels: ck_pointwise_kernels
  ) {
    let repeats = 1024 / width
    pool.rowChunks(rows, width: width, multiple: repeats) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 1024 + 64) { tile in
        for i in 0..<repeats * width { tile[i] = b[i % width] }
        for row in stride(from: range.lowerBound, to: range.upperBound, by: repeats) {
          let count = min(repeats, range.upperBound - row) * width
          kernels.zip(op, a + row * width, 1, tile.baseAddress, 1, y + row * width, count)
        }
      }
    }
  }

  private func applyRow(
    _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int, _ y: UnsafeMutablePointer<Float>,
    count: Int, kernels: ck_pointwise_kernels
  ) {
    if 0...1 ~= aStep && 0...1 ~= bStep { return kernels.zip(op, a, aStep, b, bStep, y, count) }
    // Strided elements are gathered into a small dense buffer first.
    let block = 256
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * (block + 64)) { dense in
      let denseA = dense.baseAddress!
      let denseB = denseA + block + 64
      for start in stride(from: 0, to: count, by: block) {
        let n = min(block, count - start)
        for i in 0..<n {
          denseA[i] = a[(start + i) * aStep]
          denseB[i] = b[(start + i) * bStep]
        }
        kernels.zip(op, denseA, 1, denseB, 1, y + start, n)
      }
    }
  }
}

import CKernels

/// Mean 0 and variance 1 along the middle axis of `[outer, count, inner]`.
package enum StandardizationKernel {
  /// `y = (x - mean) / sqrt(variance + epsilon)` with the biased variance; `inverse` `[outer, inner]` gets the divisor's
  /// reciprocal. y may be x only if `inner` is 1.
  package static func forward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>, outer: Int,
    count: Int, inner: Int, epsilon: Double, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    pool.rowChunks(outer, width: count * inner) { blocks in
      if inner == 1 && count > 0 && count <= kernels.standardized_count {
        let start = blocks.lowerBound
        return kernels.standardize_rows(
          x + start * count, y + start * count, inverse + start, blocks.count, count, epsilon)
      }
      for block in blocks {
        let (x, y) = (x + block * count * inner, y + block * count * inner)
        let inverse = inverse + block * inner
        if inner == 1 {
          let mean = kernels.reduce(CK_SUM, x, count) / Double(count)
          kernels.map(CK_AFFINE, x, y, count, 1, Float(-mean))
          // What rounding the mean left is part of the variance's correction.
          let rest = kernels.reduce(CK_SUM, y, count) / Double(count)
          let variance = kernels.reduce(CK_SUM_OF_SQUARES, y, count) / Double(count) - rest * rest
          let scale = 1 / (max(0, variance) + epsilon).squareRoot()
          inverse[0] = Float(scale)
          kernels.map(CK_AFFINE, y, y, count, Float(scale), Float(-rest * scale))
        } else {
          withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * inner) { moments in
            moments.initialize(repeating: 0)
            let (mean, m2) = (moments.baseAddress!, moments.baseAddress! + inner)
            kernels.moments(ck_rows(start: x, pixel: inner), count, inner, 0, mean, m2)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * (inner + 64)) { vectors in
              vectors.initialize(repeating: 0)
              let centre = vectors.baseAddress!
              let (scale, shift) = (centre + inner + 64, centre + 2 * (inner + 64))
              for i in 0..<inner {
                inverse[i] = Float(1 / (m2[i] / Double(count) + epsilon).squareRoot())
                (centre[i], scale[i]) = (Float(mean[i]), inverse[i])
                // What rounding the mean left out.
                shift[i] = Float((Double(centre[i]) - mean[i]) * Double(scale[i]))
              }
              var p = ck_normalize()
              (p.mean, p.scale, p.shift) = (UnsafePointer(centre), UnsafePointer(scale), UnsafePointer(shift))
              kernels.normalize(p, ck_rows(start: x, pixel: inner), y, inner, count, inner)
            }
          }
        }
      }
    }
  }

  /// `dx = (dy - mean(dy) - y * mean(dy * y)) * inverse`; dx must be another buffer than dy and y.
  package static func backward(
    _ dy: UnsafePointer<Float>, _ y: UnsafePointer<Float>, inverse: UnsafePointer<Float>,
    _ dx: UnsafeMutablePointer<Float>, outer: Int, count: Int, inner: Int, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    pool.rowChunks(outer, width: count * inner) { blocks in
      for block in blocks {
        let start = block * count * inner
        let (dy, y, dx) = (dy + start, y + start, dx + start)
        if inner == 1 {
          let mean = kernels.reduce(CK_SUM, dy, count) / Double(count)
          kernels.zip(CK_MULTIPLY, dy, 1, y, 1, dx, count)
          let slope = kernels.reduce(CK_SUM, dx, count) / Double(count)
          kernels.map(CK_AFFINE, y, dx, count, Float(slope), Float(mean))
          kernels.zip(CK_SUBTRACT, dy, 1, dx, 1, dx, count)
          kernels.map(CK_AFFINE, dx, dx, count, inverse[block], 0)
        } else {
          withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * inner) { sums in
            sums.initialize(repeating: 0)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 4 * (inner + 64)) { vectors in
              vectors.initialize(repeating: 0)
              let width = inner + 64
              let zero = vectors.baseAddress!
              let (scale, centre, slope) = (zero + width, zero + 2 * width, zero + 3 * width)
              let (sum, product) = (sums.baseAddress!, sums.baseAddress! + inner)
              var p = ck_normalize_backward()
              (p.mean, p.scale, p.center, p.slope) = (
                UnsafePointer(zero), UnsafePointer(scale), UnsafePointer(centre), UnsafePointer(slope)
              )
              (p.dy, p.x) = (ck_rows(start: dy, pixel: inner), ck_rows(start: y, pixel: inner))
              kernels.normalize_sums(p, nil, count, inner, sum, product)
              for i in 0..<inner {
                scale[i] = inverse[block * inner + i]
                centre[i] = Float(sum[i] / Double(count))
                slope[i] = Float(-product[i] / Double(count)) * scale[i]
              }
              kernels.normalize_backward(p, dx, count, inner)
            }
          }
        }
      }
    }
  }
}

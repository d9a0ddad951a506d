import CKernels

/// A sliding window over a channels-last tensor [batch, depth, height, width, channels]; ranks 1 and 2 have leading
/// extents of 1. All extents are (depth, height, width).
package struct PoolGeometry: Hashable, Sendable {
  package var batch: Int
  package var channels: Int
  package var input: SIMD3<Int>
  package var kernel: SIMD3<Int>
  package var stride: SIMD3<Int>
  package var dilation: SIMD3<Int>
  package var paddingBefore: SIMD3<Int>
  /// Matters only to averages that count padding: taps beyond it (ceil mode) do not count.
  package var paddingAfter: SIMD3<Int>
  package var output: SIMD3<Int>
  /// Floats between neighbouring positions of x, and of y: more than `channels` where they are slices of wider tensors.
  /// Gradients are dense.
  package var inPixel: Int
  package var outPixel: Int

  /// - Parameter paddingAfter: equal to `paddingBefore` unless given.
  package init(
    batch: Int, channels: Int, input: SIMD3<Int>, kernel: SIMD3<Int>, stride: SIMD3<Int>,
    dilation: SIMD3<Int> = .one, paddingBefore: SIMD3<Int> = .zero, paddingAfter: SIMD3<Int>? = nil,
    output: SIMD3<Int>
  ) {
    self.batch = batch
    self.channels = channels
    self.input = input
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.paddingBefore = paddingBefore
    self.paddingAfter = paddingAfter ?? paddingBefore
    self.output = output
    inPixel = channels
    outPixel = channels
  }

  /// One window over each whole map.
  package var isGlobal: Bool { output == .one && kernel == input && paddingBefore == .zero && dilation == .one }

  private func cGeometry(countsPadding: Bool) -> ck_pool {
    func longs(_ v: SIMD3<Int>) -> (Int, Int, Int) { (v.x, v.y, v.z) }
    return ck_pool(
      channels: channels, x_pixel: inPixel, y_pixel: outPixel, input: longs(input), kernel: longs(kernel),
      stride: longs(stride), dilation: longs(dilation),
      padding_before: longs(paddingBefore), padding_after: longs(paddingAfter), output: longs(output),
      counts_padding: countsPadding ? 1 : 0)
  }

  /// Runs `body` for each row along the width of a tensor with these extents, by its (batch, depth, height).
  private func eachRow(of extents: SIMD3<Int>, pool: ThreadPool, _ body: (UnsafePointer<Int>) -> Void) {
    pool.rowChunks(batch * extents.x * extents.y, width: extents.z * channels, elements: 4096) { rows in
      for row in rows {
        let position = (row / (extents.x * extents.y), row / extents.y % extents.x, row % extents.y)
        withUnsafeBytes(of: position) { body($0.assumingMemoryBound(to: Int.self).baseAddress!) }
      }
    }
  }

  /// y = the largest tap of each window; NaN wins. `indices`, if given, gets the winner's position in the flattened
  /// input map (the first of equals), which ``maxBackward`` needs. A window that misses the input gives -inf, index -1.
  package func maxForward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, indices: UnsafeMutablePointer<Int32>?,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernel = isa.pointwise.max_pool!
    var geometry = cGeometry(countsPadding: false)
    withUnsafePointer(to: &geometry) { g in
      eachRow(of: output, pool: pool) { kernel(g, $0, x, y, indices) }
    }
  }

  /// dx = the sum of dy over the windows that each element won. Writes every element of dx.
  package func maxBackward(
    _ dy: UnsafePointer<Float>, indices: UnsafePointer<Int32>, _ dx: UnsafeMutablePointer<Float>, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernel = isa.pointwise.max_pool_backward!
    var geometry = cGeometry(countsPadding: false)
    withUnsafePointer(to: &geometry) { g in
      eachRow(of: input, pool: pool) { kernel(g, $0, dy, indices, dx) }
    }
  }

  /// y = the mean of each window, which extends over input and padding but not beyond (ceil mode).
  ///
  /// - Parameter countsPadding: whether the divisor counts taps on the padding. A window of no taps gives 0.
  package func averageForward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, countsPadding: Bool, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    if isGlobal { return globalAverage(x, y, pool: pool, isa: isa) }
    let kernel = isa.pointwise.average_pool!
    var geometry = cGeometry(countsPadding: countsPadding)
    withUnsafePointer(to: &geometry) { g in
      eachRow(of: output, pool: pool) { kernel(g, $0, x, y) }
    }
  }

  /// dx = the sum of dy / divisor over the windows that cover each element. Writes every element of dx.
  package func averageBackward(
    _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, countsPadding: Bool, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernel = isa.pointwise.average_pool_backward!
    var geometry = cGeometry(countsPadding: countsPadding)
    withUnsafePointer(to: &geometry) { g in
      eachRow(of: input, pool: pool) { kernel(g, $0, dy, dx) }
    }
  }

  private func globalAverage(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, pool: ThreadPool, isa: InstructionSet
  ) {
    let reduce = isa.pointwise.reduce_columns!
    let positions = input.x * input.y * input.z
    pool.rowChunks(batch, width: positions * channels) { samples in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: channels) { sums in
        for sample in samples {
          sums.initialize(repeating: 0)
          reduce(CK_SUM, x + sample * positions * inPixel, positions, channels, inPixel, sums.baseAddress)
          for c in 0..<channels { y[sample * outPixel + c] = Float(sums[c] / Double(positions)) }
        }
      }
    }
  }
}

extension SIMD3<Int> {
  package static var one: Self { Self(repeating: 1) }
}

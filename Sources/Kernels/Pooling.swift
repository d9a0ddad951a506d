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

  /// Bytes for each output that say which tap of its window won.
  package var tapBytes: Int { kernel.x * kernel.y * kernel.z <= 256 ? 1 : 4 }

  /// y = the largest tap of each window; NaN wins. A window that misses the input gives -inf.
  ///
  /// - Parameter taps: if given, gets the number of the tap that won in each window (the first of equals), dense, in
  ///   ``tapBytes`` each: what ``maxBackward(_:taps:_:residual:mask:pool:isa:)`` and ``positions(of:into:)`` need.
  package func maxForward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, taps: UnsafeMutableRawPointer?,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernel = isa.pointwise.max_pool!
    let tapBytes = Int32(tapBytes)
    var geometry = cGeometry(countsPadding: false)
    withUnsafePointer(to: &geometry) { g in
      eachRow(of: output, pool: pool) { kernel(g, $0, x, y, taps, tapBytes) }
    }
  }

  /// The positions of the taps that won within the flattened input map; -1 for windows that miss the input.
  package func positions(of taps: UnsafeRawPointer, into positions: UnsafeMutablePointer<Int32>, pool: ThreadPool) {
    let outputs = output.x * output.y * output.z
    pool.rowChunks(batch * outputs, width: channels) { rows in
      for row in rows {
        let place = row % outputs
        let at = SIMD3(place / (output.y * output.z), place / output.z % output.y, place % output.z)
        for index in row * channels..<(row + 1) * channels {
          let tap =
            tapBytes == 1
            ? Int(taps.load(fromByteOffset: index, as: UInt8.self))
            : Int(taps.load(fromByteOffset: 4 * index, as: Int32.self))
          let within = SIMD3(tap / (kernel.y * kernel.z), tap / kernel.z % kernel.y, tap % kernel.z)
          let source = at &* stride &+ within &* dilation &- paddingBefore
          let isInside = all(source .>= .zero) && all(source .< input)
          positions[index] = isInside ? Int32((source.x * input.y + source.y) * input.z + source.z) : -1
        }
      }
    }
  }

  /// What lets a gradient pass: the output of ReLU or ReLU6, where it lies inside its bounds.
  package enum Mask {
    case output(ChannelRows, ActivationKernel)
    /// A bit for each element, from ``PoolGeometry/maskBits(_:_:into:pool:isa:)``.
    case bits(UnsafePointer<UInt16>)
  }

  /// Bytes of the bits of a mask of dx.
  package func maskByteCount(isa: InstructionSet = .best) -> Int {
    2 * batch * input.x * input.y * input.z * divideUp(channels, isa.pointwise.vector_width)
  }

  /// The bits of a mask of dx: a thirty-second of it.
  package func maskBits(
    _ y: ChannelRows, _ activation: ActivationKernel, into bits: UnsafeMutablePointer<UInt16>, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    let words = divideUp(channels, kernels.vector_width)
    pool.rowChunks(batch * input.x * input.y * input.z, width: channels) { rows in
      let first = rows.lowerBound
      kernels.mask_bits(
        (y + first).ck, rows.count, channels, Self.limit(of: activation), bits + first * words)
    }
  }

  private static func limit(of activation: ActivationKernel?) -> Float { activation == .relu6 ? 6 : .nan }

  /// dx = mask(the sum of dy over the windows that each element won + residual). Writes every element of dx, which is
  /// dense.
  package func maxBackward(
    _ dy: ChannelRows, taps: UnsafeRawPointer, _ dx: UnsafeMutablePointer<Float>, residual: ChannelRows? = nil,
    mask: Mask? = nil, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    backward(dy, taps: taps, dx, residual, mask, countsPadding: false, pool: pool, isa: isa)
  }

  private func backward(
    _ dy: ChannelRows, taps: UnsafeRawPointer?, _ dx: UnsafeMutablePointer<Float>, _ residual: ChannelRows?,
    _ mask: Mask?, countsPadding: Bool, pool: ThreadPool, isa: InstructionSet
  ) {
    let kernel = isa.pointwise.pool_backward!
    var geometry = cGeometry(countsPadding: countsPadding)
    var gradient = ck_pool_gradient(
      dy: dy.ck, taps: taps, tap_bytes: Int32(tapBytes), residual: residual?.ck ?? ck_rows(), mask: ck_rows(),
      limit: .nan, bits: nil, dx: dx)
    switch mask {
    case .output(let y, let activation): (gradient.mask, gradient.limit) = (y.ck, Self.limit(of: activation))
    case .bits(let bits): gradient.bits = bits
    case nil: break
    }
    withUnsafePointer(to: &geometry) { g in
      withUnsafePointer(to: &gradient) { p in
        eachRow(of: input, pool: pool) { kernel(g, $0, p) }
      }
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

  /// dx = mask(the sum of dy / divisor over the windows that cover each element + residual). Writes every element of dx,
  /// which is dense.
  package func averageBackward(
    _ dy: ChannelRows, _ dx: UnsafeMutablePointer<Float>, countsPadding: Bool, residual: ChannelRows? = nil,
    mask: Mask? = nil, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    backward(dy, taps: nil, dx, residual, mask, countsPadding: countsPadding, pool: pool, isa: isa)
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

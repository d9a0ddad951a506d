import CKernels

/// Channels-last rows, `pixel` floats apart: as many as their channels, or more where they are a slice of wider rows.
package struct ChannelRows {
  package var start: UnsafePointer<Float>
  package var pixel: Int

  package init(_ start: UnsafePointer<Float>, pixel: Int) {
    self.start = start
    self.pixel = pixel
  }

  var ck: ck_rows { ck_rows(start: start, pixel: pixel) }

  static func + (rows: ChannelRows, count: Int) -> ChannelRows {
    ChannelRows(rows.start + count * rows.pixel, pixel: rows.pixel)
  }

  func channels(from channel: Int) -> ChannelRows { ChannelRows(start + channel, pixel: pixel) }
}

/// Batch normalisation (Ioffe and Szegedy 2015) of channels-last rows [rows, channels].
///
/// Statistics are taken over short blocks, each shifted near its own mean, and merged in Double (Chan, Golub and
/// LeVeque 1979), in an order fixed by the shape.
package enum BatchNormKernel {
  private static let taskElements = 65_536

  private static func rowsPerTask(channels: Int) -> Int {
    rowsPerChunk(width: channels, elements: taskElements, multiple: 128)
  }

  /// Padded, so that kernels may read past the last channel, and doubles may follow.
  private static func padded(_ channels: Int) -> Int { roundUp(channels, 2) + 64 }

  private static func taskCount(rows: Int, channels: Int) -> Int {
    max(1, divideUp(rows, rowsPerTask(channels: channels)))
  }

  /// Bytes of workspace that ``forward`` and ``backward`` need.
  package static func workspaceBytes(rows: Int, channels: Int) -> Int {
    let moments = ChannelMoments.byteCount(parts: taskCount(rows: rows, channels: channels), channels: channels)
    return moments + 2 * channels * MemoryLayout<Double>.stride + 3 * padded(channels) * MemoryLayout<Float>.stride
  }

  /// Training: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with the batch's own statistics (biased
  /// variance), then a residual and an activation if asked. y may be x or the residual.
  ///
  /// - Parameters:
  ///   - y: rows `pixel` floats apart, as many as the channels unless given.
  ///   - rows: at least 1; with 1 row the running variance is updated as if it were 0, where the unbiased one does not
  ///     exist.
  ///   - gamma, beta: [channels].
  ///   - momentum: the weight of the new batch in the running statistics, as in PyTorch.
  ///   - running: mean and unbiased variance, updated in place; nil leaves them alone.
  ///   - savedMean, savedInverseDeviation: [channels], for ``backward``; with 256 bytes of slack.
  ///   - moments: those of x, if its producer has taken them.
  package static func forward(
    _ x: ChannelRows, _ y: UnsafeMutablePointer<Float>, pixel: Int? = nil, rows: Int, channels: Int,
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, epsilon: Double, momentum: Double,
    running: (mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>)?,
    savedMean: UnsafeMutablePointer<Float>, savedInverseDeviation: UnsafeMutablePointer<Float>,
    residual: ChannelRows? = nil, activation: ActivationKernel? = nil, moments: ChannelMoments? = nil,
    workspace: UnsafeMutableRawPointer, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let scale = workspace.assumingMemoryBound(to: Float.self)
    let means = UnsafeMutableRawPointer(scale + padded(channels)).assumingMemoryBound(to: Double.self)
    let squares = means + channels
    let merged = moments ?? Self.moments(x, rows: rows, channels: channels, memory: squares + channels, pool, isa)
    merged.merge(mean: means, m2: squares)

    for c in 0..<channels {
      let (mean, m2) = (means[c], squares[c])
      let inverseDeviation = 1 / (m2 / Double(rows) + epsilon).squareRoot()
      savedMean[c] = Float(mean)
      savedInverseDeviation[c] = Float(inverseDeviation)
      if let running {
        let variance = m2 / Double(max(1, rows - 1))
        running.mean[c] = Float((1 - momentum) * Double(running.mean[c]) + momentum * mean)
        running.variance[c] = Float((1 - momentum) * Double(running.variance[c]) + momentum * variance)
      }
    }

    Self.scale(gamma: gamma, savedInverseDeviation: savedInverseDeviation, into: scale, channels: channels)
    inference(
      [(x, channels)], y, pixel: pixel, rows: rows, mean: savedMean, scale: scale, shift: beta, residual: residual,
      activation: activation, pool: pool, isa: isa)
  }

  private static func moments(
    _ x: ChannelRows, rows: Int, channels: Int, memory: UnsafeMutableRawPointer, _ pool: ThreadPool,
    _ isa: InstructionSet
  ) -> ChannelMoments {
    let step = rowsPerTask(channels: channels)
    let moments = ChannelMoments(memory, parts: taskCount(rows: rows, channels: channels), channels: channels)
    pool.chunks(rows, of: step) { range in
      moments.take(x + range.lowerBound, rows: range.count, as: range.lowerBound / step, isa: isa)
    }
    return moments
  }

  /// The factor of each channel in training, from what ``forward`` saved: with it and the saved mean, ``inference``
  /// gives the bits of ``forward`` again.
  package static func scale(
    gamma: UnsafePointer<Float>, savedInverseDeviation: UnsafePointer<Float>, into scale: UnsafeMutablePointer<Float>,
    channels: Int
  ) {
    for c in 0..<channels { scale[c] = Float(Double(savedInverseDeviation[c]) * Double(gamma[c])) }
  }

  /// The factor of each channel in inference.
  package static func scale(
    gamma: UnsafePointer<Float>, variance: UnsafePointer<Float>, epsilon: Double,
    into scale: UnsafeMutablePointer<Float>, channels: Int
  ) {
    for c in 0..<channels { scale[c] = Float(Double(gamma[c]) / (Double(variance[c]) + epsilon).squareRoot()) }
  }

  /// What masks the gradient of an activation that only clips: dy counts where 0 < y < limit.
  package struct Mask {
    /// What tells where that is.
    package enum Source {
      /// The forward output.
      case output(ChannelRows)
      /// The forward input and the shift [channels], if nothing was added to the norm.
      case shift(UnsafePointer<Float>)
    }

    var source: Source
    var limit: Float

    /// - Parameter activation: ReLU or ReLU6; stops at others.
    package init(_ source: Source, _ activation: ActivationKernel) {
      guard let limit = activation.clippingLimit else { preconditionFailure("\(activation) does not only clip") }
      self.source = source
      self.limit = limit
    }
  }

  /// The gradients of ``forward``, in two passes over memory. dx may be dy or x.
  ///
  /// - Parameters:
  ///   - mask: of the activation that was fused, if one was.
  ///   - maskedGradient: takes dy after the mask, which must be an output, as dense rows. May be dy.
  ///   - residual: a gradient to add to dx.
  ///   - dx: dense rows.
  package static func backward(
    _ dy: ChannelRows, x: ChannelRows, mask: Mask? = nil, rows: Int, channels: Int, gamma: UnsafePointer<Float>,
    savedMean: UnsafePointer<Float>, savedInverseDeviation: UnsafePointer<Float>, residual: ChannelRows? = nil,
    maskedGradient: UnsafeMutablePointer<Float>? = nil, dx: UnsafeMutablePointer<Float>,
    dgamma: UnsafeMutablePointer<Float>, dbeta: UnsafeMutablePointer<Float>, workspace: UnsafeMutableRawPointer,
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    let step = rowsPerTask(channels: channels)
    let tasks = taskCount(rows: rows, channels: channels)
    let width = padded(channels)
    let scale = workspace.assumingMemoryBound(to: Float.self)
    let (center, slope) = (scale + width, scale + 2 * width)
    Self.scale(gamma: gamma, savedInverseDeviation: savedInverseDeviation, into: scale, channels: channels)

    var p = ck_normalize_backward()
    (p.mean, p.scale, p.center, p.slope) = (
      savedMean, UnsafePointer(scale), UnsafePointer(center), UnsafePointer(slope)
    )
    (p.dy, p.x) = (dy.ck, x.ck)
    p.mask = CK_MASK_NONE
    if let mask {
      p.limit = mask.limit
      switch mask.source {
      case .output(let y): (p.mask, p.y) = (CK_MASK_OUTPUT, y.ck)
      case .shift(let shift): (p.mask, p.shift) = (CK_MASK_INPUT, shift)
      }
    }
    let sums = UnsafeMutableRawPointer(slope + width).assumingMemoryBound(to: Double.self)
    sums.initialize(repeating: 0, count: tasks * 2 * channels)
    let first = p
    pool.chunks(rows, of: step) { range in
      let sum = sums + range.lowerBound / step * 2 * channels
      kernels.normalize_sums(
        first.advanced(by: range.lowerBound), maskedGradient.map { $0 + range.lowerBound * channels }, range.count,
        channels, sum, sum + channels)
    }

    for c in 0..<channels {
      var sum = 0.0
      var productSum = 0.0
      for task in 0..<tasks {
        sum += sums[task * 2 * channels + c]
        productSum += sums[(task * 2 + 1) * channels + c]
      }
      let inverseDeviation = Double(savedInverseDeviation[c])
      let factor = Double(gamma[c]) * inverseDeviation
      dbeta[c] = Float(sum)
      dgamma[c] = Float(productSum * inverseDeviation)
      center[c] = Float(sum / Double(rows))
      slope[c] = Float(-factor * inverseDeviation * inverseDeviation * productSum / Double(rows))
    }

    if let maskedGradient { (p.mask, p.dy) = (CK_MASK_NONE, ck_rows(start: maskedGradient, pixel: channels)) }
    if let residual { p.residual = residual.ck }
    let second = p
    pool.chunks(rows, of: step) { range in
      kernels.normalize_backward(
        second.advanced(by: range.lowerBound), dx + range.lowerBound * channels, range.count, channels)
    }
  }

  /// Inference on channels that lie in one or several tensors, which y joins: y = activation((x - mean) * scale + shift
  /// + residual), where scale = gamma / sqrt(variance + epsilon) and shift = beta, all [channels]. y may be x or the
  /// residual.
  ///
  /// - Parameter y: rows `pixel` floats apart, as many as the channels unless given.
  package static func inference(
    _ pieces: [(x: ChannelRows, channels: Int)], _ y: UnsafeMutablePointer<Float>, pixel: Int? = nil, rows: Int,
    mean: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: ChannelRows? = nil, activation: ActivationKernel? = nil, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let norm = Inference(mean: mean, scale: scale, shift: shift, residual: residual, activation: activation)
    let channels = pieces.reduce(0) { $0 + $1.channels }
    let pixel = pixel ?? channels
    pool.rowChunks(rows, width: channels) { range in
      norm.apply(pieces, rows: range, into: y + range.lowerBound * pixel, pixel: pixel, isa: isa)
    }
  }

  /// activation((x - mean) * scale + shift + residual), all but the residual `[channels]` with 256 bytes of slack.
  package struct Inference {
    package var mean: UnsafePointer<Float>
    package var scale: UnsafePointer<Float>
    package var shift: UnsafePointer<Float>
    package var residual: ChannelRows?
    package var activation: ActivationKernel?

    package init(
      mean: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
      residual: ChannelRows? = nil, activation: ActivationKernel? = nil
    ) {
      self.mean = mean
      self.scale = scale
      self.shift = shift
      self.residual = residual
      self.activation = activation
    }

    /// Writes some rows to y, `pixel` floats apart.
    func apply(
      _ pieces: [(x: ChannelRows, channels: Int)], rows: Range<Int>, into y: UnsafeMutablePointer<Float>,
      pixel: Int, isa: InstructionSet
    ) {
      let limit = activation?.clippingLimit
      var first = 0
      for piece in pieces {
        let residual = residual.map { ($0 + rows.lowerBound).channels(from: first).ck }
        let p = ck_normalize(
          mean: mean + first, scale: scale + first, shift: shift + first,
          residual: residual ?? ck_rows(start: nil, pixel: 0), clips: limit == nil ? 0 : 1, limit: limit ?? 0)
        isa.pointwise.normalize(p, (piece.x + rows.lowerBound).ck, y + first, pixel, rows.count, piece.channels)
        first += piece.channels
      }
      guard let activation, limit == nil else { return }
      if first == pixel { return activation.map(y, count: rows.count * pixel, isa: isa) }
      for row in 0..<rows.count { activation.map(y + row * pixel, count: first, isa: isa) }
    }
  }
}

extension ActivationKernel {
  /// Of activations that take each number to the nearest one from 0 to a limit: that limit.
  fileprivate var clippingLimit: Float? {
    switch self {
    case .relu: .infinity
    case .relu6: 6
    default: nil
    }
  }
}

extension ck_normalize_backward {
  /// The same from some row on.
  fileprivate func advanced(by rows: Int) -> ck_normalize_backward {
    var later = self
    later.dy.start += rows * dy.pixel
    later.x.start += rows * x.pixel
    if y.start != nil { later.y.start += rows * y.pixel }
    if residual.start != nil { later.residual.start += rows * residual.pixel }
    return later
  }
}

import CKernels

/// Batch normalisation (Ioffe and Szegedy 2015) of channels-last rows [rows, channels].
///
/// Statistics are taken over short blocks, each shifted near its own mean, and merged in Double (Chan, Golub and
/// LeVeque 1979), in an order fixed by the shape.
package enum BatchNormKernel {
  private static let taskElements = 65_536

  private static func rowsPerTask(channels: Int) -> Int {
    rowsPerChunk(width: channels, elements: taskElements, multiple: 128)
  }

  /// Padded, so that kernels may read past the last channel.
  private static func padded(_ channels: Int) -> Int { channels + 64 }

  /// Bytes of workspace that ``forward`` and ``backward`` need.
  package static func workspaceBytes(rows: Int, channels: Int) -> Int {
    let tasks = max(1, (rows + rowsPerTask(channels: channels) - 1) / rowsPerTask(channels: channels))
    return tasks * 2 * channels * MemoryLayout<Double>.stride + 3 * padded(channels) * MemoryLayout<Float>.stride
  }

  /// Training: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with the batch's own statistics (biased
  /// variance), then an activation if asked. y may be x.
  ///
  /// - Parameters:
  ///   - rows: at least 1; with 1 row the running variance is updated as if it were 0, where the unbiased one does not
  ///     exist.
  ///   - gamma, beta: [channels].
  ///   - momentum: the weight of the new batch in the running statistics, as in PyTorch.
  ///   - running: mean and unbiased variance, updated in place; nil leaves them alone.
  ///   - savedMean, savedInverseDeviation: [channels], for ``backward``; with 256 bytes of slack.
  package static func forward(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, channels: Int, gamma: UnsafePointer<Float>,
    beta: UnsafePointer<Float>, epsilon: Double, momentum: Double,
    running: (mean: UnsafeMutablePointer<Float>, variance: UnsafeMutablePointer<Float>)?,
    savedMean: UnsafeMutablePointer<Float>, savedInverseDeviation: UnsafeMutablePointer<Float>,
    activation: ActivationKernel? = nil, workspace: UnsafeMutableRawPointer, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    let step = rowsPerTask(channels: channels)
    let tasks = max(1, (rows + step - 1) / step)
    let partials = workspace.assumingMemoryBound(to: Double.self)
    partials.initialize(repeating: 0, count: tasks * 2 * channels)
    pool.chunks(rows, of: step) { range in
      let mean = partials + range.lowerBound / step * 2 * channels
      kernels.moments(x + range.lowerBound * channels, range.count, channels, 0, mean, mean + channels)
    }

    let scale = UnsafeMutableRawPointer(partials + tasks * 2 * channels).assumingMemoryBound(to: Float.self)
    for c in 0..<channels {
      var mean = partials[c]
      var m2 = partials[channels + c]
      var seen = Double(min(step, rows))
      for task in 1..<max(1, tasks) {
        let added = Double(min(step, rows - task * step))
        let delta = partials[task * 2 * channels + c] - mean
        mean += delta * added / (seen + added)
        m2 += partials[(task * 2 + 1) * channels + c] + delta * delta * seen * added / (seen + added)
        seen += added
      }
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
      x, y, rows: rows, channels: channels, mean: savedMean, scale: scale, shift: beta, activation: activation,
      pool: pool, isa: isa)
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

  /// The gradients of ``forward``. dx may be dy or x.
  ///
  /// - Parameter y: the forward output where ReLU was fused: dy counts only where y > 0; else nil.
  package static func backward(
    _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, y: UnsafePointer<Float>?, rows: Int, channels: Int,
    gamma: UnsafePointer<Float>, savedMean: UnsafePointer<Float>, savedInverseDeviation: UnsafePointer<Float>,
    dx: UnsafeMutablePointer<Float>, dgamma: UnsafeMutablePointer<Float>, dbeta: UnsafeMutablePointer<Float>,
    workspace: UnsafeMutableRawPointer, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.pointwise
    let step = rowsPerTask(channels: channels)
    let tasks = max(1, (rows + step - 1) / step)
    let partials = workspace.assumingMemoryBound(to: Double.self)
    partials.initialize(repeating: 0, count: tasks * 2 * channels)
    pool.chunks(rows, of: step) { range in
      let at = range.lowerBound * channels
      let sum = partials + range.lowerBound / step * 2 * channels
      kernels.normalize_sums(
        dy + at, x + at, y.map { $0 + at }, savedMean, range.count, channels, sum, sum + channels)
    }

    let width = padded(channels)
    let scale = UnsafeMutableRawPointer(partials + tasks * 2 * channels).assumingMemoryBound(to: Float.self)
    let center = scale + width
    let slope = center + width
    for c in 0..<channels {
      var sum = 0.0
      var productSum = 0.0
      for task in 0..<tasks {
        sum += partials[task * 2 * channels + c]
        productSum += partials[(task * 2 + 1) * channels + c]
      }
      let inverseDeviation = Double(savedInverseDeviation[c])
      let factor = Double(gamma[c]) * inverseDeviation
      dbeta[c] = Float(sum)
      dgamma[c] = Float(productSum * inverseDeviation)
      scale[c] = Float(factor)
      center[c] = Float(sum / Double(rows))
      slope[c] = Float(-factor * inverseDeviation * inverseDeviation * productSum / Double(rows))
    }

    let p = ck_normalize_backward(mean: savedMean, scale: scale, center: center, slope: slope)
    pool.chunks(rows, of: step) { range in
      let at = range.lowerBound * channels
      kernels.normalize_backward(p, dy + at, x + at, y.map { $0 + at }, dx + at, range.count, channels)
    }
  }

  /// Inference: y = activation((x - mean) * scale + shift), where scale = gamma / sqrt(variance + epsilon) and
  /// shift = beta, all [channels]. y may be x.
  package static func inference(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, channels: Int, mean: UnsafePointer<Float>,
    scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, activation: ActivationKernel? = nil, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    inference(
      [(x, channels)], y, rows: rows, mean: mean, scale: scale, shift: shift, activation: activation, pool: pool,
      isa: isa)
  }

  /// Inference on channels that lie in several tensors, which y joins.
  package static func inference(
    _ pieces: [(x: UnsafePointer<Float>, channels: Int)], _ y: UnsafeMutablePointer<Float>, rows: Int,
    mean: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    activation: ActivationKernel? = nil, pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let norm = Inference(mean: mean, scale: scale, shift: shift, activation: activation)
    let channels = pieces.reduce(0) { $0 + $1.channels }
    pool.rowChunks(rows, width: channels) { range in
      norm.apply(pieces, rows: range, into: y + range.lowerBound * channels, pixel: channels, isa: isa)
    }
  }

  /// activation((x - mean) * scale + shift), all `[channels]` with 256 bytes of slack.
  package struct Inference {
    package var mean: UnsafePointer<Float>
    package var scale: UnsafePointer<Float>
    package var shift: UnsafePointer<Float>
    package var activation: ActivationKernel?

    package init(
      mean: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
      activation: ActivationKernel? = nil
    ) {
      self.mean = mean
      self.scale = scale
      self.shift = shift
      self.activation = activation
    }

    /// Writes some rows to y, `pixel` floats apart.
    func apply(
      _ pieces: [(x: UnsafePointer<Float>, channels: Int)], rows: Range<Int>, into y: UnsafeMutablePointer<Float>,
      pixel: Int, isa: InstructionSet
    ) {
      var first = 0
      for piece in pieces {
        let p = ck_normalize(
          mean: mean + first, scale: scale + first, shift: shift + first, relu: activation == .relu ? 1 : 0)
        isa.pointwise.normalize(
          p, piece.x + rows.lowerBound * piece.channels, y + first, rows.count, piece.channels, pixel)
        first += piece.channels
      }
      guard let activation, activation != .relu else { return }
      if first == pixel { return activation.map(y, count: rows.count * pixel, isa: isa) }
      for row in 0..<rows.count { activation.map(y + row * pixel, count: first, isa: isa) }
    }
  }
}

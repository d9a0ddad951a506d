import CKernels
import Kernels
import Testing

@Suite struct BatchNormTests {
  @Test(arguments: InstructionSet.available) func agreesWithPyTorch(isa: InstructionSet) throws {
    let (rows, channels) = (50, 5)
    let x = GuardedBuffer(wave(rows * channels))
    let gamma = GuardedBuffer(wave(channels, step: 17))
    let beta = GuardedBuffer(wave(channels, step: 19))
    let mean = GuardedBuffer(wave(channels, step: 23))
    let variance = GuardedBuffer(wave(channels, step: 31).map(abs))
    let savedMean = GuardedBuffer(count: channels)
    let savedDeviation = GuardedBuffer(count: channels)
    let y = GuardedBuffer(count: x.count)
    let workspace = GuardedBuffer(count: BatchNormKernel.workspaceBytes(rows: rows, channels: channels) / 4)
    BatchNormKernel.forward(
      self.rows(of: x, channels), y.pointer, rows: rows, channels: channels, gamma: gamma.pointer, beta: beta.pointer,
      epsilon: 1e-3,
      momentum: 0.3, running: (mean.pointer, variance.pointer), savedMean: savedMean.pointer,
      savedInverseDeviation: savedDeviation.pointer, activation: .relu, workspace: workspace.raw, pool: serialPool,
      isa: isa)
    let dy = GuardedBuffer(wave(x.count, step: 41))
    let dx = GuardedBuffer(count: x.count)
    let dgamma = GuardedBuffer(count: channels)
    let dbeta = GuardedBuffer(count: channels)
    BatchNormKernel.backward(
      self.rows(of: dy, channels), x: self.rows(of: x, channels),
      mask: .init(.output(self.rows(of: y, channels)), .relu),
      rows: rows, channels: channels, gamma: gamma.pointer,
      savedMean: savedMean.pointer, savedInverseDeviation: savedDeviation.pointer, dx: dx.pointer,
      dgamma: dgamma.pointer, dbeta: dbeta.pointer, workspace: workspace.raw, pool: serialPool, isa: isa)
    for (name, tensor) in [
      ("y", y), ("mean", mean), ("variance", variance), ("dx", dx), ("dgamma", dgamma), ("dbeta", dbeta),
    ] {
      expectClose(tensor.values, try #require(pytorch["batchNorm \(name)"]), 2e-6, name)
      #expect(tensor.isIntact)
    }
    #expect(workspace.isIntact && savedMean.isIntact && savedDeviation.isIntact)
  }

  static let shapes = [(1, 1), (7, 15), (129, 16), (1000, 17), (3000, 64), (5000, 67), (100_003, 3), (300, 260)]

  /// A mean far larger than the deviation, which a one-pass variance would lose.
  @Test(arguments: InstructionSet.available, shapes)
  func agreesWithDouble(isa: InstructionSet, shape: (rows: Int, channels: Int)) {
    let (rows, channels) = shape
    let x = random(rows * channels).enumerated().map { $0.element + Float($0.offset % channels % 5) * 20 }
    let gradient = random(rows * channels, seed: 2)
    let (gamma, beta) = (random(channels, seed: 3), random(channels, seed: 4))
    var mean = [Double](repeating: 0, count: channels)
    var variance = mean
    var (sum, productSum) = (mean, mean)
    for i in x.indices { mean[i % channels] += Double(x[i]) / Double(rows) }
    for i in x.indices {
      let d = Double(x[i]) - mean[i % channels]
      variance[i % channels] += d * d / Double(rows)
    }
    let deviation = variance.map { ($0 + 1e-5).squareRoot() }
    for i in x.indices {
      let c = i % channels
      sum[c] += Double(gradient[i])
      productSum[c] += Double(gradient[i]) * (Double(x[i]) - mean[c]) / deviation[c]
    }
    let normalized = x.indices.map { (Double(x[$0]) - mean[$0 % channels]) / deviation[$0 % channels] }
    let expectedY = x.indices.map { normalized[$0] * Double(gamma[$0 % channels]) + Double(beta[$0 % channels]) }
    let expectedDx = x.indices.map { i in
      let c = i % channels
      return Double(gamma[c]) / deviation[c]
        * (Double(gradient[i]) - sum[c] / Double(rows) - normalized[i] * productSum[c] / Double(rows))
    }

    let bx = GuardedBuffer(x)
    let y = GuardedBuffer(count: x.count)
    let (g, b) = (GuardedBuffer(gamma), GuardedBuffer(beta))
    let (savedMean, saved) = (GuardedBuffer(count: channels), GuardedBuffer(count: channels))
    let workspace = GuardedBuffer(count: BatchNormKernel.workspaceBytes(rows: rows, channels: channels) / 4)
    BatchNormKernel.forward(
      self.rows(of: bx, channels), y.pointer, rows: rows, channels: channels, gamma: g.pointer, beta: b.pointer,
      epsilon: 1e-5,
      momentum: 0.1, running: nil, savedMean: savedMean.pointer, savedInverseDeviation: saved.pointer,
      workspace: workspace.raw, pool: serialPool, isa: isa)
    expectClose(savedMean.values, mean, 5e-7)
    expectClose(saved.values, deviation.map { 1 / $0 }, rows == 1 ? 1e-6 : 2e-5)
    expectClose(y.values, expectedY, 1e-4)
    let dy = GuardedBuffer(gradient)
    let (dgamma, dbeta) = (GuardedBuffer(count: channels), GuardedBuffer(count: channels))
    let dx = GuardedBuffer(count: x.count)
    BatchNormKernel.backward(
      self.rows(of: dy, channels), x: self.rows(of: bx, channels), rows: rows, channels: channels, gamma: g.pointer,
      savedMean: savedMean.pointer, savedInverseDeviation: saved.pointer, dx: dx.pointer, dgamma: dgamma.pointer,
      dbeta: dbeta.pointer, workspace: workspace.raw, pool: serialPool, isa: isa)
    // Sums of `rows` numbers of either sign, so compared with how large such a sum usually is.
    expectClose(dbeta.values, sum, 3e-6 * Double(rows).squareRoot())
    expectClose(dgamma.values, productSum, 2e-5 * Double(rows).squareRoot())
    if rows > 1 { expectClose(dx.values, expectedDx, 1e-4) }
    #expect(y.isIntact && dx.isIntact && workspace.isIntact && savedMean.isIntact && saved.isIntact)
    #expect(dgamma.isIntact && dbeta.isIntact)
  }

  private func rows(of buffer: GuardedBuffer, _ channels: Int) -> ChannelRows {
    ChannelRows(buffer.pointer, pixel: channels)
  }

  /// Residual, activation, masks and slices of wider rows give the bits of one kernel after another on dense rows.
  @Test(arguments: InstructionSet.available, shapes)
  func fusionsKeepTheBits(isa: InstructionSet, shape: (rows: Int, channels: Int)) {
    for (activation, adds) in [(ActivationKernel.relu, false), (.relu, true), (.relu6, false), (.relu6, true)] {
      compareFused(isa, shape.rows, shape.channels, activation, adds: adds)
    }
  }

  private func compareFused(
    _ isa: InstructionSet, _ rows: Int, _ channels: Int, _ activation: ActivationKernel, adds: Bool
  ) {
    let count = rows * channels
    let (x, gradient, added) = (random(count), random(count, seed: 2), random(count, seed: 3))
    /// Rows with `gap` floats that nobody may read between them.
    func spread(_ values: [Float], _ gap: Int) -> (buffer: GuardedBuffer, rows: ChannelRows) {
      let pixel = channels + gap
      var wide = [Float](repeating: .nan, count: rows * pixel)
      for i in values.indices { wide[i / channels * pixel + i % channels] = values[i] }
      let buffer = GuardedBuffer(wide)
      return (buffer, ChannelRows(buffer.pointer, pixel: pixel))
    }
    let gamma = GuardedBuffer(random(channels, seed: 4).map { 8 * $0 })
    let beta = GuardedBuffer(random(channels, seed: 5))
    let workspace = GuardedBuffer(count: BatchNormKernel.workspaceBytes(rows: rows, channels: channels) / 4)
    let (mean, deviation) = (GuardedBuffer(count: channels), GuardedBuffer(count: channels))
    func forward(
      _ x: ChannelRows, _ y: GuardedBuffer, pixel: Int?, residual: ChannelRows?, _ activation: ActivationKernel?
    ) {
      BatchNormKernel.forward(
        x, y.pointer, pixel: pixel, rows: rows, channels: channels, gamma: gamma.pointer, beta: beta.pointer,
        epsilon: 1e-5, momentum: 0.1, running: nil, savedMean: mean.pointer, savedInverseDeviation: deviation.pointer,
        residual: residual, activation: activation, workspace: workspace.raw, pool: serialPool, isa: isa)
    }
    let (dense, wideX, residual) = (GuardedBuffer(x), spread(x, 3), spread(added, 2))
    let (y, wideY) = (GuardedBuffer(count: count), GuardedBuffer(count: rows * (channels + 1)))
    forward(self.rows(of: dense, channels), y, pixel: nil, residual: nil, nil)
    if adds { for i in 0..<count { y.pointer[i] += added[i] } }
    activation.forward(y.pointer, y.pointer, count: count, pool: serialPool, isa: isa)
    forward(wideX.rows, wideY, pixel: channels + 1, residual: adds ? residual.rows : nil, activation)
    #expect((0..<count).allSatisfy { wideY.pointer[$0 / channels * (channels + 1) + $0 % channels] == y.pointer[$0] })
    #expect(y.isIntact && wideY.isIntact && workspace.isIntact)

    func backward(
      _ dy: ChannelRows, _ x: ChannelRows, _ mask: BatchNormKernel.Mask?, _ residual: ChannelRows?,
      masked: GuardedBuffer? = nil
    ) -> [[Float]] {
      let (dx, dgamma, dbeta) = (
        GuardedBuffer(count: count), GuardedBuffer(count: channels), GuardedBuffer(count: channels)
      )
      BatchNormKernel.backward(
        dy, x: x, mask: mask, rows: rows, channels: channels, gamma: gamma.pointer, savedMean: mean.pointer,
        savedInverseDeviation: deviation.pointer, residual: residual, maskedGradient: masked?.pointer, dx: dx.pointer,
        dgamma: dgamma.pointer, dbeta: dbeta.pointer, workspace: workspace.raw, pool: serialPool, isa: isa)
      #expect(dx.isIntact && dgamma.isIntact && dbeta.isIntact && workspace.isIntact && masked?.isIntact != false)
      return [dx.values, dgamma.values, dbeta.values]
    }
    let (dy, wideDy) = (GuardedBuffer(gradient), spread(gradient, 5))
    let masked = GuardedBuffer(count: count)
    activation.backward(dy.pointer, y.pointer, masked.pointer, count: count, pool: serialPool, isa: isa)
    var expected = backward(self.rows(of: masked, channels), self.rows(of: dense, channels), nil, nil)
    let output = ChannelRows(wideY.pointer, pixel: channels + 1)
    #expect(backward(wideDy.rows, wideX.rows, .init(.output(output), activation), nil) == expected)
    let found = GuardedBuffer(count: count)
    #expect(backward(wideDy.rows, wideX.rows, .init(.output(output), activation), nil, masked: found) == expected)
    #expect(found.values == masked.values)
    if !adds { #expect(backward(wideDy.rows, wideX.rows, .init(.shift(beta.pointer), activation), nil) == expected) }
    for i in 0..<count { expected[0][i] += added[i] }
    #expect(backward(wideDy.rows, wideX.rows, .init(.output(output), activation), residual.rows) == expected)
    if !adds {
      #expect(backward(wideDy.rows, wideX.rows, .init(.shift(beta.pointer), activation), residual.rows) == expected)
    }
  }

  @Test(arguments: InstructionSet.available, shapes)
  func inference(isa: InstructionSet, shape: (rows: Int, channels: Int)) {
    for activation in [nil, .relu, .hardSwish] as [ActivationKernel?] {
      infer(isa, shape.rows, shape.channels, activation)
    }
  }

  func infer(_ isa: InstructionSet, _ rows: Int, _ channels: Int, _ activation: ActivationKernel?) {
    let x = GuardedBuffer(random(rows * channels))
    let y = GuardedBuffer(count: x.count)
    let (m, s, b) = (
      GuardedBuffer(random(channels, seed: 2)), GuardedBuffer(random(channels, seed: 3)),
      GuardedBuffer(random(channels, seed: 4))
    )
    BatchNormKernel.inference(
      [(self.rows(of: x, channels), channels)], y.pointer, rows: rows, mean: m.pointer, scale: s.pointer,
      shift: b.pointer,
      activation: activation, pool: serialPool, isa: isa)
    let expected = (0..<x.count).map { i -> Double in
      let c = i % channels
      let z = (Double(x.pointer[i]) - Double(m.pointer[c])) * Double(s.pointer[c]) + Double(b.pointer[c])
      return switch activation {
      case .relu: max(0, z)
      case .hardSwish: z * min(6, max(0, z + 3)) / 6
      default: z
      }
    }
    expectClose(y.values, expected, 2e-6)
    #expect(y.isIntact)
  }
}

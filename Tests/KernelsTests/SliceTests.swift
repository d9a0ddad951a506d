import Kernels
import Testing

/// Kernels that read and write slices of wider tensors, against those on dense ones: the same bits, also for any number of
/// threads, and nothing written beside the slice. What lies beside the input's slice is not a number.
@Suite struct SliceTests {
  private static let (offset, gap): (Int, Int) = (3, 5)
  private static let untouched: Float = 12345

  /// A tensor at each of some positions.
  private struct Extent {
    var positions: Int
    var channels: Int
    var count: Int { positions * channels }
    var pixel: Int { channels + SliceTests.gap }
  }

  /// - Parameters:
  ///   - isExact: whether dense tensors take the same kernel; else results are the same but for rounding.
  ///   - run: gets input, output, their floats between positions, and a pool.
  private func check(
    _ name: String, from input: Extent, to output: Extent, isExact: Bool = true,
    _ run: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int, Int, ThreadPool) -> Void
  ) {
    let x = Buffer(randomValues(input.count, seed: 1))
    let dense = Buffer(count: output.count)
    run(x.pointer, dense.pointer, input.channels, output.channels, ConvolutionTests.pools[1])

    var wide = [Float](repeating: .nan, count: input.positions * input.pixel)
    for (index, value) in x.values.enumerated() {
      wide[index / input.channels * input.pixel + Self.offset + index % input.channels] = value
    }
    let source = Buffer(wide)
    let tolerance = isExact ? 0 : 1e-5 * dense.values.reduce(1) { max($0, abs($1)) }
    var first: [Float]?
    for pool in ConvolutionTests.pools {
      let target = Buffer([Float](repeating: Self.untouched, count: output.positions * output.pixel))
      run(source.pointer + Self.offset, target.pointer + Self.offset, input.pixel, output.pixel, pool)
      let found = target.values
      for position in 0..<output.positions {
        let slice = found[(position * output.pixel)...].prefix(output.pixel)
        let inside = slice.dropFirst(Self.offset).prefix(output.channels)
        let expected = dense.values[(position * output.channels)...].prefix(output.channels)
        guard zip(inside, expected).allSatisfy({ abs($0 - $1) <= tolerance }) else {
          Issue.record("\(name): position \(position) differs")
          break
        }
        #expect(slice.count { $0 == Self.untouched } == Self.gap, "\(name) writes beside its slice")
      }
      #expect(target.isGuarded, "\(name) writes outside")
      #expect(first == nil || first == found, "\(name) depends on the number of threads")
      first = found
    }
  }

  private func extents(_ g: ConvGeometry) -> (Extent, Extent) {
    (
      Extent(positions: g.batch * g.input.count, channels: g.inChannels),
      Extent(positions: g.batch * g.output.count, channels: g.outChannels)
    )
  }

  private static let epilogues: [ActivationKernel?] = [.relu, .silu]

  @Test(arguments: InstructionSet.available, [(3, 17, 1), (34, 32, 2), (17, 17, 17), (40, 21, 1), (64, 16, 1)])
  func convolution(isa: InstructionSet, channels: (Int, Int, Int)) {
    let kernels: [(Int, Int, Int)] = [(1, 1, 0), (3, 1, 1), (3, 2, 1), (2, 2, 0)]
    for (kernel, stride, padding) in kernels {
      // Only dense lines may be multiplied with all taps of a kernel line at once.
      let isExact = kernel < 3 || stride > 1 || channels.2 > 1
      let g = ConvolutionTests.geometry(
        channels.0, channels.1, groups: channels.2, input: .init(1, 11, 10), kernel: .init(1, kernel, kernel),
        stride: .init(1, stride, stride), before: .init(0, padding, padding), after: .init(0, padding, padding))
      let (x, y) = extents(g)
      let w = Buffer(randomValues(g.weightCount, seed: 2))
      let bias = Buffer(randomValues(max(g.inChannels, g.outChannels), seed: 3))
      for activation in Self.epilogues {
        let epilogue = Convolution.Epilogue(bias: .init(bias.pointer), activation: activation)
        check("\(isa) forward \(g)", from: x, to: y, isExact: isExact) { x, y, inPixel, outPixel, pool in
          var g = g
          (g.inPixel, g.outPixel) = (inPixel, outPixel)
          let packed = Buffer(count: Convolution.forwardWeightsSize(g, isa: isa))
          Convolution.packForward(w.pointer, into: packed.pointer, g, pool: pool, isa: isa)
          Convolution.forward(x, weights: packed.pointer, into: y, g, epilogue: epilogue, pool: pool, isa: isa)
        }
        check("\(isa) input gradient \(g)", from: y, to: x, isExact: isExact) { dy, dx, outPixel, inPixel, pool in
          var g = g
          (g.inPixel, g.outPixel) = (inPixel, outPixel)
          let packed = Buffer(count: Convolution.inputGradientWeightsSize(g, isa: isa))
          Convolution.packInputGradient(w.pointer, into: packed.pointer, g, pool: pool, isa: isa)
          Convolution.inputGradient(
            dy, weights: packed.pointer, into: dx, g, epilogue: epilogue, pool: pool, isa: isa)
        }
      }
    }
  }

  @Test(arguments: InstructionSet.available, [(3, 17, 1), (34, 32, 2), (40, 21, 1), (64, 16, 1)])
  func weightGradient(isa: InstructionSet, channels: (Int, Int, Int)) {
    for (kernel, padding) in [(1, 0), (3, 1)] {
      let g = ConvolutionTests.geometry(
        channels.0, channels.1, groups: channels.2, input: .init(1, 11, 10), kernel: .init(1, kernel, kernel),
        before: .init(0, padding, padding), after: .init(0, padding, padding))
      let (x, dy) = extents(g)
      let gradient = randomValues(dy.count, seed: 5)
      var wide = [Float](repeating: .nan, count: dy.positions * dy.pixel)
      for (index, value) in gradient.enumerated() {
        wide[index / dy.channels * dy.pixel + Self.offset + index % dy.channels] = value
      }
      let (dense, sliced) = (Buffer(gradient), Buffer(wide))
      // The gradient of the weights is as if of one position, and never a slice.
      let weights = Extent(positions: 1, channels: g.weightCount)
      for usesWinograd in [false, true] where !usesWinograd || kernel == 3 && channels.2 == 1 {
        check("\(isa) weight gradient \(g)", from: x, to: weights) { x, dw, inPixel, _, pool in
          var g = g
          let isWhole = inPixel == g.inChannels
          (g.inPixel, g.outPixel) = (inPixel, isWhole ? dy.channels : dy.pixel)
          let gradient = isWhole ? dense.pointer : sliced.pointer + Self.offset
          if usesWinograd {
            let winograd = WinogradWeightGradient(g, isa: isa)
            let workspace = Buffer(count: winograd.workspaceSize)
            winograd.run(x, gradient, into: dw, workspace: workspace.pointer, pool: pool)
          } else {
            let workspace = Buffer(count: Convolution.weightGradientWorkspaceSize(g, slots: 2, isa: isa))
            Convolution.weightGradient(
              x, gradient, into: dw, g, slots: 2, workspace: workspace.pointer, pool: pool, isa: isa)
          }
        }
      }
    }
  }

  @Test(arguments: InstructionSet.available, [(3, 17), (40, 21), (16, 64)])
  func winograd(isa: InstructionSet, channels: (Int, Int)) {
    for stride in [1, 2] { winograd(isa, channels, stride: stride) }
  }

  private func winograd(_ isa: InstructionSet, _ channels: (Int, Int), stride: Int) {
    let g = ConvolutionTests.geometry(
      channels.0, channels.1, input: .init(1, 13, 15), kernel: .init(1, 3, 3), stride: .init(1, stride, stride),
      before: .init(0, 1, 1), after: .init(0, 1, 1))
    let (x, y) = extents(g)
    let w = Buffer(randomValues(g.weightCount, seed: 2))
    let bias = Buffer(randomValues(max(g.inChannels, g.outChannels), seed: 3))
    func run(_ name: String, from x: Extent, to y: Extent, _ make: @escaping (ConvGeometry) -> Winograd) {
      for activation in Self.epilogues {
        let epilogue = Convolution.Epilogue(bias: .init(bias.pointer), activation: activation)
        check("\(isa) \(name) \(g)", from: x, to: y) { x, y, first, second, pool in
          var strided = g
          (strided.inPixel, strided.outPixel) = name == "input gradient" ? (second, first) : (first, second)
          let winograd = make(strided)
          let packed = Buffer(count: winograd.weightsSize)
          winograd.pack(w.pointer, into: packed.pointer, pool: pool)
          let workspace = Buffer(count: winograd.workspaceSize)
          winograd.run(
            x, weights: packed.pointer, into: y, epilogue: epilogue, workspace: workspace.pointer, pool: pool)
        }
      }
    }
    for variant in Winograd.Variant.allCases where variant.applies(to: g) {
      run("\(variant)", from: x, to: y) { Winograd(forward: $0, variant, isa: isa) }
    }
    if stride == 1 { run("input gradient", from: y, to: x) { Winograd(inputGradient: $0, isa: isa) } }
  }

  @Test(arguments: InstructionSet.available, [1, 7, 17, 67])
  func pooling(isa: InstructionSet, channels: Int) {
    var g = PoolGeometry(
      batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 3, 3], stride: [1, 2, 1], paddingBefore: [0, 1, 1],
      output: [1, 5, 11])
    var global = PoolGeometry(
      batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 10, 11], stride: .one, output: .one)
    let (x, y) = (Extent(positions: 220, channels: channels), Extent(positions: 110, channels: channels))
    var taps = [UInt8](repeating: 0, count: y.count)
    check("\(isa) max", from: x, to: y) { x, y, inPixel, outPixel, pool in
      (g.inPixel, g.outPixel) = (inPixel, outPixel)
      g.maxForward(x, y, taps: nil, pool: pool, isa: isa)
    }
    var first: [UInt8]?
    check("\(isa) max with taps", from: x, to: y) { x, y, inPixel, outPixel, pool in
      (g.inPixel, g.outPixel) = (inPixel, outPixel)
      taps.withUnsafeMutableBytes { g.maxForward(x, y, taps: $0.baseAddress, pool: pool, isa: isa) }
      if first == nil { first = taps }
      #expect(taps == first)
    }
    check("\(isa) average", from: x, to: y) { x, y, inPixel, outPixel, pool in
      (g.inPixel, g.outPixel) = (inPixel, outPixel)
      g.averageForward(x, y, countsPadding: false, pool: pool, isa: isa)
    }
    check("\(isa) mean", from: x, to: Extent(positions: 2, channels: channels)) { x, y, inPixel, outPixel, pool in
      (global.inPixel, global.outPixel) = (inPixel, outPixel)
      global.averageForward(x, y, countsPadding: false, pool: pool, isa: isa)
    }
  }

  /// Gradients read slices and write whole tensors, here as if of one position.
  @Test(arguments: InstructionSet.available, [1, 7, 17, 67])
  func gradients(isa: InstructionSet, channels: Int) {
    let x = Extent(positions: 220, channels: channels)
    func one(_ channels: Int) -> Extent { Extent(positions: 1, channels: channels) }
    check("\(isa) activation's gradient", from: x, to: one(x.count)) { x, dx, pixel, _, pool in
      ActivationKernel.relu.backward(
        ChannelRows(x, pixel: pixel), ChannelRows(x, pixel: pixel), dx, rows: 220, channels: channels, pool: pool,
        isa: isa)
    }
    if channels > 1 {
      check("\(isa) sums", from: x, to: one(channels)) { x, y, pixel, _, pool in
        let extents = [220, channels]
        var workspace = [UInt8](repeating: 0, count: ReductionKernel.workspaceBytes(extents: extents, axes: [0]))
        workspace.withUnsafeMutableBytes {
          ReductionKernel.sum.apply(
            x, y, extents: extents, axes: [0], pixel: pixel, workspace: $0.baseAddress!, pool: pool, isa: isa)
        }
      }
    }
    // Windows that overlap, each won by its last tap; vectors may read past the last one.
    let g = PoolGeometry(
      batch: 2, channels: channels, input: [1, 10, 11], kernel: [1, 2, 3], stride: .one, paddingBefore: [0, 1, 1],
      paddingAfter: [0, 0, 1], output: [1, 10, 11])
    let taps = [UInt8](repeating: 5, count: x.count + 64)
    taps.withUnsafeBytes { taps in
      check("\(isa) pooling's gradient", from: x, to: one(x.count)) { x, dx, pixel, _, pool in
        let rows = ChannelRows(x, pixel: pixel)
        g.maxBackward(
          rows, taps: taps.baseAddress!, dx, residual: rows, mask: .output(rows, .relu), pool: pool, isa: isa)
      }
    }
  }
}

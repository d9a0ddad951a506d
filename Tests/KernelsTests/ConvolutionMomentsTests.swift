import Kernels
import Testing

/// Statistics of channels that kernels take of what they write, against those of what they have written.
@Suite struct ConvolutionMomentsTests {
  private static let pools = ConvolutionTests.pools

  /// - Parameter run: computes the output with an epilogue, on a pool.
  private func check(
    _ name: String, _ g: ConvGeometry, parts: Int, _ run: (Buffer, Convolution.Epilogue, ThreadPool) -> Void
  ) {
    // Means far larger than deviations, which sums of squares would lose.
    let bias = Buffer((0..<g.outChannels).map { 200 * Float($0 % 5) })
    let plain = Buffer(count: g.outputCount)
    var epilogue = Convolution.Epilogue(bias: .init(bias.pointer))
    run(plain, epilogue, Self.pools[0])
    let y = plain.values
    let rows = y.count / g.outChannels
    var (means, squares) = ([Double](repeating: 0, count: g.outChannels), [Double](repeating: 0, count: g.outChannels))
    for i in y.indices { means[i % g.outChannels] += Double(y[i]) / Double(rows) }
    for i in y.indices {
      let d = Double(y[i]) - means[i % g.outChannels]
      squares[i % g.outChannels] += d * d
    }
    var first: [Double]?
    for pool in Self.pools {
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: ChannelMoments.byteCount(parts: parts, channels: g.outChannels), alignment: 8)
      defer { memory.deallocate() }
      // Whatever was in there.
      memory.initializeMemory(
        as: Double.self, repeating: .nan, count: ChannelMoments.byteCount(parts: parts, channels: g.outChannels) / 8)
      let moments = ChannelMoments(memory, parts: parts, channels: g.outChannels)
      epilogue.moments = moments
      let found = Buffer(count: g.outputCount)
      run(found, epilogue, pool)
      #expect(found.values == y && found.isGuarded, "\(name)")
      var (mean, m2) = (means, squares)
      moments.merge(mean: &mean, m2: &m2)
      for c in 0..<g.outChannels {
        let deviation = (squares[c] / Double(rows)).squareRoot()
        #expect(abs(mean[c] - means[c]) <= 1e-6 * max(deviation, abs(means[c])), "\(name): mean of channel \(c)")
        #expect(abs(m2[c] - squares[c]) <= 1e-5 * max(1, squares[c]), "\(name): squares of channel \(c)")
      }
      let all = (0..<g.outChannels).flatMap { [mean[$0], m2[$0]] }
      if let first { #expect(all == first, "\(name) depends on the number of threads") } else { first = all }
    }
  }

  /// Direct products of several tasks: dense, strided, many columns, groups, one group for each channel, lines of taps.
  static let direct: [ConvGeometry] = {
    func geometry(
      _ inChannels: Int, _ outChannels: Int, groups: Int = 1, side: Int, kernel: Int, stride: Int = 1, batch: Int = 3
    ) -> ConvGeometry {
      let padding = SpatialExtents(0, kernel / 2, kernel / 2)
      return ConvolutionTests.geometry(
        batch: batch, inChannels, outChannels, groups: groups, input: .init(1, side, side),
        kernel: .init(1, kernel, kernel), stride: .init(1, stride, stride), before: padding, after: padding)
    }
    return [
      geometry(16, 24, side: 31, kernel: 1), geometry(40, 200, side: 17, kernel: 1),
      geometry(600, 70, side: 9, kernel: 1), geometry(32, 48, side: 19, kernel: 3, stride: 2),
      geometry(64, 64, groups: 4, side: 13, kernel: 3), geometry(32, 32, groups: 8, side: 13, kernel: 3),
      geometry(40, 40, groups: 40, side: 25, kernel: 3), geometry(48, 48, groups: 48, side: 22, kernel: 5, stride: 2),
      geometry(3, 9, side: 37, kernel: 5), geometry(8, 5, side: 40, kernel: 7), geometry(12, 17, side: 2, kernel: 1),
    ]
  }()

  @Test(arguments: InstructionSet.available, direct) func directProducts(isa: InstructionSet, g: ConvGeometry) throws {
    guard let parts = Convolution.momentParts(g, isa: isa) else {
      #expect(g.isDepthwise || g.groups > 1 || g.outChannels < 16, "\(isa) \(g)")
      return
    }
    let (x, w) = (Buffer(randomValues(g.inputCount, seed: 1)), Buffer(randomValues(g.weightCount, seed: 2)))
    let packed = Buffer(count: Convolution.forwardWeightsSize(g, isa: isa))
    Convolution.packForward(w.pointer, into: packed.pointer, g, pool: Self.pools[0], isa: isa)
    check("\(isa) \(g)", g, parts: parts) { y, epilogue, pool in
      Convolution.forward(
        x.pointer, weights: packed.pointer, into: y.pointer, g, epilogue: epilogue, pool: pool, isa: isa)
    }
  }

  /// Blocks of tiles that begin and end within lines and images, and rounds that are cut by output channels.
  static let tiled: [(Winograd.Variant, channels: Int, outChannels: Int, height: Int, width: Int)] = [
    (.four, 16, 24, 30, 23), (.four, 8, 16, 8, 90), (.four, 256, 96, 7, 7), (.six, 8, 20, 34, 29),
    (.fourStrided, 16, 24, 37, 30), (.fivePhased, 3, 16, 61, 47), (.four, 16, 16, 3, 5),
  ]

  @Test(arguments: InstructionSet.available, tiled.indices) func winograd(isa: InstructionSet, index: Int) {
    let (variant, channels, outChannels, height, width) = Self.tiled[index]
    let (kernel, stride, padding) =
      switch variant {
      case .four, .six: (3, 1, 1)
      case .fourStrided: (3, 2, 1)
      case .fivePhased: (7, 2, 3)
      }
    let g = ConvolutionTests.geometry(
      batch: 5, channels, outChannels, input: .init(1, height, width), kernel: .init(1, kernel, kernel),
      stride: .init(1, stride, stride), before: .init(0, padding, padding), after: .init(0, padding, padding))
    // What goes past the caches has statistics, too.
    let winograd = Winograd(forward: g, variant, isa: isa, streams: true)
    let (x, w) = (Buffer(randomValues(g.inputCount, seed: 1)), Buffer(randomValues(g.weightCount, seed: 2)))
    let packed = Buffer(count: winograd.weightsSize)
    winograd.pack(w.pointer, into: packed.pointer, pool: Self.pools[0])
    check("\(isa) \(variant) \(g)", g, parts: winograd.momentParts) { y, epilogue, pool in
      let workspace = Buffer(count: winograd.workspaceSize)
      winograd.run(
        x.pointer, weights: packed.pointer, into: y.pointer, epilogue: epilogue, workspace: workspace.pointer,
        pool: pool)
    }
  }
}

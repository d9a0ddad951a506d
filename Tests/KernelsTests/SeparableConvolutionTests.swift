import Kernels
import Testing

/// Convolutions that run together, against the same ones one after another.
struct SeparableConvolutionTests {
  /// A depthwise convolution between two others.
  struct Block: CustomTestStringConvertible {
    var batch = 2
    var inChannels = 8
    var channels = 40
    var outChannels = 24
    var input = (height: 19, width: 23)
    var kernel = 3
    var stride = 1
    var dilation = 1
    /// Of the expansion: taps along a side and stride; nil where there is none.
    var expansion: (kernel: Int, stride: Int)? = (1, 1)
    /// Floats by which positions of x and y are farther apart than their channels.
    var gap = 0

    var testDescription: String {
      "\(batch)x\(inChannels)x\(input) \(channels) \(outChannels) \(kernel)/\(stride) \(dilation) \(gap)"
    }

    private func geometry(
      _ input: SpatialExtents, from inChannels: Int, to outChannels: Int, groups: Int = 1, kernel: Int = 1,
      stride: Int = 1, dilation: Int = 1, inGap: Int = 0, outGap: Int = 0
    ) -> ConvGeometry {
      let padding = kernel / 2 * dilation
      func output(_ extent: Int) -> Int { (extent + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1 }
      return ConvGeometry(
        batch: batch, inChannels: inChannels, outChannels: outChannels, groups: groups, input: input,
        kernel: SpatialExtents(1, kernel, kernel), stride: SpatialExtents(1, stride, stride),
        dilation: SpatialExtents(1, dilation, dilation), paddingBefore: SpatialExtents(0, padding, padding),
        output: SpatialExtents(1, output(input.height), output(input.width)), inPixel: inChannels + inGap,
        outPixel: outChannels + outGap)
    }

    /// The expansion if there is one, the depthwise convolution, the projection.
    var geometries: [ConvGeometry] {
      let input = SpatialExtents(1, input.height, input.width)
      let first = expansion.map {
        geometry(input, from: inChannels, to: channels, kernel: $0.kernel, stride: $0.stride, inGap: gap)
      }
      let depthwise = geometry(
        first?.output ?? input, from: channels, to: channels, groups: channels, kernel: kernel, stride: stride,
        dilation: dilation, inGap: first == nil ? gap : 0)
      let last = geometry(depthwise.output, from: channels, to: outChannels, outGap: gap)
      return (first.map { [$0] } ?? []) + [depthwise, last]
    }
  }

  static let blocks: [Block] = [
    Block(),
    Block(inChannels: 16, channels: 96, outChannels: 24, input: (20, 17), stride: 2),
    Block(channels: 33, outChannels: 70, kernel: 5, expansion: (3, 2), gap: 3),
    Block(inChannels: 3, channels: 32, outChannels: 16, input: (33, 40), expansion: (3, 2)),
    Block(batch: 4, channels: 48, outChannels: 7, input: (9, 11), kernel: 5, stride: 2, expansion: nil, gap: 16),
    Block(batch: 3, channels: 20, input: (14, 3), kernel: 3, dilation: 2),
    Block(batch: 9, channels: 16, input: (1, 5), kernel: 7),
    Block(batch: 17, channels: 64, input: (2, 2), kernel: 3, stride: 2),
    // Lines that fill a slot quickly.
    Block(batch: 1, inChannels: 4, channels: 160, outChannels: 8, input: (25, 70)),
  ]

  @Test(arguments: blocks, [nil, .relu, .relu6, .silu] as [ActivationKernel?])
  func sameBits(_ block: Block, _ activation: ActivationKernel?) throws {
    let geometries = block.geometries
    let (first, last) = (geometries[0], geometries[geometries.count - 1])
    let x = Buffer(randomValues(first.batch * first.input.count * first.inPixel, seed: 1))
    let weights = geometries.indices.map { Buffer(randomValues(geometries[$0].weightCount, seed: UInt64(10 + $0))) }
    let biases = geometries.indices.map { Buffer(randomValues(geometries[$0].outChannels, seed: UInt64(20 + $0))) }
    let outputCount = last.batch * last.output.count * last.outPixel
    let residual = Buffer(randomValues(outputCount, seed: 3))
    for isa in InstructionSet.available {
      let separable = try #require(
        SeparableConvolution(
          expansion: geometries.count == 3 ? first : nil, depthwise: geometries[geometries.count - 2], projection: last,
          isa: isa))
      let pools = ConvolutionTests.pools
      let packed = zip(geometries, weights).map { g, w in
        let packed = Buffer(count: Convolution.forwardWeightsSize(g, isa: isa))
        Convolution.packForward(w.pointer, into: packed.pointer, g, pool: pools[0], isa: isa)
        return packed
      }
      let epilogues = geometries.indices.map { index in
        let isLast = index == geometries.count - 1
        return Convolution.Epilogue(
          bias: index == 1 ? nil : .init(biases[index].pointer), residual: isLast ? .init(residual.pointer) : nil,
          activation: isLast && activation == .relu ? nil : activation)
      }
      var result = x
      for (index, g) in geometries.enumerated() {
        let next = Buffer([Float](repeating: 0, count: g.batch * g.output.count * g.outPixel))
        Convolution.forward(
          result.pointer, weights: packed[index].pointer, into: next.pointer, g, epilogue: epilogues[index],
          pool: pools[0], isa: isa)
        result = next
      }
      let parts = zip(packed, epilogues).map { SeparableConvolution.Part(weights: .init($0.pointer), epilogue: $1) }
      for pool in pools {
        let y = Buffer([Float](repeating: 0, count: outputCount))
        let workspace = Buffer(count: separable.workspaceSize)
        separable.run(
          x.pointer, expansion: parts.count == 3 ? parts[0] : nil, depthwise: parts[parts.count - 2],
          projection: parts[parts.count - 1], into: y.pointer, workspace: workspace.pointer, pool: pool)
        #expect(y.isGuarded && workspace.isGuarded, "\(isa) writes outside its buffers")
        let isSame = y.values.map(\.bitPattern) == result.values.map(\.bitPattern)
        #expect(isSame, "\(isa), \(pool.threadCount) threads")
      }
      // The parts hold their addresses alone.
      withExtendedLifetime((x, packed, biases, residual)) {}
    }
  }

  /// What does not follow one another, has more weights than a cache, or is small.
  @Test func stayAlone() {
    let geometries = Block().geometries
    func isTogether(_ change: (inout [ConvGeometry]) -> Void) -> Bool {
      var changed = geometries
      change(&changed)
      return SeparableConvolution(expansion: changed[0], depthwise: changed[1], projection: changed[2]) != nil
    }
    #expect(isTogether { _ in })
    #expect(!isTogether { $0[1].groups = 20 })
    #expect(!isTogether { $0[2].stride.width = 2 })
    #expect(!isTogether { $0[2].inChannels = 41 })
    #expect(!isTogether { $0[0].groups = 2 })
    #expect(!isTogether { $0[0].outChannels = 20 })
    #expect(!isTogether { $0[2].outChannels = 100_000 })
    let small = Block(batch: 1, input: (7, 7)).geometries
    #expect(SeparableConvolution(expansion: small[0], depthwise: small[1], projection: small[2]) == nil)
  }
}

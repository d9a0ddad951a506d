import Kernels
import Testing

/// Winograd's algorithm on every instruction set, against the definition of convolution.
struct WinogradTests {
  typealias Sample = ConvolutionTests

  /// Relative to the largest result; a sum of many products errs a little more.
  static func tolerance(_ tile: Winograd.Tile, summing count: Int) -> Double {
    (tile == .four ? 1e-5 : 2e-5) * (count > 256 ? 2 : 1)
  }

  static func checkForward(_ g: ConvGeometry, epilogues: Bool = false) {
    let x = randomValues(g.inputCount, seed: 1)
    let w = randomValues(g.weightCount, seed: 2)
    let bias = randomValues(g.outChannels, seed: 3)
    let residual = randomValues(g.outputCount, seed: 4)
    let sums = Reference.forward(x, w, g)
    let (xBuffer, wBuffer, biasBuffer, residualBuffer) = (Buffer(x), Buffer(w), Buffer(bias), Buffer(residual))
    for isa in InstructionSet.available {
      for tile in Winograd.Tile.allCases {
        let winograd = Winograd(forward: g, tile: tile, isa: isa)
        let packed = Buffer(count: winograd.weightsSize)
        winograd.pack(wBuffer.pointer, into: packed.pointer, pool: Sample.pools[1])
        #expect(packed.isGuarded)
        for variant in 0..<(epilogues ? 16 : 1) {
          let activation = Reference.activations[variant / 4]
          let (hasBias, hasResidual) = (variant % 2 == 1, variant / 2 % 2 == 1)
          let exact = Reference.finish(
            sums, bias: hasBias ? bias : nil, residual: hasResidual ? residual : nil, activation,
            channels: g.outChannels)
          let epilogue = Convolution.Epilogue(
            bias: hasBias ? .init(biasBuffer.pointer) : nil,
            residual: hasResidual ? .init(residualBuffer.pointer) : nil, activation: activation)
          let name = "\(isa) \(tile) forward \(activation, default: "-") bias \(hasBias) residual \(hasResidual) \(g)"
          Sample.check(
            name, exact, sums: sums, workspace: winograd.workspaceSize,
            tolerance: tolerance(tile, summing: g.inChannels)
          ) { y, workspace, pool in
            winograd.run(
              xBuffer.pointer, weights: packed.pointer, into: y.pointer, epilogue: epilogue,
              workspace: workspace.pointer, pool: pool)
          }
        }
      }
    }
  }

  static func checkGradients(_ g: ConvGeometry) {
    let x = randomValues(g.inputCount, seed: 1)
    let w = randomValues(g.weightCount, seed: 2)
    let dy = randomValues(g.outputCount, seed: 5)
    let dx = Reference.inputGradient(dy, w, g)
    let dw = Reference.weightGradient(x, dy, g)
    let (xBuffer, wBuffer, dyBuffer) = (Buffer(x), Buffer(w), Buffer(dy))
    for isa in InstructionSet.available {
      let input = Winograd(inputGradient: g, isa: isa)
      let packed = Buffer(count: input.weightsSize)
      input.pack(wBuffer.pointer, into: packed.pointer, pool: Sample.pools[1])
      #expect(packed.isGuarded)
      Sample.check(
        "\(isa) input gradient \(g)", dx, workspace: input.workspaceSize,
        tolerance: tolerance(.four, summing: g.outChannels)
      ) { dx, workspace, pool in
        input.run(
          dyBuffer.pointer, weights: packed.pointer, into: dx.pointer, workspace: workspace.pointer, pool: pool)
      }
      let weight = WinogradWeightGradient(g, isa: isa)
      Sample.check(
        "\(isa) weight gradient \(g)", dw, workspace: weight.workspaceSize,
        tolerance: tolerance(.four, summing: 1)
      ) { dw, workspace, pool in
        weight.run(xBuffer.pointer, dyBuffer.pointer, into: dw.pointer, workspace: workspace.pointer, pool: pool)
      }
    }
  }

  static func geometry(
    batch: Int = 2, _ inChannels: Int, _ outChannels: Int, _ height: Int, _ width: Int,
    before: (Int, Int) = (1, 1), after: (Int, Int) = (1, 1)
  ) -> ConvGeometry {
    Sample.geometry(
      batch: batch, inChannels, outChannels, input: .init(1, height, width), kernel: .init(1, 3, 3),
      before: .init(0, before.0, before.1), after: .init(0, after.0, after.1))
  }

  /// Sizes around those of tiles, smaller than one, and uneven padding up to more than the kernel covers.
  static let planes: [(size: (Int, Int), before: (Int, Int), after: (Int, Int))] = [
    ((1, 1), (1, 1), (1, 1)), ((3, 4), (1, 1), (1, 1)), ((4, 4), (1, 1), (1, 1)), ((5, 7), (1, 1), (1, 1)),
    ((8, 12), (1, 1), (1, 1)), ((13, 6), (1, 1), (1, 1)), ((3, 3), (0, 0), (0, 0)), ((9, 11), (0, 0), (0, 0)),
    ((7, 6), (2, 0), (0, 2)), ((6, 9), (0, 1), (2, 1)), ((5, 5), (2, 2), (2, 2)), ((6, 4), (3, 1), (1, 4)),
  ]

  static let channels = [(1, 1), (3, 17), (5, 3), (16, 33), (33, 16), (64, 5)]

  @Test func forwardEqualsItsDefinition() {
    for (size, before, after) in Self.planes {
      for (c, k) in Self.channels {
        Self.checkForward(Self.geometry(c, k, size.0, size.1, before: before, after: after))
      }
    }
  }

  @Test func gradientsEqualTheirDefinitions() {
    for (size, before, after) in Self.planes {
      for (c, k) in Self.channels {
        Self.checkGradients(Self.geometry(c, k, size.0, size.1, before: before, after: after))
      }
    }
  }

  @Test func epiloguesAddAndActivate() {
    for (c, k) in Self.channels { Self.checkForward(Self.geometry(c, k, 9, 10), epilogues: true) }
  }

  /// Many tiles, many channels, and more of both than one round holds: every way of cutting.
  @Test(arguments: [(16, 16, 40, 8), (64, 64, 28, 2), (150, 300, 6, 2), (8, 600, 9, 1), (520, 36, 28, 3)])
  func largeConvolutionsAreCutCorrectly(c: Int, k: Int, size: Int, batch: Int) {
    let g = Self.geometry(batch: batch, c, k, size, size)
    Self.checkForward(g)
    Self.checkGradients(g)
  }

  @Test func onlySomeConvolutionsAreSupported() {
    let g = Self.geometry(8, 8, 9, 9)
    #expect(Winograd.supports(g))
    var other = g
    other.stride = .init(1, 2, 2)
    #expect(!Winograd.supports(other))
    other = g
    other.dilation = .init(1, 1, 2)
    #expect(!Winograd.supports(other))
    other = g
    other.groups = 2
    #expect(!Winograd.supports(other))
    other = g
    other.kernel = .init(1, 1, 3)
    #expect(!Winograd.supports(other))
  }

  /// The choices that the measured figures call for.
  @Test func chosenWhereItIsFaster() {
    func choice(_ c: Int, _ k: Int, _ size: Int, batch: Int, _ rules: ConvAlgorithm.Rules) -> ConvAlgorithm {
      .forward(Self.geometry(batch: batch, c, k, size, size), rules)
    }
    #expect(choice(64, 64, 56, batch: 1, .inference) == .winograd(.six))
    #expect(choice(64, 64, 56, batch: 1, .training) == .winograd(.four))
    #expect(choice(256, 256, 56, batch: 1, .inference) == .winograd(.four))
    #expect(choice(64, 64, 56, batch: 1, .directOnly) == .direct)
    #expect(choice(512, 512, 7, batch: 1, .training) == .direct)
    #expect(choice(512, 512, 7, batch: 16, .training) == .winograd(.four))
    #expect(choice(3, 64, 224, batch: 1, .inference) == .direct)
    #expect(choice(64, 64, 1, batch: 64, .inference) == .direct)
    let g = Self.geometry(batch: 128, 16, 16, 32, 32)
    #expect(ConvAlgorithm.inputGradient(g, .training) == .winograd(.four))
    #expect(ConvAlgorithm.weightGradient(g, .training) == .winograd(.four))
    #expect(ConvAlgorithm.weightGradient(g, .directOnly) == .direct)
  }
}

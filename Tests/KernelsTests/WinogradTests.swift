import Kernels
import Testing

/// Winograd's algorithm on every instruction set, against the definition of convolution.
struct WinogradTests {
  typealias Sample = ConvolutionTests

  /// Relative to the largest result; a sum of many products errs a little more, and so does the worst of many results,
  /// as those of volumes are.
  static func tolerance(_ variant: Winograd.Variant, summing channels: Int, _ g: ConvGeometry) -> Double {
    let count = channels * g.kernel.depth
    let tolerance =
      switch variant {
      case .four: 1e-5
      case .six, .fivePhased: 2e-5
      case .fourStrided: 5e-6
      }
    return tolerance * (count > 256 ? 2 : 1) * (g.input.depth > 1 ? 1.5 : 1)
  }

  static func checkForward(_ g: ConvGeometry, epilogues: Bool = false, streams: Bool = false) {
    let x = randomValues(g.inputCount, seed: 1)
    let w = randomValues(g.weightCount, seed: 2)
    let bias = randomValues(g.outChannels, seed: 3)
    let residual = randomValues(g.outputCount, seed: 4)
    let mask = maskValues(g.outputCount)
    let sums = Reference.forward(x, w, g)
    let (xBuffer, wBuffer, biasBuffer, residualBuffer) = (Buffer(x), Buffer(w), Buffer(bias), Buffer(residual))
    let maskBuffer = Buffer(mask)
    for isa in InstructionSet.available {
      for variant in Winograd.Variant.allCases where variant.applies(to: g) {
        let winograd = Winograd(forward: g, variant, isa: isa, streams: streams)
        let packed = Buffer(count: winograd.weightsSize)
        winograd.pack(wBuffer.pointer, into: packed.pointer, pool: Sample.pools[1])
        #expect(packed.isGuarded)
        for index in 0..<(epilogues ? 24 : 1) {
          let (activation, isGradient) = Reference.endings[index / 4]
          let (hasBias, hasResidual) = (index % 2 == 1, index / 2 % 2 == 1)
          let exact = Reference.finish(
            sums, bias: hasBias ? bias : nil, residual: hasResidual ? residual : nil, activation,
            mask: isGradient ? mask : nil, channels: g.outChannels)
          let epilogue = Convolution.Epilogue(
            bias: hasBias ? .init(biasBuffer.pointer) : nil,
            residual: hasResidual ? .init(residualBuffer.pointer) : nil, activation: activation,
            mask: isGradient ? .init(maskBuffer.pointer) : nil)
          let name =
            """
            \(isa) \(variant) forward \(activation, default: "-") gradient \(isGradient) bias \(hasBias) \
            residual \(hasResidual) \(g)
            """
          Sample.check(
            name, exact, sums: sums, workspace: winograd.workspaceSize,
            tolerance: tolerance(
              variant, summing: (variant == .fivePhased ? 4 : 1) * g.inChannels, g)
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
    let db = (0..<g.outChannels).map { k in
      stride(from: k, to: dy.count, by: g.outChannels).reduce(0.0) { $0 + Double(dy[$1]) }
    }
    let (xBuffer, wBuffer, dyBuffer) = (Buffer(x), Buffer(w), Buffer(dy))
    for isa in InstructionSet.available where Winograd.Variant.four.applies(toGradientOf: g) {
      let input = Winograd(inputGradient: g, isa: isa)
      let packed = Buffer(count: input.weightsSize)
      input.pack(wBuffer.pointer, into: packed.pointer, pool: Sample.pools[1])
      #expect(packed.isGuarded)
      Sample.check(
        "\(isa) input gradient \(g)", dx, workspace: input.workspaceSize,
        tolerance: tolerance(.four, summing: g.outChannels, g)
      ) { dx, workspace, pool in
        input.run(
          dyBuffer.pointer, weights: packed.pointer, into: dx.pointer, workspace: workspace.pointer, pool: pool)
      }
    }
    for isa in InstructionSet.available where Winograd.Variant.four.applies(to: g) {
      let weight = WinogradWeightGradient(g, isa: isa)
      Sample.check(
        "\(isa) weight gradient \(g)", dw, workspace: weight.workspaceSize,
        tolerance: tolerance(.four, summing: 1, g)
      ) { dw, workspace, pool in
        weight.run(xBuffer.pointer, dyBuffer.pointer, into: dw.pointer, workspace: workspace.pointer, pool: pool)
      }
      Sample.check("\(isa) bias gradient \(g)", db, workspace: weight.workspaceSize) { db, workspace, pool in
        let dw = Buffer(count: g.weightCount)
        weight.run(
          xBuffer.pointer, dyBuffer.pointer, into: dw.pointer, db.pointer, workspace: workspace.pointer, pool: pool)
        #expect(dw.isGuarded)
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

  /// Slices of volumes as images: kernels of one slice and of several, with slices that do not exist on either side.
  @Test(arguments: [
    (1, 4, 0, 0), (2, 5, 1, 0), (3, 1, 1, 1), (3, 4, 1, 1), (3, 5, 2, 3), (3, 6, 0, 0), (5, 3, 2, 2),
  ])
  func volumes(taps: Int, depth: Int, before: Int, after: Int) {
    for (c, k) in [(16, 16), (32, 48), (5, 16), (16, 3), (112, 20)] {
      for (height, width) in [(5, 7), (12, 9)] {
        let g = Sample.geometry(
          c, k, input: .init(depth, height, width), kernel: .init(taps, 3, 3), before: .init(before, 1, 1),
          after: .init(after, 1, 0))
        Self.checkForward(g, epilogues: (c, height) == (32, 5) && taps == 3)
        Self.checkGradients(g)
      }
    }
    if taps == 1 || depth > 4 { return }
    // Weights packed halfway, and rounds.
    let wide = Sample.geometry(
      128, 160, input: .init(depth, 9, 9), kernel: .init(taps, 3, 3), before: .init(before, 1, 1),
      after: .init(after, 1, 1))
    Self.checkForward(wide)
    Self.checkGradients(wide)
  }

  /// The gradient of what was joined, in tensors of its own: the same bits as in one.
  @Test(arguments: InstructionSet.available, [(3, [64, 32, 5]), (40, [32, 96]), (700, [512, 512])])
  func partsAreThoseOfTheWhole(isa: InstructionSet, channels: (Int, [Int])) {
    let (count, widths) = (channels.1.reduce(0, +), channels.1)
    let g = Self.geometry(count, channels.0, count > 500 ? 5 : 30, 13)
    let winograd = Winograd(inputGradient: g, isa: isa)
    let starts = widths.dropLast().reduce(into: [0]) { $0.append($0.last! + $1) }
    #expect(winograd.writesParts(from: starts) && !winograd.writesParts(from: [0, 3]))
    let (w, dy) = (Buffer(randomValues(g.weightCount, seed: 2)), Buffer(randomValues(g.outputCount, seed: 5)))
    let (packed, workspace) = (Buffer(count: winograd.weightsSize), Buffer(count: winograd.workspaceSize))
    winograd.pack(w.pointer, into: packed.pointer, pool: Sample.pools[1])
    let whole = Buffer(count: g.inputCount)
    winograd.run(
      dy.pointer, weights: packed.pointer, into: whole.pointer, workspace: workspace.pointer, pool: Sample.pools[1])
    let dx = whole.values
    for pool in Sample.pools {
      let parts = widths.map { Buffer(count: g.inputCount / count * $0) }
      winograd.run(
        dy.pointer, weights: packed.pointer, into: zip(parts, widths).map { ($0.pointer, $1) },
        workspace: workspace.pointer, pool: pool)
      for (start, (part, width)) in zip(starts, zip(parts, widths)) {
        let expected = part.values.indices.map { dx[$0 / width * count + start + $0 % width] }
        #expect(part.values == expected && part.isGuarded)
      }
    }
    #expect(workspace.isGuarded)
  }

  @Test func epiloguesAddAndActivate() {
    for (c, k) in Self.channels { Self.checkForward(Self.geometry(c, k, 9, 10), epilogues: true) }
  }

  /// Past the caches where rows are aligned, edges and parts of vectors besides.
  @Test func outputsAreStreamed() {
    for (c, k) in [(5, 32), (16, 48), (7, 20), (3, 17)] {
      Self.checkForward(Self.geometry(c, k, 13, 20), epilogues: c == 5, streams: true)
      Self.checkForward(
        Self.stridedGeometry(c, k, 19, 24, kernel: (7, 7), before: (3, 3), after: (3, 3)), streams: true)
    }
  }

  /// Many tiles, many channels, and more of both than one round holds: every way of cutting.
  @Test(arguments: [(16, 16, 40, 8), (64, 64, 28, 2), (150, 300, 6, 2), (8, 600, 9, 1), (520, 36, 28, 3)])
  func largeConvolutionsAreCutCorrectly(c: Int, k: Int, size: Int, batch: Int) {
    let g = Self.geometry(batch: batch, c, k, size, size)
    Self.checkForward(g)
    Self.checkGradients(g)
  }

  /// Weights that are packed halfway give the same bits as those that were transformed before.
  @Test(arguments: InstructionSet.available, [(70, 100), (129, 37), (16, 300), (5, 7)])
  func halfwayWeights(isa: InstructionSet, channels: (Int, Int)) {
    for (batch, side) in [(1, 7), (2, 9), (3, 17)] {
      let g = Self.geometry(batch: batch, channels.0, channels.1, side, side + 1)
      let w = Buffer(randomValues(g.weightCount, seed: 2))
      func check(_ make: (Bool) -> Winograd, from xCount: Int, to yCount: Int) {
        let x = Buffer(randomValues(xCount, seed: 1))
        let results = [false, true].map { packsHalfway in
          Sample.pools.map { pool in
            let winograd = make(packsHalfway)
            let (packed, workspace) = (Buffer(count: winograd.weightsSize), Buffer(count: winograd.workspaceSize))
            let y = Buffer(count: yCount)
            winograd.pack(w.pointer, into: packed.pointer, pool: pool)
            winograd.run(x.pointer, weights: packed.pointer, into: y.pointer, workspace: workspace.pointer, pool: pool)
            #expect(packed.isGuarded && workspace.isGuarded && y.isGuarded)
            return y.values
          }
        }
        #expect(results[0][0].allSatisfy { $0.isFinite })
        for result in results.joined() { #expect(result == results[0][0], "\(isa) \(g)") }
      }
      check({ Winograd(forward: g, .four, isa: isa, packsHalfway: $0) }, from: g.inputCount, to: g.outputCount)
      check({ Winograd(inputGradient: g, isa: isa, packsHalfway: $0) }, from: g.outputCount, to: g.inputCount)
    }
  }

  // MARK: Stride 2

  /// Of stride 2; the output is as large as the padding allows, less `short`.
  static func stridedGeometry(
    batch: Int = 2, _ inChannels: Int, _ outChannels: Int, _ height: Int, _ width: Int, kernel: (Int, Int),
    before: (Int, Int), after: (Int, Int), short: Int = 0
  ) -> ConvGeometry {
    func extent(_ size: Int, _ kernel: Int, _ padding: Int) -> Int { (size + padding - kernel) / 2 + 1 - short }
    return ConvGeometry(
      batch: batch, inChannels: inChannels, outChannels: outChannels, input: .init(1, height, width),
      kernel: .init(1, kernel.0, kernel.1), stride: .init(1, 2, 2), paddingBefore: .init(0, before.0, before.1),
      output: .init(
        1, extent(height, kernel.0, before.0 + after.0), extent(width, kernel.1, before.1 + after.1)))
  }

  /// Around one and two tiles, odd and even sizes and paddings, and outputs that stop short of the input's end.
  @Test func stridedForwardEqualsItsDefinition() {
    for (height, width) in [(7, 8), (16, 15), (17, 23), (24, 9)] {
      for (c, k) in [(1, 1), (3, 17), (5, 33), (16, 16), (33, 5)] {
        for padding in 0...3 {
          for kernel in [(7, 7), padding % 2 == 0 ? (8, 8) : (7, 8)] {
            Self.checkForward(
              Self.stridedGeometry(
                batch: c == 3 ? 2 : 1, c, k, height, width, kernel: kernel, before: (padding, 3 - padding),
                after: (3, padding)))
          }
          Self.checkForward(
            Self.stridedGeometry(c, k, height, width, kernel: (3, 3), before: (padding, 1), after: (1, padding)))
        }
        Self.checkForward(
          Self.stridedGeometry(c, k, height, width, kernel: (7, 7), before: (2, 3), after: (3, 3), short: 1))
        Self.checkForward(
          Self.stridedGeometry(c, k, height, width, kernel: (3, 3), before: (0, 1), after: (0, 0), short: 1))
      }
    }
  }

  @Test func stridedEpiloguesAddAndActivate() {
    Self.checkForward(
      Self.stridedGeometry(3, 20, 19, 22, kernel: (7, 7), before: (3, 3), after: (3, 3)), epilogues: true)
    Self.checkForward(
      Self.stridedGeometry(17, 20, 19, 22, kernel: (3, 3), before: (1, 1), after: (1, 1)), epilogues: true)
  }

  @Test(arguments: [(3, 64, 64, 7), (64, 32, 56, 3), (300, 40, 12, 3), (130, 70, 12, 7)])
  func largeStridedConvolutionsAreCutCorrectly(c: Int, k: Int, size: Int, kernel: Int) {
    let padding = (kernel / 2, kernel / 2)
    Self.checkForward(Self.stridedGeometry(c, k, size, size, kernel: (kernel, kernel), before: padding, after: padding))
  }

  @Test func onlySomeConvolutionsAreSupported() {
    func variants(_ g: ConvGeometry) -> [Winograd.Variant] { Winograd.Variant.allCases.filter { $0.applies(to: g) } }
    let g = Self.geometry(8, 8, 9, 9)
    #expect(variants(g) == [.four, .six])
    var other = g
    other.stride = .init(1, 2, 2)
    #expect(variants(other) == [.fourStrided])
    other.kernel = .init(1, 7, 8)
    #expect(variants(other) == [.fivePhased])
    other.kernel = .init(1, 5, 5)
    #expect(variants(other).isEmpty)
    other = g
    other.stride = .init(1, 2, 1)
    #expect(variants(other).isEmpty)
    other = g
    other.dilation = .init(1, 1, 2)
    #expect(variants(other).isEmpty)
    other = g
    other.groups = 2
    #expect(variants(other).isEmpty)
    other = g
    other.kernel = .init(1, 1, 3)
    #expect(variants(other).isEmpty)
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
    #expect(choice(256, 256, 15, batch: 2, .training) == .winograd(.four))
    #expect(choice(3, 64, 224, batch: 1, .inference) == .direct)
    #expect(choice(64, 64, 1, batch: 64, .inference) == .direct)
    func strided(
      _ c: Int, _ k: Int, _ size: Int, _ kernel: Int, batch: Int, _ rules: ConvAlgorithm.Rules = .inference
    ) -> ConvAlgorithm {
      let padding = (kernel / 2, kernel / 2)
      return .forward(
        Self.stridedGeometry(batch: batch, c, k, size, size, kernel: (kernel, kernel), before: padding, after: padding),
        rules)
    }
    #expect(strided(3, 64, 224, 7, batch: 1) == .winograd(.fivePhased))
    #expect(strided(3, 64, 224, 7, batch: 8, .training) == .winograd(.fivePhased))
    #expect(strided(3, 64, 224, 7, batch: 8, .directOnly) == .direct)
    #expect(strided(16, 64, 56, 7, batch: 8, .training) == .direct)
    #expect(strided(64, 64, 56, 7, batch: 8) == .direct)
    #expect(strided(64, 128, 56, 3, batch: 8) == .winograd(.fourStrided))
    #expect(strided(64, 64, 58, 3, batch: 2, .training) == .winograd(.fourStrided))
    #expect(strided(3, 32, 224, 3, batch: 8) == .direct)
    #expect(strided(256, 512, 14, 3, batch: 1) == .direct)
    let g = Self.geometry(batch: 128, 16, 16, 32, 32)
    #expect(ConvAlgorithm.inputGradient(g, .training) == .winograd(.four))
    #expect(ConvAlgorithm.weightGradient(g, .training) == .winograd(.four))
    #expect(ConvAlgorithm.weightGradient(g, .directOnly) == .direct)
  }
}

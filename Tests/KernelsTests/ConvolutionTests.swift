import Kernels
import Testing

/// Every convolution kernel, on every instruction set that this processor has, against its definition.
struct ConvolutionTests {
  static let tolerance = 3e-6
  static let pools = [1, 2, 3].map { ThreadPool(threadCount: $0) }

  /// Runs a kernel that fills `count` floats, on all pools, and checks whole results: near the exact ones, equal bits
  /// for any number of threads, nothing written outside. Errors are relative to `sums`, the results that an activation
  /// may have clipped.
  static func check(
    _ name: String, _ exact: [Double], sums: [Double]? = nil, workspace: Int = 0,
    tolerance: Double = tolerance, _ run: (Buffer, Buffer, ThreadPool) -> Void
  ) {
    let scale = scale(sums ?? exact)
    var first: [UInt32]?
    for pool in pools {
      let result = Buffer(count: exact.count)
      let scratch = Buffer(count: workspace)
      run(result, scratch, pool)
      #expect(result.isGuarded && scratch.isGuarded, "\(name) writes outside its buffers")
      let difference = error(result.values, exact, scale: scale)
      #expect(difference < tolerance, "\(name)")
      let bits = result.values.map(\.bitPattern)
      if let first { #expect(bits == first, "\(name) depends on the number of threads") } else { first = bits }
    }
  }

  static func checkForward(_ g: ConvGeometry, epilogues: Bool = false) {
    let x = randomValues(g.inputCount, seed: 1)
    let w = randomValues(g.weightCount, seed: 2)
    let bias = randomValues(g.outChannels, seed: 3)
    let residual = randomValues(g.outputCount, seed: 4)
    let mask = maskValues(g.outputCount)
    let sums = Reference.forward(x, w, g)
    let (xBuffer, wBuffer, biasBuffer, residualBuffer) = (Buffer(x), Buffer(w), Buffer(bias), Buffer(residual))
    let maskBuffer = Buffer(mask)
    for isa in InstructionSet.available {
      for variant in 0..<(epilogues ? 24 : 1) {
        let (activation, isGradient) = Reference.endings[variant / 4]
        let (hasBias, hasResidual) = (variant % 2 == 1, variant / 2 % 2 == 1)
        let exact = Reference.finish(
          sums, bias: hasBias ? bias : nil, residual: hasResidual ? residual : nil, activation,
          mask: isGradient ? mask : nil, channels: g.outChannels)
        let size = Convolution.forwardWeightsSize(g, isa: isa)
        let name =
          "\(isa) forward \(activation, default: "-") gradient \(isGradient) bias \(hasBias) residual \(hasResidual) \(g)"
        check(name, exact, sums: sums, workspace: size) { y, packed, pool in
          Convolution.packForward(wBuffer.pointer, into: packed.pointer, g, pool: pool, isa: isa)
          let epilogue = Convolution.Epilogue(
            bias: hasBias ? .init(biasBuffer.pointer) : nil,
            residual: hasResidual ? .init(residualBuffer.pointer) : nil,
            activation: activation, mask: isGradient ? .init(maskBuffer.pointer) : nil)
          Convolution.forward(
            xBuffer.pointer, weights: packed.pointer, into: y.pointer, g, epilogue: epilogue, pool: pool, isa: isa)
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
    let other = randomValues(g.inputCount, seed: 6)
    let mask = maskValues(g.inputCount)
    let sum = Reference.finish(dx, residual: other, .relu6, mask: mask, channels: g.inChannels)
    let (xBuffer, wBuffer, dyBuffer, otherBuffer) = (Buffer(x), Buffer(w), Buffer(dy), Buffer(other))
    let maskBuffer = Buffer(mask)
    for isa in InstructionSet.available {
      let size = Convolution.inputGradientWeightsSize(g, isa: isa)
      check("\(isa) input gradient \(g)", dx, workspace: size) { dx, packed, pool in
        Convolution.packInputGradient(wBuffer.pointer, into: packed.pointer, g, pool: pool, isa: isa)
        Convolution.inputGradient(dyBuffer.pointer, weights: packed.pointer, into: dx.pointer, g, pool: pool, isa: isa)
      }
      check("\(isa) input gradient, residual, mask \(g)", sum, sums: dx, workspace: size) { dx, packed, pool in
        Convolution.packInputGradient(wBuffer.pointer, into: packed.pointer, g, pool: pool, isa: isa)
        Convolution.inputGradient(
          dyBuffer.pointer, weights: packed.pointer, into: dx.pointer, g,
          epilogue: .init(
            residual: .init(otherBuffer.pointer), activation: .relu6, mask: .init(maskBuffer.pointer)),
          pool: pool, isa: isa)
      }
      let weightSize = Convolution.weightGradientWorkspaceSize(g, slots: 2, isa: isa)
      check("\(isa) weight gradient \(g)", dw, workspace: weightSize) { dw, workspace, pool in
        Convolution.weightGradient(
          xBuffer.pointer, dyBuffer.pointer, into: dw.pointer, g, slots: 2, workspace: workspace.pointer, pool: pool,
          isa: isa)
      }
    }
  }

  /// A geometry from the padding on both sides, as layers have it.
  static func geometry(
    batch: Int = 2, _ inChannels: Int, _ outChannels: Int, groups: Int = 1, input: SpatialExtents,
    kernel: SpatialExtents,
    stride: SpatialExtents = .one, dilation: SpatialExtents = .one, before: SpatialExtents = .zero,
    after: SpatialExtents = .zero
  ) -> ConvGeometry {
    func extent(_ input: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ padding: Int) -> Int {
      (input + padding - (kernel - 1) * dilation - 1) / stride + 1
    }
    let output = SpatialExtents(
      extent(input.depth, kernel.depth, stride.depth, dilation.depth, before.depth + after.depth),
      extent(input.height, kernel.height, stride.height, dilation.height, before.height + after.height),
      extent(input.width, kernel.width, stride.width, dilation.width, before.width + after.width))
    return ConvGeometry(
      batch: batch, inChannels: inChannels, outChannels: outChannels, groups: groups, input: input, kernel: kernel,
      stride: stride, dilation: dilation, paddingBefore: before, output: output)
  }

  /// Spatial cases of every rank: kernels, strides (with phases that no tap meets), dilations, uneven padding, padding
  /// as large as the image, inputs that the last patch does not reach.
  static let spatial:
    [(
      input: SpatialExtents, kernel: SpatialExtents, stride: SpatialExtents, dilation: SpatialExtents,
      before: SpatialExtents, after: SpatialExtents
    )] = [
      (.init(1, 1, 23), .init(1, 1, 5), .one, .one, .init(0, 0, 2), .init(0, 0, 2)),
      (.init(1, 1, 30), .init(1, 1, 4), .init(1, 1, 3), .init(1, 1, 2), .init(0, 0, 4), .init(0, 0, 1)),
      (.init(1, 1, 9), .init(1, 1, 9), .one, .one, .zero, .zero),
      (.init(1, 9, 8), .init(1, 1, 1), .one, .one, .zero, .zero),
      (.init(1, 9, 8), .init(1, 1, 1), .init(1, 2, 2), .one, .zero, .zero),
      (.init(1, 9, 8), .init(1, 3, 3), .one, .one, .init(0, 1, 1), .init(0, 1, 1)),
      (.init(1, 10, 9), .init(1, 3, 3), .init(1, 2, 2), .one, .init(0, 1, 1), .init(0, 1, 1)),
      (.init(1, 11, 12), .init(1, 3, 2), .init(1, 1, 2), .init(1, 2, 3), .init(0, 0, 2), .init(0, 3, 1)),
      (.init(1, 13, 12), .init(1, 7, 7), .init(1, 2, 2), .one, .init(0, 3, 3), .init(0, 3, 3)),
      (.init(1, 12, 12), .init(1, 4, 4), .init(1, 4, 4), .one, .zero, .zero),
      (.init(1, 5, 4), .init(1, 2, 3), .init(1, 3, 4), .one, .init(0, 4, 5), .init(0, 5, 4)),
      (.init(1, 8, 9), .init(1, 3, 3), .init(1, 2, 3), .init(1, 4, 2), .init(0, 3, 2), .init(0, 3, 3)),
      (.init(4, 5, 6), .init(3, 3, 3), .one, .one, .init(1, 1, 1), .init(1, 1, 1)),
      (.init(5, 6, 7), .init(2, 3, 1), .init(2, 1, 3), .init(2, 1, 1), .init(1, 0, 0), .init(1, 2, 0)),
    ]

  /// (in, out, groups): tails of every vector width, first layers, groups, depthwise.
  static let channels = [
    (1, 1, 1), (1, 6, 1), (3, 17, 1), (5, 3, 1), (16, 33, 1), (17, 1, 1), (33, 16, 1), (64, 5, 1), (6, 64, 1),
    (6, 9, 3),
    (34, 32, 2), (4, 4, 4), (17, 17, 17), (64, 64, 64), (8, 16, 8), (24, 30, 6),
  ]

  static func grid(_ body: (ConvGeometry) -> Void) {
    for s in spatial {
      for (inChannels, outChannels, groups) in channels {
        body(
          geometry(
            inChannels, outChannels, groups: groups, input: s.input, kernel: s.kernel, stride: s.stride,
            dilation: s.dilation, before: s.before, after: s.after))
      }
    }
  }

  @Test func forwardEqualsItsDefinition() { Self.grid { Self.checkForward($0) } }

  @Test func gradientsEqualTheirDefinitions() { Self.grid { Self.checkGradients($0) } }

  @Test func epiloguesAddAndActivate() {
    for (inChannels, outChannels, groups) in Self.channels {
      let g = Self.geometry(
        inChannels, outChannels, groups: groups, input: .init(1, 6, 7), kernel: .init(1, 3, 3), before: .init(0, 1, 1),
        after: .init(0, 1, 1))
      Self.checkForward(g, epilogues: true)
    }
  }

  /// Deep enough for several blocks of patch columns and panels of columns, and many enough rows for chunks.
  @Test func largeConvolutionsAreCutCorrectly() {
    for (c, k, size, batch) in [(150, 600, 5, 2), (64, 64, 28, 2), (3, 70, 40, 2), (260, 33, 6, 1)] {
      let g = Self.geometry(
        batch: batch, c, k, input: .init(1, size, size), kernel: .init(1, 3, 3), before: .init(0, 1, 1),
        after: .init(0, 1, 1))
      Self.checkForward(g)
      Self.checkGradients(g)
    }
    let depthwise = Self.geometry(
      batch: 2, 96, 96, groups: 96, input: .init(1, 56, 56), kernel: .init(1, 3, 3), before: .init(0, 1, 1),
      after: .init(0, 1, 1))
    Self.checkForward(depthwise)
    Self.checkGradients(depthwise)
    let narrow = Self.geometry(
      batch: 2, 72, 24, groups: 12, input: .init(1, 28, 28), kernel: .init(1, 3, 3), before: .init(0, 1, 1),
      after: .init(0, 1, 1))
    Self.checkForward(narrow)
    Self.checkGradients(narrow)
  }

  /// Kernel lines as columns, and neighbours as channels: LeNet's layers, lines too long for one buffer, several
  /// panels.
  @Test func fewChannelsFillVectors() {
    let cases: [(Int, Int, SpatialExtents, SpatialExtents, SpatialExtents)] = [
      (1, 6, .init(1, 32, 32), .init(1, 5, 5), .zero), (6, 16, .init(1, 14, 14), .init(1, 5, 5), .zero),
      (3, 6, .init(1, 16, 16), .init(1, 3, 3), .init(0, 1, 1)),
      (2, 1, .init(1, 6, 8), .init(1, 3, 3), .init(0, 1, 1)),
      (3, 5, .init(1, 1, 2000), .init(1, 1, 5), .init(0, 0, 2)), (20, 7, .init(1, 2, 700), .init(1, 1, 3), .zero),
      (70, 32, .init(1, 9, 20), .init(1, 3, 3), .init(0, 1, 1)),
      (40, 24, .init(3, 9, 17), .init(2, 3, 7), .init(1, 1, 3)),
      (1, 1, .init(1, 6, 90), .init(1, 3, 3), .init(0, 1, 1)), (1, 1, .init(2, 5, 150), .init(2, 3, 9), .init(1, 1, 4)),
    ]
    for (inChannels, outChannels, input, kernel, padding) in cases {
      let g = Self.geometry(
        batch: 3, inChannels, outChannels, input: input, kernel: kernel, before: padding, after: padding)
      Self.checkForward(g, epilogues: outChannels <= 6 && input.count < 2000)
      Self.checkGradients(g)
    }
    let dilated = Self.geometry(
      batch: 3, 8, 5, input: .init(1, 12, 30), kernel: .init(1, 3, 3), stride: .init(1, 2, 1), dilation: .init(1, 2, 3),
      before: .init(0, 2, 3), after: .init(0, 2, 3))
    Self.checkForward(dilated)
    Self.checkGradients(dilated)
  }

  /// Taps that stay in registers: common kernels and strides, lines shorter and longer than a block of positions.
  @Test func depthwiseConvolutionsOfCommonKernels() {
    for (taps, stride) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1), (7, 2)] {
      for (channels, width) in [(7, 9), (33, 3), (70, 22)] {
        let padding = SpatialExtents(1, taps / 2, taps / 2)
        let g = Self.geometry(
          channels, channels, groups: channels, input: .init(2, 8, width), kernel: .init(2, taps, taps),
          stride: .init(1, stride, stride), dilation: .init(1, stride, 1), before: padding, after: padding)
        Self.checkForward(g, epilogues: width == 22 && taps == 5)
        Self.checkGradients(g)
      }
    }
  }

  /// Groups of 2, 4 and 8 channels, several to a vector, with lines of every length and tails of channels.
  @Test func narrowGroupsShareVectors() {
    for (channels, group) in [(6, 2), (36, 2), (12, 4), (52, 4), (128, 4), (24, 8), (152, 8)] {
      for (width, stride, dilation) in [(5, 1, 1), (15, 1, 1), (13, 2, 1), (11, 1, 2)] {
        let g = Self.geometry(
          channels, channels, groups: channels / group, input: .init(1, 6, width), kernel: .init(1, 3, 3),
          stride: .init(1, stride, stride), dilation: .init(1, dilation, dilation), before: .init(0, 1, 1),
          after: .init(0, 1, 1))
        Self.checkForward(g, epilogues: channels == 52 && width == 15)
        Self.checkGradients(g)
      }
    }
    let deep = Self.geometry(20, 20, groups: 5, input: .init(4, 5, 12), kernel: .init(2, 3, 5), before: .init(1, 1, 2))
    Self.checkForward(deep)
    Self.checkGradients(deep)
  }

  @Test func linearLayersAreConvolutions() {
    for (rows, inputs, outputs) in [
      (1, 400, 120), (1, 2000, 1000), (64, 400, 120), (7, 84, 10), (3, 1, 1), (129, 65, 66),
    ] {
      let g = ConvGeometry.linear(rows: rows, inputs: inputs, outputs: outputs)
      Self.checkForward(g, epilogues: true)
      Self.checkGradients(g)
    }
  }

  /// Tiles that read their rows where they lie: each number of rows that may be left over, rows at multiples of 4 kB,
  /// sums as long as they may be and longer, several panels whose weights one task fetches for the next.
  @Test func tilesOfEveryHeight() {
    for rows in 1...45 { Self.checkForward(.linear(rows: rows, inputs: 20, outputs: 70)) }
    for rows in [9, 11, 12, 19, 49] { Self.checkForward(.linear(rows: rows, inputs: 1024, outputs: 40)) }
    for inputs in [1152, 2048, 2049, 3072, 4096, 4100] {
      Self.checkForward(.linear(rows: 49, inputs: inputs, outputs: 97))
    }
  }

  @Test func matrixProductsInAllFourOrders() {
    for (m, n, k) in [(1, 1, 1), (5, 7, 3), (33, 17, 40), (64, 100, 800), (130, 1, 9), (1, 513, 64)] {
      let a = randomValues(m * k, seed: 6)
      let b = randomValues(k * n, seed: 7)
      let (aBuffer, bBuffer) = (Buffer(a), Buffer(b))
      for (transposeA, transposeB) in [(false, false), (false, true), (true, false), (true, true)] {
        var exact = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
          for j in 0..<n {
            for p in 0..<k {
              exact[i * n + j] +=
                Double(a[transposeA ? p * m + i : i * k + p]) * Double(b[transposeB ? j * k + p : p * n + j])
            }
          }
        }
        for isa in InstructionSet.available {
          let size = Convolution.matmulWorkspaceSize(
            m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB, isa: isa)
          Self.check("\(isa) matmul \(m)x\(n)x\(k) \(transposeA) \(transposeB)", exact, workspace: size) {
            c, space, pool in
            Convolution.matmul(
              aBuffer.pointer, bBuffer.pointer, into: c.pointer, m: m, n: n, k: k, transposeA: transposeA,
              transposeB: transposeB, workspace: space.pointer, pool: pool, isa: isa)
          }
        }
      }
    }
  }

  @Test func activationsKeepNaN() {
    let g = ConvGeometry.linear(rows: 1, inputs: 1, outputs: 20)
    let x = Buffer([Float.nan])
    let w = Buffer([Float](repeating: 1, count: 20))
    for isa in InstructionSet.available {
      for (activation, isGradient) in Reference.endings where !isGradient {
        let packed = Buffer(count: Convolution.forwardWeightsSize(g, isa: isa))
        let y = Buffer([Float](repeating: 0, count: 20))
        Convolution.packForward(w.pointer, into: packed.pointer, g, pool: Self.pools[0], isa: isa)
        Convolution.forward(
          x.pointer, weights: packed.pointer, into: y.pointer, g, epilogue: .init(activation: activation),
          pool: Self.pools[0], isa: isa)
        #expect(y.values.allSatisfy { $0.isNaN }, "\(isa) \(String(describing: activation))")
      }
    }
  }
}

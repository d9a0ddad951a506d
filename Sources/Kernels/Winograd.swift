import CKernels

/// A convolution of one group, or the input gradient of one of 3x3 taps and stride 1, by Winograd's algorithm (Lavin and
/// Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). Of volumes, slices along the depth are its images,
/// and what an output slice meets through the taps along the depth is summed before the transform back.
///
/// Buffers are those of ``Convolution``; results do not depend on the number of threads.
package struct Winograd: Hashable, Sendable {
  /// What is computed tile by tile. Products are those for each output and pair of channels; errors are relative to the
  /// largest output.
  package enum Variant: String, Sendable, CaseIterable {
    /// 3x3 taps by tiles of 4x4 outputs: 2.25 products instead of 9, and errors of about 1e-5.
    case four = "winograd4"
    /// 3x3 taps by tiles of 6x6 outputs: 1.78 products, and errors of up to 2e-5.
    case six = "winograd6"
    /// 3x3 taps of stride 2 by tiles of 4x4 outputs: 5.06 products, and errors of 3e-6.
    case fourStrided = "winograd4_stride2"
    /// 7x7 or 8x8 taps of stride 2 by tiles of 5x5 outputs: the four pixels of a square become channels of one, whose 4x4
    /// taps take 10.2 products instead of 49 or 64; errors of 7e-6 for pictures, up to 2e-5 for many channels.
    case fivePhased = "winograd5_stride2"

    var algorithm: ck_winograd_algorithm {
      switch self {
      case .four: CK_WINOGRAD_4_3
      case .six: CK_WINOGRAD_6_3
      case .fourStrided: CK_WINOGRAD_4_3_STRIDED
      case .fivePhased: CK_WINOGRAD_5_4
      }
    }

    /// Whether it computes the geometry.
    package func applies(to g: ConvGeometry) -> Bool { applies(to: g, summing: g.inChannels) }

    /// Whether it computes the geometry's input gradient.
    package func applies(toGradientOf g: ConvGeometry) -> Bool {
      self == .four && applies(to: g, summing: g.outChannels)
    }

    private func applies(to g: ConvGeometry, summing channels: Int) -> Bool {
      let (sides, stride) =
        switch self {
        case .four, .six: (3...3, 1)
        case .fourStrided: (3...3, 2)
        case .fivePhased: (7...8, 2)
        }
      let isPlane = g.input.depth == 1 && g.kernel.depth == 1 && g.output.depth == 1 && g.paddingBefore.depth == 0
      return g.dilation == .one && g.groups == 1 && sides.contains(g.kernel.height) && sides.contains(g.kernel.width)
        && g.stride == SpatialExtents(1, stride, stride)
        // Each tap along the depth brings whole vectors of channels.
        && (g.kernel.depth == 1 || channels.isMultiple(of: 16))
        && (self != .fivePhased || isPlane && g.inPixel == g.inChannels)
    }
  }

  let variant: Variant
  let isa: InstructionSet
  /// What is computed as a forward convolution: of x, of its phases, or of dy with the taps turned around.
  let geometry: ConvGeometry
  /// The convolution whose four phases (input positions of equal parity) are the channels of `geometry`, if so.
  private let phased: ConvGeometry?
  let isInputGradient: Bool
  /// Whether the output goes past the caches: it is larger than they are, and nothing would find it there.
  private let streams: Bool
  /// Whether packed weights are transformed along one axis only, and along the other one right before they are used:
  /// half the memory, and half of what comes from there in each run.
  package let packsHalfway: Bool
  /// The most tasks that run at a time, each with scratch memory of its own.
  let mostSlots = ThreadPool.slotCount(forTasks: .max)

  /// Floats from which on outputs do: more than a last-level cache.
  private static let streamedCount = 8 * 1024 * 1024

  /// Of x. Stops unless the variant applies to the geometry.
  ///
  /// - Parameters:
  ///   - streams: whether the output goes past the caches; by its size unless given.
  ///   - repacks: whether weights are packed anew for each run.
  ///   - packsHalfway: by the sizes unless given; only for ``Variant/four``.
  package init(
    forward g: ConvGeometry, _ variant: Variant, isa: InstructionSet = .best, streams: Bool? = nil,
    repacks: Bool = false, packsHalfway: Bool? = nil
  ) {
    precondition(variant.applies(to: g))
    self.variant = variant
    self.isa = isa
    self.streams = streams ?? (g.outputCount >= Self.streamedCount)
    isInputGradient = false
    if variant == .fivePhased {
      phased = g
      let taps = SpatialExtents(1, divideUp(g.kernel.height, 2), divideUp(g.kernel.width, 2))
      geometry = ConvGeometry(
        batch: g.batch, inChannels: 4 * g.inChannels, outChannels: g.outChannels,
        input: SpatialExtents(1, g.output.height + taps.height - 1, g.output.width + taps.width - 1), kernel: taps,
        output: g.output, outPixel: g.outPixel)
    } else {
      phased = nil
      geometry = g
    }
    self.packsHalfway = variant == .four && packsHalfway ?? Self.isBetterHalfway(geometry, isa, repacks)
  }

  /// Of dy. Stops unless ``Variant/four`` applies to the geometry.
  package init(
    inputGradient g: ConvGeometry, isa: InstructionSet = .best, repacks: Bool = false, packsHalfway: Bool? = nil
  ) {
    precondition(Variant.four.applies(toGradientOf: g))
    variant = .four
    self.isa = isa
    phased = nil
    // dx[i] sums dy[i + padding - tap] over taps: a convolution with the taps turned around, padded by the rest.
    geometry = ConvGeometry(
      batch: g.batch, inChannels: g.outChannels, outChannels: g.inChannels, input: g.output, kernel: g.kernel,
      paddingBefore: SpatialExtents(
        g.kernel.depth - 1 - g.paddingBefore.depth, 2 - g.paddingBefore.height, 2 - g.paddingBefore.width),
      output: g.input,
      inPixel: g.outPixel, outPixel: g.inPixel)
    isInputGradient = true
    streams = geometry.outputCount >= Self.streamedCount
    self.packsHalfway = packsHalfway ?? Self.isBetterHalfway(geometry, isa, repacks)
  }

  /// Where tiles are so few that two products take them all, weights on their way from memory take most of the time, and
  /// half of them come in less, by up to two fifths; where they are also written in each run, more tiles may share them.
  /// Otherwise it costs up to a tenth of the time, which those of 1024 channels are worth.
  private static func isBetterHalfway(_ g: ConvGeometry, _ isa: InstructionSet, _ repacks: Bool) -> Bool {
    let tiles = g.batch * g.output.depth * divideUp(g.output.height, 4) * divideUp(g.output.width, 4)
    let weights = 36 * g.kernel.depth * g.inChannels * g.outChannels
    return weights > cachedWeights && tiles <= 2 * isa.convolution.tile_rows
      || weights > 2 * cachedWeights && tiles <= 512 && repacks || weights > 8 * cachedWeights && tiles <= 64
  }

  /// Floats of weights that a last-level cache may hold from run to run.
  static let cachedWeights = 2 * 1024 * 1024

  /// Multiply-accumulates for an output when computed directly.
  var directDepth: Int { (phased ?? geometry).kernel.count * (phased ?? geometry).inChannels }

  /// Channels that products sum.
  var productDepth: Int { geometry.kernel.depth * geometry.inChannels }

  /// Floats between points: a line, so that they are not a power of two apart and evict one another.
  static let pointGap = 16

  // MARK: Weights

  /// Floats of the packed weights.
  package var weightsSize: Int {
    packsHalfway ? 18 * productDepth * panels.paddedCount : transformedWeightsSize
  }

  /// Floats of weights that are transformed all the way.
  var transformedWeightsSize: Int {
    kernels.weight_points * (productDepth * panels.paddedCount + panels.count * Self.pointGap)
  }

  /// Transforms and packs weights `[outChannels, inChannels, depth, height, width]` of the convolution.
  package func pack(_ weights: Convolution.Input, into packed: Convolution.Output, pool: ThreadPool) {
    let (kernels, panels) = (kernels, panels)
    let (source, phaseCount) = (phased ?? geometry, phased == nil ? geometry.kernel.depth : 4)
    let (channels, taps) = (source.inChannels, source.kernel.count)
    let depth = productDepth
    let rows = kernels.pack_rows
    let blocks = divideUp(channels, rows)
    let (rowStep, columnStep) =
      isInputGradient ? (geometry.outChannels * taps, taps) : (taps, channels * taps)
    let offsets = (0..<phaseCount).map(tapOffsets)
    pool.parallel(panels.count * phaseCount * blocks, cost: weightsSize) { task in
      let (panel, phase, block) = (task / blocks / phaseCount, task / blocks % phaseCount, task % blocks)
      let row = block * rows
      let width = panels.width(panel)
      let from = weights + row * rowStep + panels.first(panel) * columnStep
      let count = min(rows, channels - row)
      if packsHalfway {
        kernels.pack_halfway(
          from, rowStep, columnStep, offsets[phase], count, panels.valid(panel),
          packed + 18 * depth * panels.first(panel) + 3 * (phase * channels + row) * width, width, 3 * depth * width)
        return
      }
      let first = kernels.weight_points * (depth * panels.first(panel) + panel * Self.pointGap)
      kernels.pack(
        from, rowStep, columnStep, offsets[phase], count, panels.valid(panel),
        packed + first + (phase * channels + row) * width, width, depth * width + Self.pointGap)
    }
  }

  /// Where the taps of a phase, or of a slice of the kernel, lie in the weights of a pair of channels; -1 where there is
  /// none.
  private func tapOffsets(phase: Int) -> [Int] {
    guard let kernel = phased?.kernel else {
      let taps = Array(9 * phase..<9 * (phase + 1))
      return isInputGradient ? taps.map { geometry.kernel.count - 1 - $0 } : taps
    }
    return (0..<geometry.kernel.count).map { tap in
      let (line, column) = tap.quotientAndRemainder(dividingBy: geometry.kernel.width)
      let (y, x) = (2 * line + phase / 2, 2 * column + phase % 2)
      return y < kernel.height && x < kernel.width ? y * kernel.width + x : -1
    }
  }

  // MARK: Running

  /// Floats of workspace.
  package var workspaceSize: Int {
    let cut = Cut(self)
    return splitSize + cut.sharedSize + cut.slotCount * cut.slotSize
  }

  /// y = epilogue(x * weights + ...).
  package func run(
    _ x: Convolution.Input, weights: Convolution.Input, into y: Convolution.Output,
    epilogue: Convolution.Epilogue = .init(), workspace: Convolution.Output, pool: ThreadPool
  ) {
    if let phased { split(x, phased, into: workspace, pool: pool) }
    let input = phased == nil ? x : Convolution.Input(workspace)
    run(
      Cut(self), [problem(input, weights: weights, y, epilogue)], workspace: workspace + splitSize,
      moments: epilogue.moments, pool: pool)
    epilogue.finish(
      y, positions: geometry.outputRows, channels: geometry.outChannels, pixel: geometry.outPixel, pool: pool, isa: isa)
  }

  /// Whether y can be written as tensors of its own that begin at these channels.
  package func writesParts(from channels: [Int]) -> Bool {
    let width = Cut(self).panelBlock * panels.kernels.tile_columns
    return phased == nil && channels.allSatisfy { $0.isMultiple(of: width) }
  }

  /// y = x * weights, in dense tensors of some channels each, in order.
  package func run(
    _ x: Convolution.Input, weights: Convolution.Input, into parts: [(y: Convolution.Output, channels: Int)],
    workspace: Convolution.Output, pool: ThreadPool
  ) {
    let cut = Cut(self)
    var channel = 0
    var problems: [ck_winograd_problem] = []
    for part in parts {
      // A problem's columns are those of the whole.
      var problem = problem(x, weights: weights, part.y - channel, .init())
      problem.y_pixel = part.channels
      channel += part.channels
      let panels = divideUp(channel, panels.kernels.tile_columns)
      problems += repeatElement(problem, count: panels - problems.count)
    }
    run(cut, problems, workspace: workspace, pool: pool)
  }

  /// Floats of the phases of x, and of what may be read behind them; whole lines of memory.
  private var splitSize: Int { phased == nil ? 0 : roundUp(geometry.inputCount + 64, 64) }

  private func split(
    _ x: Convolution.Input, _ g: ConvGeometry, into phases: Convolution.Output, pool: ThreadPool
  ) {
    let kernels = kernels
    let (input, padding, output) = (
      ck_plane(g.input), ck_plane(g.paddingBefore), ck_plane(geometry.input)
    )
    let (lines, block) = (geometry.batch * geometry.input.height, 8)
    pool.parallel(divideUp(lines, block), cost: geometry.inputCount / 4) { task in
      kernels.split_phases(
        x, input, padding, g.inChannels, output, task * block, min(lines, (task + 1) * block), phases)
    }
  }

  /// How many parts the work of ``run(_:weights:into:epilogue:workspace:pool:)`` has, each of which takes the moments of
  /// what it writes.
  package var momentParts: Int { Cut(self).blockCount }

  /// - Parameter problems: one, or one for each panel, which differ in their y.
  private func run(
    _ cut: Cut, _ problems: [ck_winograd_problem], workspace: Convolution.Output, moments: ChannelMoments? = nil,
    pool: ThreadPool
  ) {
    let problem = problems[0]
    func writing(_ panel: Int) -> ck_winograd_problem { problems.count > 1 ? problems[panel] : problem }
    let slots = workspace + cut.sharedSize
    if cut.isFused {
      pool.parallel(cut.blockCount, slots: cut.slotCount, cost: cut.cost) { block, slot in
        let patches = slots + slot * cut.slotSize
        let tiles = cut.block(block, of: 0..<cut.tileCount)
        cut.transform(tiles, of: problem, into: patches)
        for panel in stride(from: 0, to: cut.panels.count, by: cut.panelBlock) {
          cut.multiply(
            tiles, panel, of: writing(panel), patches, products: patches + cut.patchesSize(cut.blockTiles),
            moments: moments?.ck(block))
        }
      }
      return
    }
    for start in stride(from: 0, to: cut.tileCount, by: cut.roundTiles) {
      let round = start..<min(cut.tileCount, start + cut.roundTiles)
      let groups = divideUp(round.count, cut.rows)
      pool.parallel(groups, cost: cut.cost) { group in
        let first = start + group * cut.rows
        cut.transform(
          first..<min(round.upperBound, first + cut.rows), of: problem, into: workspace + group * cut.groupSize)
      }
      let blocks = divideUp(round.count, cut.blockTiles)
      let panelBlocks = divideUp(cut.panels.count, cut.panelBlock)
      // Neighbouring tasks share their weights, which pass through the cache once.
      pool.parallel(panelBlocks * blocks, slots: cut.slotCount, cost: cut.cost) { task, slot in
        let (panel, block) = task.quotientAndRemainder(dividingBy: blocks)
        let tiles = cut.block(block, of: round)
        cut.multiply(
          tiles, panel * cut.panelBlock, of: writing(panel * cut.panelBlock),
          workspace + block * cut.blockTiles / cut.rows * cut.groupSize,
          products: slots + slot * cut.slotSize, moments: moments?.ck(start / cut.blockTiles + block))
      }
    }
  }

  var kernels: ck_winograd_kernels { isa.winograd(variant.algorithm) }
  var panels: Panels { Panels(geometry.outChannels, isa.convolution) }

  func problem(
    _ x: Convolution.Input, weights: Convolution.Input?, _ y: Convolution.Output, _ epilogue: Convolution.Epilogue
  ) -> ck_winograd_problem {
    let g = geometry
    let tile = kernels.tile
    let slices = ck_slices(
      input: g.input.depth, output: g.output.depth, first: -g.paddingBefore.depth, taps: g.kernel.depth)
    return ck_winograd_problem(
      input: ck_plane(g.input), output: ck_plane(g.output), slices: slices, padding: ck_plane(g.paddingBefore),
      tiles: ck_plane(height: divideUp(g.output.height, tile), width: divideUp(g.output.width, tile)),
      channels: productDepth, columns: g.outChannels, x_pixel: g.inPixel, y_pixel: g.outPixel,
      epilogue: epilogue.ck(from: 0), x: x, weights: weights, y: y,
      streams: streams && !epilogue.isLate ? 1 : 0)
  }

  var tileCount: Int {
    let tile = kernels.tile
    return geometry.batch * geometry.output.depth * divideUp(geometry.output.height, tile)
      * divideUp(geometry.output.width, tile)
  }
}

extension ck_plane {
  fileprivate init(_ extents: SpatialExtents) { self.init(height: extents.height, width: extents.width) }
}

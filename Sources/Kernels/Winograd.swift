import CKernels

/// A convolution of 3x3 taps, stride 1 and one group, or its input gradient, by Winograd's algorithm (Lavin and Gray,
/// "Fast Algorithms for Convolutional Neural Networks", 2015).
///
/// Buffers are those of ``Convolution``; results do not depend on the number of threads. A 4x4 tile takes 2.25
/// products for each output and pair of channels instead of 9, and errs about 1e-5 of the largest output; a 6x6 tile
/// takes 1.78 and errs up to 2e-5.
package struct Winograd: Hashable, Sendable {
  /// The side of an output tile.
  package enum Tile: Int, Sendable, CaseIterable {
    case four = 4
    case six = 6
  }

  let tile: Tile
  let isa: InstructionSet
  /// What is computed as a forward convolution: of x, or of dy with the taps turned around.
  let geometry: ConvGeometry
  let isInputGradient: Bool

  /// Of x. Stops unless ``supports(_:)`` the geometry.
  package init(forward g: ConvGeometry, tile: Tile, isa: InstructionSet = .best) {
    precondition(Self.supports(g))
    self.tile = tile
    self.isa = isa
    geometry = g
    isInputGradient = false
  }

  /// Of dy. Stops unless ``supports(_:)`` the geometry.
  package init(inputGradient g: ConvGeometry, isa: InstructionSet = .best) {
    precondition(Self.supports(g))
    tile = .four
    self.isa = isa
    // dx[i] sums dy[i + padding - tap] over taps: a convolution with the taps turned around, padded by the rest.
    geometry = ConvGeometry(
      batch: g.batch, inChannels: g.outChannels, outChannels: g.inChannels, input: g.output, kernel: g.kernel,
      paddingBefore: SpatialExtents(0, 2 - g.paddingBefore.height, 2 - g.paddingBefore.width), output: g.input,
      inPixel: g.outPixel, outPixel: g.inPixel)
    isInputGradient = true
  }

  /// Whether the algorithm applies at all.
  package static func supports(_ g: ConvGeometry) -> Bool {
    g.kernel == SpatialExtents(1, 3, 3) && g.stride == .one && g.dilation == .one && g.groups == 1
      && g.input.depth == 1 && g.output.depth == 1 && g.paddingBefore.depth == 0
  }

  /// Floats between points: a line, so that they are not a power of two apart and evict one another.
  static let pointGap = 16

  // MARK: Weights

  /// Floats of the packed weights.
  package var weightsSize: Int {
    kernels.points * (geometry.inChannels * panels.paddedCount + panels.count * Self.pointGap)
  }

  /// Transforms and packs weights `[outChannels, inChannels, 3, 3]` of the convolution.
  package func pack(_ weights: Convolution.Input, into packed: Convolution.Output, pool: ThreadPool) {
    let (kernels, panels) = (kernels, panels)
    let channels = geometry.inChannels
    let rows = kernels.pack_rows
    let blocks = divideUp(channels, rows)
    let (rowStep, columnStep) = isInputGradient ? (geometry.outChannels * 9, 9) : (9, channels * 9)
    pool.parallel(panels.count * blocks, cost: weightsSize) { task in
      let (panel, block) = task.quotientAndRemainder(dividingBy: blocks)
      let row = block * rows
      let width = panels.width(panel)
      kernels.pack(
        weights + row * rowStep + panels.first(panel) * columnStep, rowStep, columnStep, isInputGradient ? 1 : 0,
        min(rows, channels - row), panels.valid(panel),
        packed + kernels.points * (channels * panels.first(panel) + panel * Self.pointGap) + row * width, width,
        channels * width + Self.pointGap)
    }
  }

  // MARK: Running

  /// Floats of workspace.
  package var workspaceSize: Int {
    let cut = Cut(self)
    return cut.sharedSize + cut.slotCount * cut.slotSize
  }

  /// y = epilogue(x * weights + ...).
  package func run(
    _ x: Convolution.Input, weights: Convolution.Input, into y: Convolution.Output,
    epilogue: Convolution.Epilogue = .init(), workspace: Convolution.Output, pool: ThreadPool
  ) {
    run(Cut(self), problem(x, weights: weights, y, epilogue), workspace: workspace, pool: pool)
    epilogue.finish(
      y, positions: geometry.outputRows, channels: geometry.outChannels, pixel: geometry.outPixel, pool: pool, isa: isa)
  }

  private func run(_ cut: Cut, _ problem: ck_winograd_problem, workspace: Convolution.Output, pool: ThreadPool) {
    let slots = workspace + cut.sharedSize
    if cut.isFused {
      pool.parallel(cut.blockCount, slots: cut.slotCount, cost: cut.cost) { block, slot in
        let patches = slots + slot * cut.slotSize
        let tiles = cut.block(block, of: 0..<cut.tileCount)
        cut.transform(tiles, of: problem, into: patches)
        for panel in stride(from: 0, to: cut.panels.count, by: cut.panelBlock) {
          cut.multiply(tiles, panel, of: problem, patches, products: patches + cut.patchesSize(cut.blockTiles))
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
          tiles, panel * cut.panelBlock, of: problem, workspace + block * cut.blockTiles / cut.rows * cut.groupSize,
          products: slots + slot * cut.slotSize)
      }
    }
  }

  var kernels: ck_winograd_kernels { isa.winograd(tile.rawValue) }
  var panels: Panels { Panels(geometry.outChannels, isa.convolution) }

  func problem(
    _ x: Convolution.Input, weights: Convolution.Input?, _ y: Convolution.Output, _ epilogue: Convolution.Epilogue
  ) -> ck_winograd_problem {
    let g = geometry
    return ck_winograd_problem(
      input: ck_plane(height: g.input.height, width: g.input.width),
      output: ck_plane(height: g.output.height, width: g.output.width),
      padding: ck_plane(height: g.paddingBefore.height, width: g.paddingBefore.width),
      tiles: ck_plane(
        height: divideUp(g.output.height, tile.rawValue), width: divideUp(g.output.width, tile.rawValue)),
      channels: g.inChannels, columns: g.outChannels, x_pixel: g.inPixel, y_pixel: g.outPixel, epilogue: epilogue.ck(from: 0), x: x, weights: weights, y: y)
  }

  var tileCount: Int {
    geometry.batch * divideUp(geometry.output.height, tile.rawValue) * divideUp(geometry.output.width, tile.rawValue)
  }
}

extension Winograd {
  /// How the work is cut, by shape alone.
  ///
  /// Where tiles are many, each task takes a block of tiles from input to output, all in the second-level cache. Where
  /// they are few, or transformed weights so large that they should pass through the cache once only, the patches of
  /// many tiles are transformed first and then tasks take a few output channels each.
  struct Cut {
    let kernels: ck_winograd_kernels
    let panels: Panels
    let tileCount: Int
    /// Tiles of a group, whose rows one tile of registers takes.
    let rows: Int
    let isFused: Bool
    /// Tiles that one product takes.
    let blockTiles: Int
    /// Tiles whose patches are transformed together, a multiple of `blockTiles`.
    let roundTiles: Int
    /// Panels that one product takes.
    let panelBlock: Int
    /// Roughly, cycles of all tasks.
    let cost: Int
    /// Tasks that may run at a time.
    let slotCount: Int
    private let paddedChannels: Int

    /// Floats that a task's patches and products may take: most of a second-level cache.
    private static let cacheSize = 192 * 1024
    /// Floats of the patches of a round: a share of the last-level cache.
    private static let roundSize = 3 * 1024 * 1024

    init(_ w: Winograd) {
      let g = w.geometry
      kernels = w.kernels
      panels = w.panels
      tileCount = w.tileCount
      rows = Self.balanced(tileCount, w.isa.convolution.tile_rows)
      paddedChannels = roundUp(g.inChannels, w.isa.convolution.vector_width)
      let columns = w.isa.convolution.tile_columns
      let groups = divideUp(tileCount, rows)
      cost = max(
        kernels.points * max(tileCount, 16) * g.inChannels * panels.paddedCount / 32,
        kernels.points * tileCount * (paddedChannels + panels.paddedCount) / 16)
      let fitting = Self.cacheSize / (kernels.points * rows * (paddedChannels + columns))
      isFused = fitting >= 1 && groups >= 8
      if isFused {
        panelBlock = 1
        blockTiles = rows * min(fitting, max(1, groups / 16))
        roundTiles = tileCount
        slotCount = min(32, divideUp(tileCount, blockTiles))
      } else {
        panelBlock = panels.count >= 16 ? 2 : 1
        let products = Self.cacheSize / (kernels.points * rows * columns * panelBlock)
        blockTiles = rows * max(1, min(products, groups))
        let round = Self.roundSize / (kernels.points * blockTiles * paddedChannels)
        roundTiles = blockTiles * max(1, min(round, divideUp(tileCount, blockTiles)))
        slotCount = min(32, divideUp(panels.count, panelBlock) * divideUp(roundTiles, blockTiles))
      }
    }

    /// Rows of a group such that groups are equally full: two of 8 take less time than one of 14 and one of 2, whose
    /// few sums wait for each other.
    private static func balanced(_ tiles: Int, _ most: Int) -> Int {
      let each = divideUp(tiles, divideUp(tiles, most))
      return rounded(each)
    }

    /// Tiles of registers have one row or an even number of them.
    private static func rounded(_ rows: Int) -> Int { rows == 1 ? 1 : roundUp(rows, 2) }

    var blockCount: Int { divideUp(tileCount, blockTiles) }

    func block(_ index: Int, of tiles: Range<Int>) -> Range<Int> {
      let start = tiles.lowerBound + index * blockTiles
      return start..<min(tiles.upperBound, start + blockTiles)
    }

    /// Floats of the transformed patches of `rows` tiles at one point.
    var groupSize: Int { rows * paddedChannels }
    /// Floats between points of patches.
    var pointStep: Int { divideUp(isFused ? blockTiles : roundTiles, rows) * groupSize + Winograd.pointGap }

    func patchesSize(_ tiles: Int) -> Int { kernels.points * (divideUp(tiles, rows) * groupSize + Winograd.pointGap) }
    var productsSize: Int {
      panelBlock * kernels.points * (blockTiles * panels.kernels.tile_columns + Winograd.pointGap)
    }

    /// Floats that all tasks share, and floats of each slot.
    var sharedSize: Int { isFused ? 0 : patchesSize(roundTiles) }
    var slotSize: Int { productsSize + (isFused ? patchesSize(blockTiles) : 0) }

    func transform(_ tiles: Range<Int>, of problem: ck_winograd_problem, into patches: Convolution.Output) {
      withUnsafePointer(to: problem) { problem in
        for (group, tile) in stride(from: tiles.lowerBound, to: tiles.upperBound, by: rows).enumerated() {
          let end = min(tile + rows, tiles.upperBound)
          let to = ck_winograd_patches(
            base: patches + group * groupSize, point_step: pointStep, rows: Self.rounded(end - tile),
            block: panels.kernels.vector_width)
          kernels.transform_input(problem, tile, end, to, 0)
        }
      }
    }

    func multiply(
      _ tiles: Range<Int>, _ panel: Int, of problem: ck_winograd_problem, _ patches: Convolution.Input,
      products: Convolution.Output
    ) {
      withUnsafePointer(to: problem) {
        kernels.multiply(
          $0, tiles.lowerBound, tiles.upperBound, panel, min(panel + panelBlock, panels.count), patches, pointStep,
          rows, products)
      }
    }
  }
}

import CKernels

/// The weight gradient of a convolution of 3x3 taps, stride 1 and one group, by Winograd's algorithm with 4x4 tiles: x
/// and dy are transformed tile by tile, and at each of 36 points the gradient is a product of matrices summed over
/// tiles. Of volumes, each tap along the depth has a gradient of its own, that of images which are slices.
package struct WinogradWeightGradient: Hashable, Sendable {
  let winograd: Winograd

  /// Stops unless ``Winograd/Variant/four`` applies to the geometry.
  package init(_ g: ConvGeometry, isa: InstructionSet = .best) {
    winograd = Winograd(forward: g, .four, isa: isa)
  }

  /// Floats of workspace.
  package var workspaceSize: Int {
    let cut = Cut(winograd)
    return cut.sumsSize + cut.biasSize + cut.sharedSize + cut.slotCount * cut.slotSize
  }

  /// The gradient of the weights, `[outChannels, inChannels, depth, 3, 3]`, summed over batch and positions.
  ///
  /// - Parameter db: if given, gets the sums of dy, `[outChannels]`: the gradient of a bias. One of the points of a tile's
  ///   gradient is the sum of the tile, so that this takes no look at dy of its own.
  package func run(
    _ x: Convolution.Input, _ dy: Convolution.Input, into dw: Convolution.Output, _ db: Convolution.Output? = nil,
    workspace: Convolution.Output, pool: ThreadPool
  ) {
    let cut = Cut(winograd)
    // The kernels read y, and nothing writes it.
    var problem = winograd.problem(x, weights: nil, UnsafeMutablePointer(mutating: dy), .init())
    problem.channels = winograd.geometry.inChannels
    problem.slices.taps = 1
    for tap in 0..<winograd.geometry.kernel.depth {
      run(cut, problem, into: dw + 9 * tap, tap == 0 ? db : nil, workspace: workspace, pool: pool)
      problem.slices.first += 1
    }
  }

  /// The gradient at one tap along the depth.
  private func run(
    _ cut: Cut, _ problem: ck_winograd_problem, into dw: Convolution.Output, _ db: Convolution.Output?,
    workspace: Convolution.Output, pool: ThreadPool
  ) {
    let (channels, panels, pairStep) = (winograd.geometry.inChannels, cut.panels, winograd.geometry.kernel.count)
    let partialBias = workspace + cut.sumsSize
    let shared = partialBias + cut.biasSize
    let slots = shared + cut.sharedSize
    let taskCount = cut.channelBlocks * panels.count
    let bias = db == nil ? nil : UnsafeMutableRawPointer(partialBias).assumingMemoryBound(to: Double.self)
    bias?.initialize(repeating: 0, count: cut.chunks.count * panels.paddedCount)
    if cut.isFused {
      pool.parallel(cut.chunks.count, slots: cut.slotCount, cost: cut.cost) { chunk, slot in
        let patches = slots + slot * cut.slotSize
        let tiles = cut.chunks[chunk]
        for start in stride(from: tiles.lowerBound, to: tiles.upperBound, by: cut.roundTiles) {
          let round = start..<min(tiles.upperBound, start + cut.roundTiles)
          cut.transform(round, at: 0, of: problem, into: patches)
          for task in 0..<taskCount {
            cut.multiply(
              task, tiles: round.count, of: problem, patches, products: patches + cut.patchesSize,
              into: cut.sums(of: task, in: workspace + chunk * cut.partialSize), tapStep: cut.tapStep(of: task),
              accumulates: start > tiles.lowerBound)
          }
          guard let bias else { continue }
          for panel in 0..<panels.count {
            cut.addGradients(panel, tiles: round.count, patches, to: bias + chunk * panels.paddedCount, winograd.isa)
          }
        }
      }
    } else {
      for start in stride(from: 0, to: winograd.tileCount, by: cut.roundTiles) {
        let round = start..<min(winograd.tileCount, start + cut.roundTiles)
        let size = 8
        pool.parallel(divideUp(round.count, size), cost: cut.cost) { block in
          let first = start + block * size
          cut.transform(first..<min(round.upperBound, first + size), at: block * size, of: problem, into: shared)
        }
        pool.parallel(taskCount, slots: cut.slotCount, cost: cut.cost) { task, slot in
          let products = slots + slot * cut.slotSize
          if let bias, task < panels.count {
            cut.addGradients(task, tiles: round.count, shared, to: bias, winograd.isa)
          }
          guard cut.needsSums else {
            return cut.finish(task, tiles: round.count, of: problem, shared, products: products, into: dw)
          }
          cut.multiply(
            task, tiles: round.count, of: problem, shared, products: products,
            into: cut.sums(of: task, in: workspace), tapStep: cut.tapStep(of: task), accumulates: start > 0)
        }
      }
    }
    if let bias, let db {
      for column in 0..<panels.columns {
        db[column] = Float((0..<cut.chunks.count).reduce(0) { $0 + bias[$1 * panels.paddedCount + column] })
      }
    }
    guard cut.needsSums else { return }
    let blocks = divideUp(channels, Panels.rowBlock)
    pool.parallel(blocks, cost: cut.partialSize * cut.chunks.count) { block in
      panels.unpack(
        block, of: workspace, paddedDepth: 9 * channels, chunks: cut.chunks.count, chunkStep: cut.partialSize,
        rowStep: pairStep, columnStep: pairStep * channels, rows: channels, taps: 9, into: dw)
    }
  }

  /// How the work is cut, by shape alone.
  ///
  /// With few channels, each task takes a chunk of all tiles and has sums of its own, added afterwards in order. With
  /// many, the tiles are transformed in rounds and tasks take some channels each; if one round is enough, a task's result
  /// is final, and no sums are kept.
  private struct Cut {
    let kernels: ck_winograd_kernels
    let panels: Panels
    let isFused: Bool
    let chunks: Chunks
    /// Whether a task's result is only a part of the sum.
    let needsSums: Bool
    /// Tiles transformed together.
    let roundTiles: Int
    /// Channels of x in one product.
    let channelBlock: Int
    let channelBlocks: Int
    /// Roughly, cycles of all tasks.
    let cost: Int
    let slotCount: Int
    private let channels: Int
    /// Weights of a pair of channels.
    private let pairStep: Int
    private let paddedChannels: Int

    private static let cacheSize = 192 * 1024
    private static let roundSize = 3 * 512 * 1024

    init(_ w: Winograd) {
      let tile = w.isa.convolution
      kernels = w.kernels
      panels = w.panels
      channels = w.geometry.inChannels
      pairStep = w.geometry.kernel.count
      paddedChannels = roundUp(channels, tile.vector_width)
      let tileSize = kernels.points * (paddedChannels + panels.paddedCount)
      cost = kernels.points * w.tileCount * channels * panels.paddedCount / 32
      isFused = tileSize <= Self.cacheSize / 32 && w.tileCount >= 256
      if isFused {
        chunks = Chunks(of: w.tileCount, atMost: 16, leastSize: 32)
        let rounds = divideUp(chunks.size, max(32, Self.cacheSize / tileSize))
        roundTiles = divideUp(chunks.size, rounds)
      } else {
        chunks = Chunks(of: w.tileCount, atMost: 1, leastSize: 1)
        // One round, if that takes no more memory than a usual one and the sums that it saves.
        let fitsOne = w.tileCount * tileSize <= Self.roundSize + 9 * channels * panels.paddedCount
        let rounds = fitsOne ? 1 : divideUp(w.tileCount, max(32, Self.roundSize / tileSize))
        roundTiles = divideUp(w.tileCount, rounds)
      }
      needsSums = isFused || roundTiles < w.tileCount
      channelBlock = min(4 * tile.tile_rows, roundUp(channels, tile.tile_rows))
      channelBlocks = divideUp(channels, channelBlock)
      slotCount = min(w.mostSlots, isFused ? chunks.count : channelBlocks * panels.count)
    }

    /// Floats of the weight gradient in panels.
    var partialSize: Int { 9 * channels * panels.paddedCount }

    /// Floats of the partial sums of dy, in doubles; whole lines of memory.
    var biasSize: Int { roundUp(2 * chunks.count * panels.paddedCount, 16) }

    private func pointStep(_ width: Int) -> Int { roundTiles * width + Winograd.pointGap }
    var patchesSize: Int { kernels.points * (pointStep(paddedChannels) + pointStep(panels.paddedCount)) }
    private var productsSize: Int { kernels.points * (channelBlock * panels.kernels.tile_columns + Winograd.pointGap) }

    /// Floats of all sums.
    var sumsSize: Int { needsSums ? chunks.count * partialSize : 0 }
    /// Floats that all tasks share, and floats of each slot.
    var sharedSize: Int { isFused ? 0 : patchesSize }
    var slotSize: Int { productsSize + (isFused ? patchesSize : 0) + (needsSums ? 0 : resultSize) }
    /// Floats of one task's result.
    private var resultSize: Int { 9 * channelBlock * panels.kernels.tile_columns }

    /// The channels of x and the panel that a task multiplies.
    private func region(_ task: Int) -> (channels: Range<Int>, panel: Int) {
      let (block, panel) = task.quotientAndRemainder(dividingBy: panels.count)
      return (block * channelBlock..<min(channels, (block + 1) * channelBlock), panel)
    }

    /// Where a task's sums begin in those of all, and how far apart its taps are.
    func sums(of task: Int, in all: Convolution.Output) -> Convolution.Output {
      let (channels, panel) = region(task)
      return all + panels.first(panel) * 9 * self.channels + channels.lowerBound * panels.width(panel)
    }
    func tapStep(of task: Int) -> Int { channels * panels.width(region(task).panel) }

    private func layouts(_ patches: Convolution.Output) -> (x: ck_winograd_patches, dy: ck_winograd_patches) {
      let x = ck_winograd_patches(
        base: patches, point_step: pointStep(paddedChannels), rows: roundTiles, block: kernels.outer_block)
      let dy = ck_winograd_patches(
        base: patches + kernels.points * x.point_step, point_step: pointStep(panels.paddedCount), rows: roundTiles,
        block: panels.kernels.tile_columns)
      return (x, dy)
    }

    /// Transforms tiles, which become rows `row`, ... of the patches.
    func transform(
      _ tiles: Range<Int>, at row: Int, of problem: ck_winograd_problem, into patches: Convolution.Output
    ) {
      let (x, dy) = layouts(patches)
      withUnsafePointer(to: problem) {
        kernels.transform_input($0, tiles.lowerBound, tiles.upperBound, x, row)
        kernels.transform_gradient($0, tiles.lowerBound, tiles.upperBound, dy, row)
      }
    }

    /// Adds up the gradients of the tiles in a panel's columns. Both axes' second point is the sum of their elements.
    func addGradients(
      _ panel: Int, tiles: Int, _ patches: Convolution.Output, to sums: UnsafeMutablePointer<Double>,
      _ isa: InstructionSet
    ) {
      let (_, dy) = layouts(patches)
      let point = dy.base + 7 * dy.point_step + panel * dy.block * dy.rows
      let width = panels.width(panel)
      isa.pointwise.reduce_columns(CK_SUM, point, tiles, width, width, sums + panels.first(panel))
    }

    func multiply(
      _ task: Int, tiles: Int, of problem: ck_winograd_problem, _ patches: Convolution.Output,
      products: Convolution.Output, into sums: Convolution.Output, tapStep: Int, accumulates: Bool
    ) {
      let (x, dy) = layouts(patches)
      let (channels, panel) = region(task)
      withUnsafePointer(to: problem) {
        kernels.outer_product(
          $0, x, dy, tiles, channels.lowerBound, channels.upperBound, panel, products, sums, tapStep,
          accumulates ? 1 : 0)
      }
    }

    /// Multiplies all tiles and brings the result into the order of the weights while it is in cache.
    func finish(
      _ task: Int, tiles: Int, of problem: ck_winograd_problem, _ patches: Convolution.Output,
      products: Convolution.Output, into dw: Convolution.Output
    ) {
      let (rows, panel) = region(task)
      let (result, width) = (products + productsSize, panels.width(panel))
      multiply(
        task, tiles: tiles, of: problem, patches, products: products, into: result, tapStep: rows.count * width,
        accumulates: false)
      panels.kernels.unpack(
        result, width, rows.count * width, 9, 1, 0, rows.count, panels.valid(panel),
        dw + (panels.first(panel) * channels + rows.lowerBound) * pairStep, pairStep, pairStep * channels)
    }
  }
}

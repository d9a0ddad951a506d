import CKernels

extension Convolution {
  /// Floats of workspace for ``weightGradient(_:_:into:_:slots:workspace:pool:isa:)``.
  package static func weightGradientWorkspaceSize(_ g: ConvGeometry, slots: Int, isa: InstructionSet = .best) -> Int {
    let kernels = isa.convolution
    if g.channelwiseGroup(kernels) != nil {
      return channelwiseChunks(g).count * g.patchDepth * roundUp(g.inChannels, kernels.vector_width)
    }
    if let lines = ConvLines(weightGradient: g, kernels) {
      return lineGradientChunks(lines, g).count * lines.weightsSize
    }
    let joined = g.isDense ? denseGeometry(g) : g.joiningGroups(columns: g.groupOutChannels, kernels)
    let grid = OuterGrid(joined, kernels)
    if g.isDense && grid.chunks.count == 1 { return slots * grid.taskSize }
    return grid.chunks.count * joined.groups * grid.partialSize
  }

  /// The gradient of the weights, `[outChannels, inChannels / groups, kernel...]`, summed over batch and positions.
  /// Depthwise, x and dy are whole tensors.
  ///
  /// - Parameter slots: as many as the workspace was made for: at most so many tasks use it at a time.
  package static func weightGradient(
    _ x: Input, _ dy: Input, into dw: Output, _ g: ConvGeometry, slots: Int, workspace: Output, pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    if let group = g.channelwiseGroup(kernels) {
      channelwiseWeightGradient(x, dy, into: dw, g, group, workspace: workspace, pool, kernels)
      return
    }
    if let lines = ConvLines(weightGradient: g, kernels) {
      lineWeightGradient(x, dy, into: dw, g, lines, workspace: workspace, pool: pool)
      return
    }
    // Without taps the product may as well be taken the other way round, which leaves it in the weights' order.
    let isDense = g.isDense
    let (x, dy, whole) = isDense ? (dy, x, denseGeometry(g)) : (x, dy, g)
    let g = whole.joiningGroups(columns: whole.groupOutChannels, kernels)
    let grid = OuterGrid(g, kernels)
    let panels = grid.panels
    let chunkStep = g.groups * grid.partialSize
    let cost = divideUp(g.outputRows * chunkStep, 32)
    if isDense && grid.chunks.count == 1 {
      pool.parallel(grid.count, slots: slots, cost: cost) { block, slot in
        var product = product(x, dy, g, partial: workspace + slot * grid.taskSize, in: grid)
        grid.run(block, of: &product, into: dw, rowStep: g.outChannels)
      }
      return
    }
    pool.parallel(grid.chunks.count * g.groups * grid.count, cost: cost) { task in
      let block = task % grid.count
      let group = task / grid.count % g.groups
      let chunk = task / grid.count / g.groups
      var product = product(
        x + group * g.groupInChannels, dy + group * g.groupOutChannels, g,
        partial: workspace + chunk * chunkStep + group * grid.partialSize, in: grid)
      grid.run(block, of: &product, rows: grid.chunks[chunk])
    }
    let taps = g.kernel.count
    if g != whole {
      pool.parallel(g.groups, cost: whole.weightCount * grid.chunks.count) { group in
        panels.unpackDiagonal(
          whole.groups / g.groups, of: workspace + group * grid.partialSize, chunks: grid.chunks.count,
          chunkStep: chunkStep, blockStep: whole.groupOutChannels * whole.patchDepth, rowStep: taps,
          columnStep: whole.patchDepth, rows: whole.groupInChannels, taps: taps,
          into: dw + group * g.groupOutChannels * whole.patchDepth)
      }
      return
    }
    let blocks = divideUp(g.groupInChannels, Panels.rowBlock)
    pool.parallel(g.groups * blocks, cost: g.weightCount * grid.chunks.count) { task in
      let (group, block) = task.quotientAndRemainder(dividingBy: blocks)
      panels.unpack(
        block, of: workspace + group * grid.partialSize, paddedDepth: grid.paddedDepth, chunks: grid.chunks.count,
        chunkStep: chunkStep, rowStep: isDense ? g.outChannels : taps, columnStep: isDense ? 1 : g.patchDepth,
        rows: g.groupInChannels, taps: taps, into: dw + group * g.groupOutChannels * g.patchDepth)
    }
  }

  private static func product(
    _ x: Input, _ dy: Input, _ g: ConvGeometry, partial: Output, in grid: OuterGrid
  ) -> ck_outer_product {
    ck_outer_product(
      patches: g.patches, x: x, dy: dy, partial: partial, columns: g.groupOutChannels, dy_pixel: g.outPixel,
      partial_k: 0, partial_panel: 0, partial_depth: grid.paddedDepth)
  }

  /// The linear layer whose weight gradient is this one's transposed.
  private static func denseGeometry(_ g: ConvGeometry) -> ConvGeometry {
    var linear = ConvGeometry.linear(rows: g.outputRows, inputs: g.outChannels, outputs: g.inChannels)
    (linear.inPixel, linear.outPixel) = (g.outPixel, g.inPixel)
    return linear
  }

  /// Output lines, cut into chunks that are summed apart.
  private static func channelwiseChunks(_ g: ConvGeometry) -> Chunks {
    let lines = g.batch * g.output.depth * g.output.height
    return Chunks(of: lines, atMost: min(32, g.outputCount * g.patchDepth / 500_000), leastSize: 1)
  }

  private static func channelwiseWeightGradient(
    _ x: Input, _ dy: Input, into dw: Output, _ g: ConvGeometry, _ group: Int, workspace: Output, _ pool: ThreadPool,
    _ kernels: ck_convolution_kernels
  ) {
    let chunks = channelwiseChunks(g)
    // Channels of the group times taps.
    let depth = g.patchDepth
    let width = roundUp(g.inChannels, kernels.vector_width)
    let patches = channelwisePatches(g.patches, channels: g.inChannels)
    pool.parallel(chunks.count, cost: g.outputCount * depth / 8) { chunk in
      let lines = chunks[chunk]
      withUnsafePointer(to: patches) {
        kernels.depthwise_weight_gradient(
          $0, group, x, dy, workspace + chunk * depth * width, lines.lowerBound, lines.upperBound, 0, g.inChannels)
      }
    }
    kernels.unpack(workspace, width, width, depth, chunks.count, depth * width, 1, g.inChannels, dw, depth, depth)
  }
}

/// A range cut into equal chunks, the last one shorter.
struct Chunks {
  let length: Int
  let size: Int
  let count: Int

  /// At least one chunk, of at least `leastSize` unless the range is shorter.
  init(of length: Int, atMost: Int, leastSize: Int) {
    self.length = length
    size = max(leastSize, divideUp(length, max(1, atMost)))
    count = max(1, divideUp(length, size))
  }

  subscript(_ index: Int) -> Range<Int> { index * size..<min(length, (index + 1) * size) }
}

/// How the product of transposed patches and dy is cut into tasks, by shape alone: over patch columns and panels of dy
/// and, where these are few, over chunks of rows, whose partial sums are added afterwards in order.
struct OuterGrid {
  let panels: Panels
  let chunks: Chunks
  /// Patch columns rounded up to whole tiles.
  let paddedDepth: Int
  private let depth: Int
  private let depthBlock: Int
  private let depthBlocks: Int
  private let panelBlock: Int

  /// Tasks of one group and chunk.
  let count: Int
  /// Floats of the product of one group and chunk.
  var partialSize: Int { paddedDepth * panels.paddedCount }

  init(_ g: ConvGeometry, _ kernels: ck_convolution_kernels) {
    panels = Panels(g.groupOutChannels, kernels)
    depth = g.patchDepth
    paddedDepth = roundUp(depth, kernels.tile_rows)
    let blocks = divideUp(depth, kernels.outer_depth)
    depthBlock = roundUp(divideUp(depth, blocks), kernels.tile_rows)
    depthBlocks = divideUp(depth, depthBlock)
    // Four panels or more earn the copy of the patches back, and their sums stay in the second-level cache.
    let most = 4 * kernels.outer_depth / depthBlock
    panelBlock = divideUp(panels.count, divideUp(panels.count, most))
    count = depthBlocks * divideUp(panels.count, panelBlock)
    chunks = Chunks(of: g.outputRows, atMost: divideUp(32, count * g.groups), leastSize: 384)
  }

  /// Patch columns and panels of a task.
  private func region(_ task: Int) -> (depth: Range<Int>, panels: Range<Int>) {
    let (column, block) = task.quotientAndRemainder(dividingBy: depthBlocks)
    return (
      block * depthBlock..<min(depth, (block + 1) * depthBlock),
      column * panelBlock..<min(panels.count, (column + 1) * panelBlock)
    )
  }

  func run(_ task: Int, of product: inout ck_outer_product, rows: Range<Int>) {
    let (depth, columns) = region(task)
    panels.kernels.outer_product(
      &product, rows.lowerBound, rows.upperBound, depth.lowerBound, depth.upperBound, columns.lowerBound,
      columns.upperBound)
  }

  /// Floats of a task's product.
  var taskSize: Int { depthBlock * panelBlock * panels.kernels.tile_columns }

  /// Runs a task of the only chunk, of a product without taps, and brings the result into the matrix's order while it is
  /// in cache. `product.partial` has room for this task alone.
  func run(
    _ task: Int, of product: inout ck_outer_product, into matrix: UnsafeMutablePointer<Float>, rowStep: Int
  ) {
    let (depth, columns) = region(task)
    (product.partial_k, product.partial_panel) = (depth.lowerBound, columns.lowerBound)
    product.partial_depth = depthBlock
    run(task, of: &product, rows: chunks[0])
    for panel in columns {
      let width = panels.width(panel)
      panels.kernels.unpack(
        product.partial + (panel - columns.lowerBound) * depthBlock * panels.kernels.tile_columns, width, 0, 1, 1, 0,
        depth.count, panels.valid(panel), matrix + depth.lowerBound * rowStep + panels.first(panel), rowStep, 1)
    }
  }
}

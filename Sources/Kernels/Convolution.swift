import CKernels

/// Convolutions, linear layers (``ConvGeometry/linear(rows:inputs:outputs:)``) and matrix products on raw channels-last
/// buffers.
///
/// Nothing here allocates: packed weights and workspaces are the caller's, of the sizes that the queries name, in
/// floats. Inputs, packed weights and workspaces must be readable 256 bytes past their end; outputs are written nowhere
/// outside. Results depend on shapes and the instruction set, never on the number of threads.
package enum Convolution {
  package typealias Input = UnsafePointer<Float>
  package typealias Output = UnsafeMutablePointer<Float>

  /// What a result goes through on its way to memory: `activation(result + bias + residual)`, or the activation's
  /// gradient.
  package struct Epilogue {
    /// `[outChannels]`.
    package var bias: Input?
    /// As large and laid out as the output, its positions as far apart.
    package var residual: Input?
    package var activation: ActivationKernel?
    /// Where the result is the gradient of what the activation, ReLU or ReLU6, gave: that, as large and laid out as the
    /// output. Then the gradient of the activation is applied instead of itself.
    package var mask: Input?
    /// Takes those of the output, in ``Convolution/momentParts(_:isa:)`` or ``Winograd/momentParts`` parts; not beside an
    /// activation other than ReLU and ReLU6.
    package var moments: ChannelMoments?

    package init(
      bias: Input? = nil, residual: Input? = nil, activation: ActivationKernel? = nil, mask: Input? = nil,
      moments: ChannelMoments? = nil
    ) {
      precondition(mask == nil || activation == .relu || activation == .relu6)
      self.bias = bias
      self.residual = residual
      self.activation = activation
      self.mask = mask
      self.moments = moments
    }

    /// For an output that begins that many elements further; without moments.
    package func moved(by count: Int) -> Epilogue {
      Epilogue(
        bias: bias, residual: residual.map { $0 + count }, activation: activation, mask: mask.map { $0 + count })
    }

    /// For the channels from `channel` on of an output that begins at element `start` of the whole.
    func ck(from channel: Int, at start: Int = 0) -> ck_epilogue {
      let code =
        switch activation {
        case .relu: mask == nil ? CK_EPILOGUE_RELU : CK_EPILOGUE_RELU_GRADIENT
        case .relu6: mask == nil ? CK_EPILOGUE_RELU6 : CK_EPILOGUE_RELU6_GRADIENT
        default: CK_EPILOGUE_NONE
        }
      return ck_epilogue(
        bias: bias.map { $0 + channel }, residual: residual.map { $0 + start + channel },
        mask: mask.map { $0 + start + channel }, activation: Int32(code))
    }

    /// An activation that is too much for registers: applied to what has just been written.
    private var lateActivation: ActivationKernel? { activation == .relu || activation == .relu6 ? nil : activation }

    /// Whether ``finish(_:positions:channels:pixel:isa:)`` has anything to do.
    var isLate: Bool { lateActivation != nil }

    /// Applies such an activation to `channels` neighbours at each of some positions of y, `pixel` floats apart.
    func finish(_ y: Output, positions: Range<Int>, channels: Int, pixel: Int, isa: InstructionSet) {
      guard let lateActivation else { return }
      if channels == pixel {
        return lateActivation.map(y + positions.lowerBound * pixel, count: positions.count * pixel, isa: isa)
      }
      for position in positions { lateActivation.map(y + position * pixel, count: channels, isa: isa) }
    }

    /// Applies such an activation to all positions.
    func finish(_ y: Output, positions: Int, channels: Int, pixel: Int, pool: ThreadPool, isa: InstructionSet) {
      guard isLate else { return }
      pool.rowChunks(positions, width: channels) {
        finish(y, positions: $0, channels: channels, pixel: pixel, isa: isa)
      }
    }
  }

  /// y = epilogue(x * weights + ...), with weights from ``packForward(_:into:_:pool:isa:)``.
  package static func forward(
    _ x: Input, weights: Input, into y: Output, _ g: ConvGeometry, epilogue: Epilogue = Epilogue(), pool: ThreadPool,
    isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    let strides = ck_strides(extents: g.output, pixel: g.outPixel)
    if let group = g.channelwiseGroup(kernels) {
      let problem = ck_depthwise(
        patches: channelwisePatches(g.patches, channels: g.inChannels), strides: strides, group: group,
        epilogue: epilogue.ck(from: 0), x: x, weights: weights, y: y, is_cached: 0)
      let width = g.output.width
      depthwise(problem, lines: g.batch * g.output.depth * g.output.height, width: width, pool, kernels) { lines in
        epilogue.finish(
          y, positions: lines.lowerBound * width..<lines.upperBound * width, channels: g.outChannels,
          pixel: g.outPixel, isa: isa)
      }
      return
    }
    if let lines = ConvLines(forward: g, kernels) {
      let product = ck_product(
        patches: g.patches, strides: strides, epilogue: epilogue.ck(from: 0), x: x, weights: weights, y: y,
        columns: g.outChannels)
      let width = g.output.width
      lines.run(product, lines: g.batch * g.output.depth * g.output.height, pool: pool) { lines in
        epilogue.finish(
          y, positions: lines.lowerBound * width..<lines.upperBound * width, channels: g.outChannels,
          pixel: g.outPixel, isa: isa)
      }
      return
    }
    let joined = g.joiningNeighbors(kernels).joiningGroups(columns: g.groupOutChannels, kernels)
    withEpilogue(epilogue, of: g, in: joined) {
      patchProduct(x, weights: weights, into: y, joined, epilogue: $0, pool: pool, isa: isa)
    }
  }

  private static func patchProduct(
    _ x: Input, weights: Input, into y: Output, _ g: ConvGeometry, epilogue: Epilogue, pool: ThreadPool,
    isa: InstructionSet
  ) {
    let strides = ck_strides(extents: g.output, pixel: g.outPixel)
    let grid = patchGrid(g, isa.convolution)
    pool.parallel(g.groups * grid.count, cost: grid.cost) { task in
      let (group, block) = grid.place(task, copies: g.groups, threads: pool.threadCount)
      let channel = group * g.groupOutChannels
      var product = ck_product(
        patches: g.patches, strides: strides, epilogue: epilogue.ck(from: channel), x: x + group * g.groupInChannels,
        weights: weights + group * g.patchDepth * grid.panels.paddedCount, y: y + channel, columns: g.groupOutChannels)
      if let moments = epilogue.moments {
        product.moments = moments.ck(grid.rowBlock(of: block), from: channel)
      }
      guard epilogue.isLate else { return grid.run(block, of: &product, rows: g.outputRows) }
      grid.run(block, of: &product, rows: g.outputRows) { rows, columns in
        epilogue.finish(
          y + channel + columns.lowerBound, positions: rows, channels: columns.count, pixel: g.outPixel, isa: isa)
      }
    }
  }

  private static func patchGrid(_ g: ConvGeometry, _ kernels: ck_convolution_kernels) -> ProductGrid {
    ProductGrid(
      rows: g.outputRows, depth: g.patchDepth, columns: g.groupOutChannels, copies: g.groups, isDense: g.isDense,
      kernels)
  }

  /// How many parts the work of ``forward(_:weights:into:_:epilogue:pool:isa:)`` has, each of which takes the moments of
  /// what it writes; nil where it takes none.
  package static func momentParts(_ g: ConvGeometry, isa: InstructionSet = .best) -> Int? {
    let kernels = isa.convolution
    let joined = g.joiningNeighbors(kernels)
    guard g.patchDepth > 0, g.channelwiseGroup(kernels) == nil, ConvLines(forward: g, kernels) == nil,
      joined.outChannels == g.outChannels
    else { return nil }
    return patchGrid(joined.joiningGroups(columns: g.groupOutChannels, kernels), kernels).rowBlocks
  }

  /// dx = epilogue(the gradient of x from that of y), with weights from ``packInputGradient(_:into:_:pool:isa:)``. Writes every
  /// element of dx, zeros where no output depends on it.
  package static func inputGradient(
    _ dy: Input, weights: Input, into dx: Output, _ g: ConvGeometry, epilogue: Epilogue = Epilogue(),
    pool: ThreadPool, isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    let phases = ConvPhase.count(g)
    func finish() {
      epilogue.finish(
        dx, positions: g.batch * g.input.count, channels: g.inChannels, pixel: g.inPixel, pool: pool, isa: isa)
    }
    if let group = g.channelwiseGroup(kernels) {
      for index in 0..<phases {
        let phase = ConvPhase(index, of: g)
        guard phase.positions.count > 0 else { continue }
        let problem = ck_depthwise(
          patches: channelwisePatches(phase.patches(g), channels: g.inChannels), strides: phase.strides(g),
          group: group, epilogue: epilogue.ck(from: 0, at: phase.offset(g)), x: dy,
          weights: weights + inputGradientWeightsOffset(index, g, kernels),
          y: dx + phase.offset(g), is_cached: 0)
        depthwise(
          problem, lines: g.batch * phase.depth.count * phase.height.count, width: phase.width.count, pool, kernels)
      }
      finish()
      return
    }
    if let lines = ConvLines(inputGradient: g, kernels) {
      for index in 0..<phases {
        let phase = ConvPhase(index, of: g)
        guard phase.positions.count > 0 else { continue }
        let (lines, offset) = lines.phase(index, of: g)
        let product = ck_product(
          patches: phase.patches(g), strides: phase.strides(g),
          epilogue: epilogue.ck(from: 0, at: phase.offset(g)), x: dy, weights: weights + offset,
          y: dx + phase.offset(g), columns: g.inChannels)
        lines.run(product, lines: g.batch * phase.depth.count * phase.height.count, pool: pool)
      }
      finish()
      return
    }
    let g = g.joiningGroups(columns: g.groupInChannels, kernels)
    // The grid of the first phase, the largest, serves all.
    let first = ConvPhase(0, of: g)
    let grid = ProductGrid(
      rows: g.batch * first.positions.count, depth: divideUp(g.kernel.count, phases) * g.groupOutChannels,
      columns: g.groupInChannels, copies: g.groups * phases, isDense: g.isDense, kernels)
    // Neighbouring tasks share their weights, or, where those of all phases stay in a cache, patches and lines of dx.
    let isInterleaved = g.weightCount / g.groups <= ProductGrid.cachedWeights
    let tasksOfPhase = grid.count * g.groups
    pool.parallel(phases * tasksOfPhase, cost: grid.cost) { task in
      let (index, rest) =
        isInterleaved ? (task % phases, task / phases) : (task / tasksOfPhase, task % tasksOfPhase)
      let (group, block) = rest.quotientAndRemainder(dividingBy: grid.count)
      let phase = ConvPhase(index, of: g)
      let depth = phase.taps.count * g.groupOutChannels
      let packed = weights + inputGradientWeightsOffset(index, g, kernels) + group * depth * grid.panels.paddedCount
      let channel = group * g.groupInChannels
      var product = ck_product(
        patches: phase.patches(g), strides: phase.strides(g),
        epilogue: epilogue.ck(from: channel, at: phase.offset(g)), x: dy + group * g.groupOutChannels, weights: packed,
        y: dx + phase.offset(g) + channel,
        columns: g.groupInChannels)
      grid.run(block, of: &product, rows: g.batch * phase.positions.count)
    }
    finish()
  }

  /// What works channel by channel reads all channels as if they were of one group.
  static func channelwisePatches(_ patches: ck_patches, channels: Int) -> ck_patches {
    var patches = patches
    patches.channels = channels
    return patches
  }

  /// - Parameter finish: called with the lines that a task has written.
  private static func depthwise(
    _ problem: ck_depthwise, lines: Int, width: Int, _ pool: ThreadPool, _ kernels: ck_convolution_kernels,
    finish: (Range<Int>) -> Void = { _ in }
  ) {
    let g = problem.patches
    // Loads bound it: about four cycles for a tap of a vector, padding and stores included.
    let taps = g.kernel.depth * g.kernel.height * g.kernel.width * problem.group
    let cost = lines * width * (taps + 4) * g.channels / 4
    let block = divideUp(lines, min(lines, max(1, min(64, cost / 50_000))))
    pool.parallel(divideUp(lines, block), cost: cost) { task in
      let range = task * block..<min(lines, (task + 1) * block)
      withUnsafePointer(to: problem) { kernels.depthwise($0, range.lowerBound, range.upperBound) }
      finish(range)
    }
  }
}

/// How a product is cut into tasks, over rows and columns, by its shape alone.
struct ProductGrid {
  let panels: Panels
  /// Roughly, cycles of all copies.
  let cost: Int
  private let rowBlock: Int
  let rowBlocks: Int
  private let panelBlock: Int
  /// Whether the weights are less than what a thread reads and writes of the rows.
  private let prefersRows: Bool

  /// Tasks of one product.
  let count: Int

  /// - Parameters:
  ///   - copies: products of this shape that run together (groups, phases).
  ///   - isDense: whether x is the matrix of patches as it lies.
  init(
    rows: Int, depth: Int, columns: Int, copies: Int = 1, isDense: Bool = false, _ kernels: ck_convolution_kernels
  ) {
    panels = Panels(columns, kernels)
    let weights = depth * panels.paddedCount
    prefersRows = weights < rows * (depth + columns) / 2
    let products = weights * max(rows, 32) / 32
    // A multiply-accumulate of a vector every half cycle, or the weights' way from memory, whichever is longer.
    cost = copies * products
    let readsInPlace = isDense && depth <= kernels.direct_depth
    let tileRows = readsInPlace && depth.isMultiple(of: 1024) ? kernels.crowded_rows : kernels.tile_rows
    let tiles = max(1, divideUp(rows, tileRows))
    // What a task multiplies with each of its tiles should stay in the second-level cache; tiles that read in place
    // fetch the next panels while they multiply with a second one.
    let stripe = max(1, readsInPlace ? depth : min(depth, kernels.product_depth)) * kernels.tile_columns
    let fitting = min(kernels.product_panels, max(readsInPlace ? 2 : 1, Self.cachedWeights / stripe))
    // Each block of columns reads or copies the patches again; each block of rows reads the weights again, more than
    // once where sums are taken in several blocks; the last tasks leave threads idle: the best compromise, in cycles.
    let isBlocked = !readsInPlace && depth > kernels.product_depth
    let reading = readsInPlace ? weights / 8 : isBlocked ? weights / 4 : 0
    var best = (cost: Int.max, rowBlock: tiles, panelBlock: 1)
    for panelBlock in Self.sizes(panels.count, atMost: fitting) {
      let panelBlocks = divideUp(panels.count, panelBlock)
      let copying = panelBlocks * rows * depth / (readsInPlace ? 8 : 4)
      for rowBlock in Self.sizes(tiles, atMost: tiles) {
        let rowBlocks = divideUp(tiles, rowBlock)
        let tasks = rowBlocks * panelBlocks * copies
        let total = copies * (products + copying + rowBlocks * reading)
        let sum = total + total / tasks + tasks * Self.taskCycles
        if sum < best.cost { best = (sum, rowBlock, panelBlock) }
      }
    }
    panelBlock = best.panelBlock
    rowBlock = best.rowBlock * tileRows
    rowBlocks = divideUp(rows, rowBlock)
    count = rowBlocks * divideUp(panels.count, panelBlock)
  }

  /// Floats: half of a second-level cache.
  static let cachedWeights = 128 * 1024
  /// What a task costs before it does anything.
  private static let taskCycles = 4000

  /// Block sizes worth trying: all, a half, a third... down to one.
  private static func sizes(_ count: Int, atMost most: Int) -> [Int] {
    var sizes: [Int] = []
    var parts = max(1, divideUp(count, most))
    while true {
      let size = divideUp(count, parts)
      if size != sizes.last { sizes.append(size) }
      if size <= 1 { return sizes }
      parts = max(parts + 1, parts * 5 / 4)
    }
  }

  /// The copy and its block that are the `task`-th of all. Neighbours share their weights; but where the rows weigh
  /// more, each thread's stretch of the tasks is one of rows, with all columns.
  func place(_ task: Int, copies: Int, threads: Int) -> (copy: Int, block: Int) {
    let stretchRows = divideUp(rowBlocks, prefersRows ? min(rowBlocks, threads) : 1)
    let columns = count / rowBlocks
    let (stretch, rest) = task.quotientAndRemainder(dividingBy: stretchRows * columns * copies)
    let (column, row) = rest.quotientAndRemainder(dividingBy: min(stretchRows, rowBlocks - stretch * stretchRows))
    return (column / columns, column % columns * rowBlocks + stretch * stretchRows + row)
  }

  /// Of a task, which block of rows it has.
  func rowBlock(of task: Int) -> Int { task % rowBlocks }

  /// Runs one task; `rows` may be fewer than the grid was made for.
  func run(_ task: Int, of product: inout ck_product, rows: Int) {
    let (rows, panels) = region(task, rows: rows)
    guard !rows.isEmpty else { return }
    self.panels.kernels.product(&product, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
  }

  /// Runs one task and passes each part of its result on (rows and columns) while it is still in a cache.
  func run(
    _ task: Int, of product: inout ck_product, rows: Int,
    then finish: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    let (rows, panels) = region(task, rows: rows)
    let step = 8 * self.panels.kernels.tile_rows
    let columns =
      self.panels.first(panels.lowerBound)..<min(self.panels.columns, self.panels.first(panels.upperBound))
    for row in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      let part = row..<min(rows.upperBound, row + step)
      self.panels.kernels.product(&product, part.lowerBound, part.upperBound, panels.lowerBound, panels.upperBound)
      finish(part, columns)
    }
  }

  /// The rows and panels of a task.
  private func region(_ task: Int, rows: Int) -> (rows: Range<Int>, panels: Range<Int>) {
    let (column, row) = task.quotientAndRemainder(dividingBy: rowBlocks)
    let first = min(rows, row * rowBlock)
    return (
      first..<min(rows, first + rowBlock), column * panelBlock..<min(panels.count, (column + 1) * panelBlock)
    )
  }
}

extension ck_product {
  /// One whose moments nobody wants.
  init(
    patches: ck_patches, strides: ck_strides, epilogue: ck_epilogue, x: UnsafePointer<Float>,
    weights: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, columns: Int
  ) {
    self.init(
      patches: patches, strides: strides, epilogue: epilogue, x: x, weights: weights, y: y, columns: columns,
      moments: ck_moments())
  }
}

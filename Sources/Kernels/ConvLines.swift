import CKernels

/// A convolution of stride 1 along the width whose product has the taps of a kernel line side by side as columns
/// (`line_product` in `CKernels`). It fills vectors that few output channels would leave mostly empty, and copies no
/// patches.
struct ConvLines {
  /// Taps along the width, and along depth and height together.
  let taps: Int
  private(set) var planeTaps: Int
  /// Channels read for each tap, and output channels.
  let channels: Int
  let columns: Int
  let kernels: ck_convolution_kernels

  /// Columns of a kernel line, zeros included.
  var paddedCount: Int { roundUp(taps * columns, kernels.vector_width) }
  /// Rows of the weights: (tap along depth and height, channel).
  var rows: Int { planeTaps * channels }
  /// Floats of the weights.
  var weightsSize: Int { rows * paddedCount }

  /// Nil where the product of patches is faster.
  init?(forward g: ConvGeometry, _ kernels: ck_convolution_kernels) {
    self.init(g, channels: g.inChannels, columns: g.outChannels, kernels)
    let joined = g.joiningNeighbors(kernels)
    let patches = Convolution.patchCost(
      outputs: joined.output.width, depth: joined.patchDepth, lines: planeTaps, columns: joined.outChannels,
      isPadded: g.paddingBefore.width > 0, kernels)
    guard isFaster(than: patches, outputs: g.output.width, inputs: g.input.width, g.dilation.width) else { return nil }
  }

  /// Nil where the product of patches is faster.
  init?(inputGradient g: ConvGeometry, _ kernels: ck_convolution_kernels) {
    self.init(g, channels: g.outChannels, columns: g.inChannels, kernels)
    let patches = Convolution.patchCost(
      outputs: g.input.width, depth: rows * taps, lines: planeTaps, columns: columns,
      isPadded: (taps - 1) * g.dilation.width > g.paddingBefore.width, kernels)
    guard isFaster(than: patches, outputs: g.input.width, inputs: g.output.width, g.dilation.width) else { return nil }
  }

  /// Nil where the product of patches is faster.
  init?(weightGradient g: ConvGeometry, _ kernels: ck_convolution_kernels) {
    self.init(g, channels: g.inChannels, columns: g.outChannels, kernels)
    // What the taps of a position reach is dense only without dilation.
    guard g.dilation.width == 1, outerProductIsFaster(outputs: g.output.width, inputs: g.input.width) else {
      return nil
    }
  }

  private init?(_ g: ConvGeometry, channels: Int, columns: Int, _ kernels: ck_convolution_kernels) {
    guard g.isWhole, g.groups == 1, g.stride.width == 1, g.kernel.width > 1, g.kernel.count > 0, channels > 0,
      columns > 0
    else {
      return nil
    }
    taps = g.kernel.width
    planeTaps = g.kernel.depth * g.kernel.height
    self.channels = channels
    self.columns = columns
    self.kernels = kernels
  }

  // MARK: Costs of an output line, as those of `patchCost`

  private var vectors: Int { divideUp(columns, kernels.vector_width) }
  private var lineVectors: Int { paddedCount / kernels.vector_width }
  /// Weights and their gradients should stay in the second-level cache.
  private var fitsIntoCache: Bool { weightsSize <= 64 * 1024 }

  private func isFaster(than patches: Int, outputs: Int, inputs: Int, _ dilation: Int) -> Bool {
    // A kernel of its own, whose vectors run along the line.
    if channels == 1, columns == 1 { return fitsIntoCache }
    let reach = (taps - 1) * dilation
    // A tile of positions and what they reach are added up together.
    guard fitsIntoCache, paddedCount * (reach + kernels.tile_rows) <= kernels.line_floats else { return false }
    // Fewer sums at a time than that wait for one another.
    let positions = max(min(inputs, outputs + reach), divideUp(8, min(lineVectors, 2)))
    let lines = positions * (rows * lineVectors / 2 + 2 * lineVectors + 3) + outputs * vectors * (taps + 6)
    return lines + lines / 16 < patches
  }

  private func outerProductIsFaster(outputs: Int, inputs: Int) -> Bool {
    guard fitsIntoCache, columns * (taps + kernels.tile_rows) <= kernels.line_floats else { return false }
    let depth = rows * taps
    let patches = outputs * (depth * vectors / 2 + depth / 3 + 4 * planeTaps)
    let lines = min(inputs, outputs + taps - 1) * rows * lineVectors / 2 + 2 * rows * lineVectors
    return lines + lines / 8 < patches
  }

  /// Of one phase of the input gradient of a convolution with strides along depth or height, and where its weights
  /// start among those of all.
  func phase(_ index: Int, of g: ConvGeometry) -> (lines: ConvLines, offset: Int) {
    func planeTaps(_ index: Int) -> Int {
      let taps = ConvPhase(index, of: g).taps
      return taps.depth * taps.height
    }
    var lines = self
    lines.planeTaps = planeTaps(index)
    return (lines, (0..<index).reduce(0) { $0 + planeTaps($1) } * channels * paddedCount)
  }

  // MARK: Weights

  /// Packs the rows of the weights, each of which belongs to a tap along depth and height and a channel.
  ///
  /// - Parameters:
  ///   - source: the weight of a row's first tap along the width, by (plane tap, channel).
  ///   - tapStep: floats between neighbouring taps along the width, and columnStep between output channels.
  func pack(
    into packed: UnsafeMutablePointer<Float>, tapStep: Int, columnStep: Int, pool: ThreadPool,
    from source: (Int, Int) -> UnsafePointer<Float>
  ) {
    pool.parallel(planeTaps, cost: weightsSize) { plane in
      for channel in 0..<channels {
        let row = packed + (plane * channels + channel) * paddedCount
        kernels.pack(source(plane, channel), tapStep, columnStep, taps, columns, row, columns)
        (row + taps * columns).update(repeating: 0, count: paddedCount - taps * columns)
      }
    }
  }

  // MARK: Tasks

  /// Runs the product of each output line, and `finish` with the lines that a task has written.
  func run(
    _ product: ck_product, lines: Int, pool: ThreadPool, finish: (Range<Int>) -> Void = { _ in }
  ) {
    let outputs = product.patches.output.width
    let chunks = chunks(of: lines, outputs: outputs)
    pool.parallel(chunks.count, cost: cost(lines: lines, outputs: outputs)) { chunk in
      let range = chunks[chunk]
      withUnsafePointer(to: product) { kernels.line_product($0, range.lowerBound, range.upperBound) }
      finish(range)
    }
  }

  /// Output lines cut into tasks, by shape alone.
  private func chunks(of lines: Int, outputs: Int) -> Chunks {
    Chunks(of: lines, atMost: min(64, cost(lines: lines, outputs: outputs) / 40_000), leastSize: 1)
  }

  /// Roughly, cycles.
  func cost(lines: Int, outputs: Int) -> Int { lines * outputs * weightsSize / kernels.vector_width }
}

extension Convolution {
  /// Partial sums of the weights' gradient, over chunks of output lines.
  static func lineGradientChunks(_ lines: ConvLines, _ g: ConvGeometry) -> Chunks {
    let count = g.batch * g.output.depth * g.output.height
    let cost = lines.cost(lines: count, outputs: g.output.width)
    return Chunks(of: count, atMost: min(32, cost / 40_000), leastSize: divideUp(384, g.output.width))
  }

  static func lineWeightGradient(
    _ x: Input, _ dy: Input, into dw: Output, _ g: ConvGeometry, _ lines: ConvLines, workspace: Output,
    pool: ThreadPool
  ) {
    let chunks = lineGradientChunks(lines, g)
    let size = lines.weightsSize
    pool.parallel(chunks.count, cost: lines.cost(lines: chunks.length, outputs: g.output.width)) { chunk in
      var product = ck_outer_product(
        patches: g.patches, x: x, dy: dy, partial: workspace + chunk * size, columns: g.outChannels,
        dy_pixel: g.outChannels, partial_k: 0, partial_panel: 0, partial_depth: 0)
      lines.kernels.line_outer_product(&product, chunks[chunk].lowerBound, chunks[chunk].upperBound)
    }
    let taps = g.kernel.count
    pool.parallel(lines.rows, cost: size * (chunks.count + 4) / 4) { row in
      let (plane, channel) = row.quotientAndRemainder(dividingBy: lines.channels)
      let sums = workspace + row * lines.paddedCount
      lines.kernels.column_sums(sums, chunks.count, size, lines.paddedCount, sums)
      let to = dw + channel * taps + plane * lines.taps
      for tap in 0..<lines.taps {
        // The taps of a line come in reverse.
        let from = sums + (lines.taps - 1 - tap) * lines.columns
        for column in 0..<lines.columns { to[column * g.patchDepth + tap] = from[column] }
      }
    }
  }
}

import CKernels

/// A depthwise convolution, the 1x1 convolution that alone reads it (the projection), and the convolution before it if
/// nothing else reads that (the expansion): the separable convolutions of MobileNet (Howard et al., 2017) and the
/// inverted residuals of MobileNetV2 (Sandler et al., 2018). They run together a few lines at a time, so that what lies
/// between them, several times wider than input and output, stays in the second-level cache.
///
/// Results are the bits that the convolutions give one after another.
package struct SeparableConvolution: Sendable {
  package let expansion: ConvGeometry?
  package let depthwise: ConvGeometry
  package let projection: ConvGeometry
  private let isa: InstructionSet
  private let kernels: ck_convolution_kernels
  /// Output lines of a task.
  private let linesPerTask: Int
  private let tasksPerImage: Int
  private let slotCount: Int
  /// Lines of the expansion that a slot holds.
  private let capacity: Int

  /// Floats of lines that stay in a second-level cache beside the weights.
  private static let cachedLines = 64 * 1024

  /// Nil where the convolutions do not follow one another like this, or are better off alone: weights should stay in
  /// the second-level cache beside a few lines, and few small images leave tasks for few threads.
  package init?(
    expansion: ConvGeometry?, depthwise: ConvGeometry, projection: ConvGeometry, isa: InstructionSet = .best
  ) {
    let kernels = isa.convolution
    guard depthwise.isDepthwise, depthwise.kernel.depth == 1, depthwise.input.depth == 1, depthwise.output.depth == 1,
      projection.isDense, projection.batch == depthwise.batch, projection.input == depthwise.output,
      projection.inChannels == depthwise.outChannels, projection.outputCount > 0
    else { return nil }
    if let expansion {
      guard expansion.groups == 1, expansion.isProductOfPatches(kernels), expansion.batch == depthwise.batch,
        expansion.output == depthwise.input, expansion.outChannels == depthwise.inChannels
      else { return nil }
    }
    self.expansion = expansion
    self.depthwise = depthwise
    self.projection = projection
    self.isa = isa
    self.kernels = kernels

    let weights = (expansion?.weightCount ?? 0) + depthwise.weightCount + projection.weightCount
    let channels = depthwise.inChannels
    // Lines that an output line reads, and that the next one reads anew.
    let (reach, step) = ((depthwise.kernel.height - 1) * depthwise.dilation.height + 1, depthwise.stride.height)
    let narrow = depthwise.output.width * channels
    let wide = expansion == nil ? 0 : depthwise.input.width * channels
    let lines = depthwise.output.height
    func floats(_ count: Int) -> Int { count * narrow + ((count - 1) * step + reach) * wide }
    // Enough rows for a product's tile; then as many as leave enough tasks for threads to end together.
    let most = max(1, projection.batch * lines / 16)
    var count = 1
    while count < lines,
      count * depthwise.output.width < kernels.tile_rows || count < most && floats(count + 1) <= Self.cachedLines
    { count += 1 }
    tasksPerImage = divideUp(lines, count)
    guard weights <= ProductGrid.cachedWeights, floats(count) <= 2 * Self.cachedLines,
      projection.batch * tasksPerImage >= 8
    else { return nil }
    linesPerTask = divideUp(lines, tasksPerImage)
    let needed = (linesPerTask - 1) * step + reach
    capacity = wide == 0 ? 0 : max(needed, (Self.cachedLines - linesPerTask * narrow) / wide)
    slotCount = ThreadPool.slotCount(forTasks: projection.batch * tasksPerImage)
  }

  private var taskCount: Int { projection.batch * tasksPerImage }

  /// Roughly, cycles.
  private var cost: Int {
    let wide = expansion.map { $0.outputRows * $0.patchDepth * $0.outChannels } ?? 0
    return (wide + projection.outputRows * projection.inChannels * (depthwise.kernel.count + projection.outChannels))
      / 32
  }

  private var expandedLine: Int { depthwise.input.width * depthwise.inChannels }
  private var convolvedLine: Int { projection.input.width * projection.inChannels }
  private var slotSize: Int { capacity * expandedLine + linesPerTask * convolvedLine }

  /// Floats.
  package var workspaceSize: Int { slotCount * slotSize + 64 }

  /// Weights from ``Convolution/packForward(_:into:_:pool:isa:)`` and what their results go through.
  package struct Part {
    package var weights: Convolution.Input
    package var epilogue: Convolution.Epilogue

    package init(weights: Convolution.Input, epilogue: Convolution.Epilogue) {
      self.weights = weights
      self.epilogue = epilogue
    }
  }

  /// The lines of the expansion that a slot holds, from `base` up to `end`, and the task that left them.
  private struct Held {
    var task = -2
    var base = 0
    var end = 0
  }

  /// y = projection(depthwise(expansion(x))).
  ///
  /// - Parameters:
  ///   - expansion: nil where there is none.
  ///   - depthwise: like the expansion, without a residual.
  package func run(
    _ x: Convolution.Input, expansion: Part?, depthwise: Part, projection: Part, into y: Convolution.Output,
    workspace: Convolution.Output, pool: ThreadPool
  ) {
    let lines = self.projection.input.height
    withUnsafeTemporaryAllocation(of: Held.self, capacity: slotCount) { held in
      held.initialize(repeating: Held())
      pool.parallel(taskCount, slots: slotCount, cost: cost) { task, slot in
        let (image, band) = task.quotientAndRemainder(dividingBy: tasksPerImage)
        let range = band * linesPerTask..<min(lines, (band + 1) * linesPerTask)
        let expanded = workspace + slot * slotSize
        let convolved = expanded + capacity * expandedLine
        // Where the image's first line would be.
        let source: Convolution.Input
        if let expansion {
          let needed = linesRead(by: range)
          let isNext = band > 0 && held[slot].task == task - 1
          if !isNext { held[slot] = Held(base: needed.lowerBound, end: needed.lowerBound) }
          held[slot].task = task
          expand(x, expansion, image: image, lines: needed, held: &held[slot], into: expanded)
          source = UnsafePointer(expanded) - held[slot].base * expandedLine
        } else {
          source = x + image * self.depthwise.input.count * self.depthwise.inPixel
        }
        convolve(source, depthwise, lines: range, into: convolved)
        project(convolved, projection, image: image, lines: range, into: y)
      }
    }
  }

  /// The input lines of the depthwise convolution that some output lines depend on.
  private func linesRead(by lines: Range<Int>) -> Range<Int> {
    let first = lines.lowerBound * depthwise.stride.height - depthwise.paddingBefore.height
    let last = (lines.upperBound - 1) * depthwise.stride.height - depthwise.paddingBefore.height
    let end = last + (depthwise.kernel.height - 1) * depthwise.dilation.height + 1
    let most = depthwise.input.height
    let from = max(0, min(first, most))
    return from..<max(from, min(end, most))
  }

  /// Computes those lines of an image's expansion that are not there yet.
  private func expand(
    _ x: Convolution.Input, _ part: Part, image: Int, lines: Range<Int>, held: inout Held,
    into expanded: Convolution.Output
  ) {
    guard let g = expansion else { return }
    if lines.upperBound - held.base > capacity {
      // What is needed again moves to the front.
      let kept = max(0, held.end - lines.lowerBound)
      expanded.update(
        from: expanded + (lines.lowerBound - held.base) * expandedLine, count: kept * expandedLine)
      held.base = lines.lowerBound
      held.end = lines.lowerBound + kept
    }
    guard held.end < lines.upperBound else { return }
    let width = g.output.width
    let y = expanded - held.base * expandedLine
    multiply(
      g, x + image * g.input.count * g.inPixel, part, rows: held.end * width..<lines.upperBound * width,
      pixel: g.outChannels, into: y, at: 0)
    part.epilogue.finish(
      expanded, positions: (held.end - held.base) * width..<(lines.upperBound - held.base) * width,
      channels: g.outChannels, pixel: g.outChannels, isa: isa)
    held.end = lines.upperBound
  }

  private func convolve(
    _ source: Convolution.Input, _ part: Part, lines: Range<Int>, into convolved: Convolution.Output
  ) {
    let g = depthwise
    let problem = ck_depthwise(
      patches: Convolution.channelwisePatches(g.patches, channels: g.inChannels),
      strides: ck_strides(extents: g.output, pixel: g.outChannels), group: 1, epilogue: part.epilogue.ck(from: 0),
      x: source, weights: part.weights, y: convolved - lines.lowerBound * convolvedLine,
      is_cached: expansion == nil ? 0 : 1)
    withUnsafePointer(to: problem) { kernels.depthwise($0, lines.lowerBound, lines.upperBound) }
    part.epilogue.finish(
      convolved, positions: 0..<lines.count * g.output.width, channels: g.outChannels, pixel: g.outChannels, isa: isa)
  }

  private func project(
    _ convolved: Convolution.Output, _ part: Part, image: Int, lines: Range<Int>, into y: Convolution.Output
  ) {
    let g = projection
    let rows = lines.lowerBound * g.output.width..<lines.upperBound * g.output.width
    let start = image * g.output.count * g.outPixel
    multiply(
      g, UnsafePointer(convolved) - lines.lowerBound * convolvedLine, part, rows: rows, pixel: g.outPixel,
      into: y + start, at: start)
    part.epilogue.finish(y + start, positions: rows, channels: g.outChannels, pixel: g.outPixel, isa: isa)
  }

  /// Some rows of an image's product.
  ///
  /// - Parameter start: where y begins in the whole output.
  private func multiply(
    _ g: ConvGeometry, _ x: Convolution.Input, _ part: Part, rows: Range<Int>, pixel: Int,
    into y: Convolution.Output, at start: Int
  ) {
    let panels = Panels(g.outChannels, kernels)
    var product = ck_product(
      patches: g.patches, strides: ck_strides(extents: g.output, pixel: pixel),
      epilogue: part.epilogue.ck(from: 0, at: start), x: x, weights: part.weights, y: y, columns: g.outChannels)
    for panel in stride(from: 0, to: panels.count, by: kernels.product_panels) {
      kernels.product(
        &product, rows.lowerBound, rows.upperBound, panel, min(panels.count, panel + kernels.product_panels))
    }
  }
}

extension ConvGeometry {
  /// Whether its forward pass is a product of patches with weights in plain panels, if it is direct.
  fileprivate func isProductOfPatches(_ kernels: ck_convolution_kernels) -> Bool {
    groups == 1 && ConvLines(forward: self, kernels) == nil && joiningNeighbors(kernels) == self
  }
}

import CKernels

/// A 1x1 convolution of channels that are normalised first: what a dense block does with everything before it. A few
/// rows at a time are normalised into a buffer in the second-level cache and multiplied there, so that the normalised
/// tensor never exists.
package struct NormalizedProduct: Sendable {
  package let geometry: ConvGeometry
  private let isa: InstructionSet
  private let kernels: ck_convolution_kernels
  private let rowsPerTask: Int
  private let taskCount: Int
  private let slotCount: Int
  /// Floats between the rows of the buffer; not a power of two, which would crowd few places of the cache.
  private let pixel: Int

  /// Nil unless the convolution has one tap, no stride, no padding and no groups.
  package init?(_ g: ConvGeometry, isa: InstructionSet = .best) {
    guard g.isDense, g.inChannels > 0, g.inChannels <= 4096 else { return nil }
    geometry = g
    self.isa = isa
    kernels = isa.convolution
    pixel = g.inChannels + 16
    // Beside the weights that pass through.
    let fitting = max(1, 40 * 1024 / pixel / kernels.tile_rows)
    rowsPerTask = min(fitting, divideUp(g.outputRows, 8 * kernels.tile_rows)) * kernels.tile_rows
    taskCount = divideUp(g.outputRows, max(1, rowsPerTask))
    slotCount = ThreadPool.slotCount(forTasks: taskCount)
  }

  private var slotSize: Int { rowsPerTask * pixel }

  /// Floats.
  package var workspaceSize: Int { slotCount * slotSize + 64 }

  /// y = epilogue(weights * activation((x - mean) * scale + shift)), with the channels of x in several tensors.
  ///
  /// - Parameters:
  ///   - norm: per channel; with 256 bytes of slack.
  ///   - weights: from ``Convolution/packForward(_:into:_:pool:isa:)``.
  ///   - epilogue: with no residual, and ReLU or ReLU6 if anything.
  package func run(
    _ pieces: [(x: UnsafePointer<Float>, channels: Int)], norm: BatchNormKernel.Inference, weights: Convolution.Input,
    into y: Convolution.Output, epilogue: Convolution.Epilogue, workspace: Convolution.Output, pool: ThreadPool
  ) {
    let g = geometry
    let pieces = pieces.map { (x: ChannelRows($0.x, pixel: $0.channels), channels: $0.channels) }
    let panels = Panels(g.outChannels, kernels)
    let cost = g.outputRows * g.inChannels * (panels.paddedCount / 32 + 1)
    pool.parallel(taskCount, slots: slotCount, cost: cost) { task, slot in
      let rows = task * rowsPerTask..<min(g.outputRows, (task + 1) * rowsPerTask)
      let normalized = workspace + slot * slotSize
      norm.apply(pieces, rows: rows, into: normalized, pixel: pixel, isa: isa)
      var patches = ConvGeometry.linear(rows: rows.count, inputs: g.inChannels, outputs: g.outChannels).patches
      patches.pixel = pixel
      let strides = ck_strides(
        extents: SpatialExtents(1, 1, rows.count), pixel: g.outChannels)
      var product = ck_product(
        patches: patches, strides: strides, epilogue: epilogue.ck(from: 0), x: normalized, weights: weights,
        y: y + rows.lowerBound * g.outChannels, columns: g.outChannels)
      for panel in stride(from: 0, to: panels.count, by: kernels.product_panels) {
        kernels.product(&product, 0, rows.count, panel, min(panels.count, panel + kernels.product_panels))
      }
    }
  }
}

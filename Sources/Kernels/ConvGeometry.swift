import CKernels

/// Three spatial extents; convolutions of one or two dimensions have leading ones.
package struct SpatialExtents: Hashable, Sendable {
  package var depth: Int
  package var height: Int
  package var width: Int

  package init(_ depth: Int, _ height: Int, _ width: Int) {
    self.depth = depth
    self.height = height
    self.width = width
  }

  package static let one = SpatialExtents(1, 1, 1)
  package static let zero = SpatialExtents(0, 0, 0)

  package var count: Int { depth * height * width }

  var ck: ck_extents { ck_extents(depth: depth, height: height, width: width) }

  static func zip(_ a: SpatialExtents, _ b: SpatialExtents, _ combine: (Int, Int) -> Int) -> SpatialExtents {
    SpatialExtents(combine(a.depth, b.depth), combine(a.height, b.height), combine(a.width, b.width))
  }
}

/// The sizes of one convolution, of one to three spatial dimensions.
///
/// Activations are channels last: x is `[batch, depth, height, width, inChannels]` and y
/// `[batch, depth, height, width, outChannels]`. Weights are in PyTorch's order,
/// `[outChannels, inChannels / groups, depth, height, width]`. The padding after the input's end is what `output`
/// implies; an output may also stop short of the input's end.
package struct ConvGeometry: Hashable, Sendable {
  package var batch: Int
  package var inChannels: Int
  package var outChannels: Int
  package var groups: Int
  package var input: SpatialExtents
  package var kernel: SpatialExtents
  package var stride: SpatialExtents
  package var dilation: SpatialExtents
  package var paddingBefore: SpatialExtents
  package var output: SpatialExtents
  /// Floats between neighbouring positions of x, and of y: more than their channels where they are slices of wider
  /// tensors.
  package var inPixel: Int
  package var outPixel: Int

  package init(
    batch: Int, inChannels: Int, outChannels: Int, groups: Int = 1, input: SpatialExtents, kernel: SpatialExtents,
    stride: SpatialExtents = .one, dilation: SpatialExtents = .one, paddingBefore: SpatialExtents = .zero,
    output: SpatialExtents, inPixel: Int? = nil, outPixel: Int? = nil
  ) {
    self.batch = batch
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.groups = groups
    self.input = input
    self.kernel = kernel
    self.stride = stride
    self.dilation = dilation
    self.paddingBefore = paddingBefore
    self.output = output
    self.inPixel = inPixel ?? inChannels
    self.outPixel = outPixel ?? outChannels
  }

  /// A linear layer, x `[rows, inputs]`, weights `[outputs, inputs]`, y `[rows, outputs]`: a convolution of one tap
  /// over a line of `rows` positions.
  package static func linear(rows: Int, inputs: Int, outputs: Int) -> ConvGeometry {
    let line = SpatialExtents(1, 1, rows)
    return ConvGeometry(
      batch: 1, inChannels: inputs, outChannels: outputs, input: line, kernel: .one, output: line)
  }

  /// Whether x and y are whole tensors, not slices of wider ones.
  var isWhole: Bool { inPixel == inChannels && outPixel == outChannels }

  /// Floats in x, y, and the weights.
  package var inputCount: Int { batch * input.count * inChannels }
  package var outputCount: Int { batch * output.count * outChannels }
  package var weightCount: Int { outChannels * groupInChannels * kernel.count }

  /// Whether each channel is convolved by itself, with one output channel each.
  package var isDepthwise: Bool { groups > 1 && groups == inChannels && groups == outChannels }

  /// Whether this is one matrix product of x and y as they lie: one tap, no stride, no padding.
  var isDense: Bool {
    groups == 1 && kernel == .one && stride == .one && paddingBefore == .zero && input == output
  }

  /// The groups whose products are computed as one, with zeros between their weights, so that together they fill the
  /// vector that each would take; patches are then copied in longer pieces. An infinity or NaN in one group becomes NaN
  /// in those joined with it.
  ///
  /// - Parameter columns: channels of a group along the vector: those that the product writes.
  func joiningGroups(columns: Int, _ kernels: ck_convolution_kernels) -> ConvGeometry {
    guard groups > 1, !isDepthwise else { return self }
    let most = min(groups, kernels.vector_width / columns)
    var joined = self
    joined.groups = groups / (Swift.stride(from: most, to: 1, by: -1).first { groups % $0 == 0 } ?? 1)
    return joined
  }

  package var groupInChannels: Int { inChannels / groups }
  package var groupOutChannels: Int { outChannels / groups }
  /// Rows of the matrix of patches.
  var outputRows: Int { batch * output.count }
  /// Columns of the matrix of patches of one group.
  var patchDepth: Int { kernel.count * groupInChannels }

  var patches: ck_patches {
    ck_patches(
      input: input.ck, output: output.ck, kernel: kernel.ck, stride: stride.ck, dilation: dilation.ck,
      padding: paddingBefore.ck, channels: groupInChannels, pixel: inPixel)
  }
}

extension ck_strides {
  /// Of a channels-last array whose positions are `pixel` floats apart.
  init(extents: SpatialExtents, pixel: Int) {
    self.init(
      batch: extents.count * pixel, depth: extents.height * extents.width * pixel, height: extents.width * pixel,
      width: pixel)
  }
}

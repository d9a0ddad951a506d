import CKernels

extension ConvGeometry {
  /// The same convolution with several outputs that are neighbours along the width taken as one of more channels, so
  /// that few channels fill a vector: it has longer strides and kernel lines, with zeros where a tap is not one of a
  /// neighbour's. Itself where that saves nothing.
  func joiningNeighbors(_ kernels: ck_convolution_kernels) -> ConvGeometry {
    guard isWhole, groups == 1, dilation.width == 1, kernel.width > 1, outChannels > 0 else { return self }
    let counts = (1...max(1, kernels.vector_width / outChannels)).filter { output.width.isMultiple(of: $0) }
    return counts.map { joining($0) }.min { $0.patchCost(kernels) < $1.patchCost(kernels) } ?? self
  }

  private func joining(_ count: Int) -> ConvGeometry {
    var joined = self
    joined.outChannels *= count
    joined.outPixel *= count
    joined.output.width /= count
    joined.kernel.width += (count - 1) * stride.width
    joined.stride.width *= count
    return joined
  }

  private func patchCost(_ kernels: ck_convolution_kernels) -> Int {
    Convolution.patchCost(
      outputs: output.width, depth: patchDepth, lines: kernel.depth * kernel.height, columns: outChannels,
      isPadded: paddingBefore.width > 0, kernels)
  }
}

extension Convolution {
  /// About the cycles that the product of patches, of `depth` elements in `lines` kernel lines, takes for an output
  /// line, fitted to measurements: two multiply-accumulates of vectors in each, and copies or stores.
  static func patchCost(
    outputs: Int, depth: Int, lines: Int, columns: Int, isPadded: Bool, _ kernels: ck_convolution_kernels
  ) -> Int {
    let vectors = divideUp(columns, kernels.vector_width)
    let copies = isPadded || depth > kernels.product_depth
    return outputs * (depth * vectors / 2 + (copies ? depth / 3 + 8 * lines : 6 * vectors))
  }

  /// The epilogue of a convolution of which `joined` takes several neighbouring outputs as one.
  static func withEpilogue(
    _ epilogue: Epilogue, of g: ConvGeometry, in joined: ConvGeometry, _ body: (Epilogue) -> Void
  ) {
    guard let bias = epilogue.bias, joined.outChannels > g.outChannels else { return body(epilogue) }
    // With room for reading past its end.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: joined.outChannels + 64) { repeated in
      for index in 0..<joined.outChannels { repeated[index] = bias[index % g.outChannels] }
      var epilogue = epilogue
      epilogue.bias = repeated.baseAddress.map { Input($0) }
      body(epilogue)
    }
  }
}

extension Panels {
  /// Packs the weights `[columns, channels, kernel...]` of a convolution for `joined`, which takes several neighbours
  /// of its outputs as one.
  func packNeighbors(
    of g: ConvGeometry, in joined: ConvGeometry, _ weights: UnsafePointer<Float>,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let width = width(0)
    packed.update(repeating: 0, count: joined.patchDepth * width)
    for neighbor in 0..<joined.outChannels / g.outChannels {
      for tap in 0..<g.kernel.count {
        let (line, column) = tap.quotientAndRemainder(dividingBy: g.kernel.width)
        let row = (line * joined.kernel.width + column + neighbor * g.stride.width) * g.inChannels
        for channel in 0..<g.inChannels {
          let to = packed + (row + channel) * width + neighbor * g.outChannels
          let from = weights + channel * g.kernel.count + tap
          for output in 0..<g.outChannels { to[output] = from[output * g.patchDepth] }
        }
      }
    }
  }
}

import Graph
import Kernels

extension Lowering {
  /// Emits a copy through strides. `clears`: whether elements that the copy does not reach become zero.
  private mutating func emitCopy(
    _ kernel: String, from source: Int, offset: Int = 0, strides: [Int], to target: Int,
    targetOffset: Int = 0, targetStrides: [Int], extents: [Int], clears: Bool = false
  ) {
    let count = values[target].type.shape.elementCount
    emit(kernel, inputs: [source], outputs: [target]) { call in
      if clears { CopyKernel.fill(call.output(), count: count, value: 0, pool: call.pool) }
      CopyKernel.strided(
        from: call.input(0) + offset, strides, to: call.output() + targetOffset, targetStrides, extents: extents,
        pool: call.pool)
    }
  }

  mutating func transpose(_ permutation: [Int], _ node: Graph.Node) {
    // Channels moved to the end and read as row major are those in front and read as channels last: the same bytes.
    let axes = Array(permutation.indices)
    let channelsToEnd = Layout.channelsLast.physical(axes)
    let channelsToFront = axes.map { Layout.channelsLast.physicalAxis($0, rank: axes.count) }
    if permutation == channelsToEnd, permutation != channelsToFront || has(node.inputs[0], .channelsLast) {
      return alias(node.outputs[0], of: value(node.inputs[0], .channelsLast), .rowMajor)
    }
    if permutation == channelsToFront {
      return alias(node.outputs[0], of: value(node.inputs[0], .rowMajor), .channelsLast)
    }
    let (input, result) = (shape(node.inputs[0]), shape(node.outputs[0]))
    let strides = input.strides
    let source = value(node.inputs[0], .rowMajor)
    emitCopy(
      "transpose", from: source, strides: permutation.map { strides[$0] },
      to: output(node.outputs[0], .rowMajor), targetStrides: result.strides, extents: result.dimensions)
  }

  mutating func broadcast(_ node: Graph.Node) {
    let (input, result) = (shape(node.inputs[0]), shape(node.outputs[0]))
    let layout: Layout = input.rank == result.rank ? commonLayout(node.inputs) : .rowMajor
    let source = value(node.inputs[0], layout)
    emitCopy(
      "broadcast", from: source, strides: layout.physical(broadcastStrides(input, layout, to: result)),
      to: output(node.outputs[0], layout), targetStrides: Shape(layout.physical(result)).strides,
      extents: layout.physical(result))
  }

  mutating func slice(_ attributes: SliceAttributes, _ node: Graph.Node) {
    if has(node.outputs[0], .channelsLast) { return }
    if let view = channelView(attributes, node) {
      slices[node.outputs[0]] = view
      return
    }
    let layout = commonLayout(node.inputs)
    let region = region(attributes, of: shape(node.inputs[0]), layout)
    let extents = layout.physical(attributes.counts)
    let source = value(node.inputs[0], layout)
    emitCopy(
      "slice", from: source, offset: region.offset, strides: region.strides,
      to: output(node.outputs[0], layout), targetStrides: Shape(extents).strides, extents: extents)
  }

  mutating func sliceGradient(_ attributes: SliceAttributes, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let region = region(attributes, of: shape(node.outputs[0]), layout)
    let extents = layout.physical(attributes.counts)
    let source = value(node.inputs[0], layout)
    emitCopy(
      "slice_gradient", from: source, strides: Shape(extents).strides,
      to: output(node.outputs[0], layout), targetOffset: region.offset, targetStrides: region.strides,
      extents: extents, clears: true)
  }

  /// Where a slice lies in a dense tensor: the offset of its first element and its strides, in memory order.
  private func region(_ slice: SliceAttributes, of shape: Shape, _ layout: Layout) -> (offset: Int, strides: [Int]) {
    let strides = Shape(layout.physical(shape)).strides
    let offset = zip(layout.physical(slice.starts), strides).reduce(0) { $0 + $1.0 * $1.1 }
    return (offset, zip(layout.physical(slice.steps), strides).map { $0 * $1 })
  }

  mutating func pad(_ before: [Int], _ after: [Int], _ padValue: Double, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let extents = layout.physical(shape(node.inputs[0]))
    let (before, after) = (layout.physical(before), layout.physical(after))
    let inputs = [value(node.inputs[0], layout)]
    emit("pad", inputs: inputs, outputs: [output(node.outputs[0], layout)]) { call in
      CopyKernel.pad(
        call.input(0), call.output(), extents: extents, before: before, after: after, value: Float(padValue),
        pool: call.pool)
    }
  }
}

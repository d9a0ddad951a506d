import Graph
import Kernels

extension Lowering {
  mutating func reduce(_ reduction: Reduction, _ axes: [Int], _ keepsDimensions: Bool, _ node: Graph.Node) {
    let input = shape(node.inputs[0])
    // The axes that stay must be in the order of the output's own layout.
    let keepsChannelsAndSpace = !axes.contains(1) && (2..<max(2, input.rank)).contains { !axes.contains($0) }
    var layout = commonLayout(node.inputs)
    if !keepsDimensions && keepsChannelsAndSpace { layout = .rowMajor }
    var extents = layout.physical(input)
    var physicalAxes = Set(axes.map { layout.physicalAxis($0, rank: input.rank) })
    var x: ChannelSlice?
    if node.operation.reducesAllButChannels(of: input.rank), layout == .channelsLast, input[1] > 1 {
      x = sliceInput(node.inputs[0])
      (extents, physicalAxes) = ([input.elementCount / input[1], input[1]], [0])
    }
    let pixel = x?.pixel
    let kernel: ReductionKernel =
      switch reduction {
      case .sum: .sum
      case .mean: .mean
      case .maximum: .maximum
      case .minimum: .minimum
      case .product: .product
      }
    let result = output(node.outputs[0], keepsDimensions ? layout : .rowMajor)
    let bytes = ReductionKernel.workspaceBytes(extents: extents, axes: physicalAxes)
    emit(
      reduction.rawValue, inputs: [x?.value ?? value(node.inputs[0], layout)], outputs: [result],
      workspaceBytes: max(8, bytes)
    ) { [extents, physicalAxes] call in
      kernel.apply(
        call.input(0), call.output(), extents: extents, axes: physicalAxes, pixel: pixel, workspace: call.workspace,
        pool: call.pool)
    }
  }

  /// The extents before, along and after an axis in memory order.
  func split(_ shape: Shape, _ axis: Int, _ layout: Layout) -> (outer: Int, count: Int, inner: Int) {
    let extents = layout.physical(shape)
    let position = layout.physicalAxis(axis, rank: shape.rank)
    return (extents[..<position].reduce(1, *), extents[position], extents[(position + 1)...].reduce(1, *))
  }

  mutating func softmax(_ axis: Int, isLog: Bool, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let (outer, count, inner) = split(shape(node.inputs[0]), axis, layout)
    let inputs = [value(node.inputs[0], layout)]
    emit(node.operation.name, inputs: inputs, outputs: [output(node.outputs[0], layout)], inPlaceInput: 0) { call in
      SoftmaxKernel.forward(
        call.input(0), call.output(), outer: outer, n: count, inner: inner, logarithm: isLog, pool: call.pool)
    }
  }

  mutating func softmaxGradient(_ axis: Int, _ isLog: Bool, _ node: Graph.Node) {
    let layout = commonLayout(node.inputs)
    let (outer, count, inner) = split(shape(node.inputs[0]), axis, layout)
    let inputs = node.inputs.map { value($0, layout) }
    emit(node.operation.name, inputs: inputs, outputs: [output(node.outputs[0], layout)], inPlaceInput: 0) { call in
      SoftmaxKernel.backward(
        call.input(0), call.input(1), call.output(), outer: outer, n: count, inner: inner, logarithm: isLog,
        pool: call.pool)
    }
  }

  mutating func crossEntropy(_ smoothing: Double, _ isWeighted: Bool, _ node: Graph.Node) {
    let logits = shape(node.inputs[0])
    let kernel = CrossEntropyKernel(
      rows: logits.elementCount / max(1, logits[1]), classes: logits[1], smoothing: smoothing)
    let inputs = [value(node.inputs[0], .channelsLast)] + node.inputs[1...].map { value($0, .rowMajor) }
    emit(
      "cross_entropy", inputs: inputs, outputs: [output(node.outputs[0], .rowMajor)],
      workspaceBytes: kernel.workspaceBytes
    ) { call throws(ExecutionError) in
      do throws(LabelOutOfRange) {
        call.output()[0] = try kernel.forward(
          call.input(0), labels: call.input(1, as: Int32.self), weights: isWeighted ? call.input(2) : nil,
          workspace: call.workspace, pool: call.pool)
      } catch {
        throw ExecutionError(description: error.description)
      }
    }
  }

  mutating func crossEntropyGradient(_ smoothing: Double, _ isWeighted: Bool, _ node: Graph.Node) {
    let logits = shape(node.inputs[1])
    let kernel = CrossEntropyKernel(
      rows: logits.elementCount / max(1, logits[1]), classes: logits[1], smoothing: smoothing)
    let inputs =
      [value(node.inputs[0], .rowMajor), value(node.inputs[1], .channelsLast)]
      + node.inputs[2...].map { value($0, .rowMajor) }
    let result = output(node.outputs[0], .channelsLast)
    emit("cross_entropy_gradient", inputs: inputs, outputs: [result]) { call throws(ExecutionError) in
      let (labels, weights) = (call.input(2, as: Int32.self), isWeighted ? call.input(3) : nil)
      do throws(LabelOutOfRange) {
        try kernel.backward(
          call.input(1), labels: labels, weights: weights, dloss: call.input(0)[0], dlogits: call.output(),
          pool: call.pool)
      } catch {
        throw ExecutionError(description: error.description)
      }
    }
  }
}

extension Operation {
  /// Whether it reduces a tensor of that rank to a vector of its channels.
  func reducesAllButChannels(of rank: Int) -> Bool {
    guard case .reduce(_, let axes, _) = self else { return false }
    return rank > 2 && axes == [0] + Array(2..<rank)
  }
}

import Graph
import Kernels

extension Lowering {
  /// Rows and channels of a channels-last tensor.
  private func rows(_ id: Graph.ValueID) -> (rows: Int, channels: Int) {
    let shape = shape(id)
    return (shape.elementCount / max(1, shape[1]), shape[1])
  }

  mutating func batchNorm(_ epsilon: Double, _ activation: UnaryFunction?, _ node: Graph.Node) {
    if let reader = normalizingReader(of: node) {
      normsOfReaders[reader.outputs[0]] = node
      return
    }
    let (rows, channels) = rows(node.inputs[0])
    let pieces = (pieces[node.inputs[0]] ?? [node.inputs[0]]).map { (value($0, .channelsLast), shape($0)[1]) }
    let inputs = pieces.map(\.0) + node.inputs[1...].map { value($0, .rowMajor) }
    let widths = pieces.map(\.1)
    let activation = ActivationKernel.epilogue(activation)
    emit(
      pieces.count == 1 ? "batch_norm" : "joining_batch_norm", inputs: inputs,
      outputs: [output(node.outputs[0], .channelsLast)], workspaceBytes: channels * 4,
      inPlaceInput: pieces.count == 1 ? 0 : nil
    ) { call in
      let factor = call.workspace.assumingMemoryBound(to: Float.self)
      let first = widths.count
      BatchNormKernel.scale(
        gamma: call.input(first), variance: call.input(first + 3), epsilon: epsilon, into: factor, channels: channels)
      var pieces: [(UnsafePointer<Float>, Int)] = []
      for (index, width) in widths.enumerated() { pieces.append((call.input(index), width)) }
      BatchNormKernel.inference(
        pieces, call.output(), rows: rows, mean: call.input(first + 2), scale: factor, shift: call.input(first + 1),
        activation: activation, pool: call.pool)
    }
  }

  mutating func batchNormTraining(
    _ epsilon: Double, _ momentum: Double, _ activation: UnaryFunction?, _ node: Graph.Node
  ) {
    let (rows, channels) = rows(node.inputs[0])
    let inputs = [value(node.inputs[0], .channelsLast)] + node.inputs[1...].map { value($0, .rowMajor) }
    let outputs = [output(node.outputs[0], .channelsLast)] + node.outputs[1...].map { output($0, .rowMajor) }
    let activation = ActivationKernel.epilogue(activation)
    // Saved statistics, too, are in what the gradient keeps.
    let recomputation = Recomputation(
      kernel: "batch_norm_again", inputs: [inputs[0], inputs[1], inputs[2], outputs[1], outputs[2]],
      workspaceBytes: channels * 4
    ) { call in
      let scale = call.workspace.assumingMemoryBound(to: Float.self)
      BatchNormKernel.scale(
        gamma: call.input(1), savedInverseDeviation: call.input(4), into: scale, channels: channels)
      BatchNormKernel.inference(
        call.input(0), call.output(), rows: rows, channels: channels, mean: call.input(3), scale: scale,
        shift: call.input(2), activation: activation, pool: call.pool)
    }
    emit(
      "batch_norm_training", inputs: inputs, outputs: outputs,
      workspaceBytes: BatchNormKernel.workspaceBytes(rows: rows, channels: channels), inPlaceInput: 0,
      recomputation: recomputation
    ) { call in
      let (mean, variance) = (call.output(3), call.output(4))
      mean.replace(with: call.input(3), count: channels)
      variance.replace(with: call.input(4), count: channels)
      BatchNormKernel.forward(
        call.input(0), call.output(), rows: rows, channels: channels, gamma: call.input(1), beta: call.input(2),
        epsilon: epsilon, momentum: momentum, running: (mean, variance), savedMean: call.output(1),
        savedInverseDeviation: call.output(2), activation: activation, workspace: call.workspace, pool: call.pool)
    }
  }

  mutating func batchNormGradient(_ node: Graph.Node) {
    let (rows, channels) = rows(node.inputs[1])
    let fusesReLU = node.inputs.count == 6
    let inputs = node.inputs.enumerated().map { position, id in
      value(id, position < 2 || position == 5 ? .channelsLast : .rowMajor)
    }
    let outputs = [output(node.outputs[0], .channelsLast)] + node.outputs[1...].map { output($0, .rowMajor) }
    emit(
      "batch_norm_gradient", inputs: inputs, outputs: outputs,
      workspaceBytes: BatchNormKernel.workspaceBytes(rows: rows, channels: channels), inPlaceInput: 0
    ) { call in
      BatchNormKernel.backward(
        call.input(0), x: call.input(1), y: fusesReLU ? call.input(5) : nil, rows: rows, channels: channels,
        gamma: call.input(2), savedMean: call.input(3), savedInverseDeviation: call.input(4), dx: call.output(),
        dgamma: call.output(1), dbeta: call.output(2), workspace: call.workspace, pool: call.pool)
    }
  }
}

extension UnsafeMutablePointer<Float> {
  /// Copies, unless both are the same memory.
  func replace(with source: UnsafePointer<Float>, count: Int) {
    if UnsafePointer(self) != source { update(from: source, count: count) }
  }
}

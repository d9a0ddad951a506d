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
      var pieces: [(ChannelRows, Int)] = []
      for (index, width) in widths.enumerated() {
        pieces.append((ChannelRows(call.input(index), pixel: width), width))
      }
      BatchNormKernel.inference(
        pieces, call.output(), rows: rows, mean: call.input(first + 2), scale: factor, shift: call.input(first + 1),
        activation: activation, pool: call.pool)
    }
  }

  mutating func batchNormTraining(
    _ epsilon: Double, _ momentum: Double, _ epilogue: Epilogue, _ node: Graph.Node
  ) {
    let (rows, channels) = rows(node.inputs[0])
    let x = sliceInput(node.inputs[0])
    let parameters = node.inputs[1..<5].map { value($0, .rowMajor) }
    let residual = epilogue.addsResidual ? sliceInput(node.inputs[5]) : nil
    let y = sliceOutput(node.outputs[0])
    let outputs = [y.value] + node.outputs[1...].map { output($0, .rowMajor) }
    let activation = ActivationKernel.epilogue(epilogue.activation)
    let added = residual.map { [$0.value] } ?? []
    // Saved statistics, too, are in what the gradient keeps. Slices are not made again.
    let recomputation = Recomputation(
      kernel: "batch_norm_again", inputs: [x.value, parameters[0], parameters[1], outputs[1], outputs[2]] + added,
      workspaceBytes: channels * 4
    ) { call in
      let scale = call.workspace.assumingMemoryBound(to: Float.self)
      BatchNormKernel.scale(
        gamma: call.input(1), savedInverseDeviation: call.input(4), into: scale, channels: channels)
      BatchNormKernel.inference(
        [(ChannelRows(call.input(0), pixel: x.pixel), channels)], call.output(), rows: rows, mean: call.input(3),
        scale: scale, shift: call.input(2),
        residual: residual.map { ChannelRows(call.input(5), pixel: $0.pixel) }, activation: activation,
        pool: call.pool)
    }
    let moments = moments[node.inputs[0]]
    let inputs = [x.value] + parameters + added + (moments.map { [$0.value] } ?? [])
    let last = inputs.count - 1
    emit(
      moments == nil ? "batch_norm_training" : "batch_norm_of_moments", inputs: inputs, outputs: outputs,
      workspaceBytes: BatchNormKernel.workspaceBytes(rows: rows, channels: channels), inPlaceInput: 0,
      recomputation: recomputation
    ) { call in
      let (mean, variance) = (call.output(3), call.output(4))
      mean.replace(with: call.input(3), count: channels)
      variance.replace(with: call.input(4), count: channels)
      BatchNormKernel.forward(
        ChannelRows(call.input(0), pixel: x.pixel), call.output(), pixel: y.pixel, rows: rows, channels: channels,
        gamma: call.input(1), beta: call.input(2), epsilon: epsilon, momentum: momentum, running: (mean, variance),
        savedMean: call.output(1), savedInverseDeviation: call.output(2),
        residual: residual.map { ChannelRows(call.input(5), pixel: $0.pixel) }, activation: activation,
        moments: moments.map { $0.moments(at: UnsafeMutablePointer(mutating: call.input(last, as: UInt8.self))) },
        workspace: call.workspace, pool: call.pool)
    }
  }

  mutating func batchNormGradient(_ attributes: BatchNormGradientAttributes, _ node: Graph.Node) {
    let (rows, channels) = rows(node.inputs[1])
    let (dy, x) = (sliceInput(node.inputs[0]), sliceInput(node.inputs[1]))
    var inputs = [dy.value, x.value] + node.inputs[2..<5].map { value($0, .rowMajor) }
    var y: ChannelSlice?
    switch attributes.mask {
    case .output: y = sliceInput(node.inputs[5])
    case .shift: inputs.append(value(node.inputs[5], .rowMajor))
    case nil: break
    }
    let residual = attributes.addsResidual ? sliceInput(node.inputs[node.inputs.count - 1]) : nil
    inputs += [y, residual].compactMap { $0?.value }
    var outputs = [output(node.outputs[0], .channelsLast)] + node.outputs[1..<3].map { output($0, .rowMajor) }
    if attributes.returnsMasked { outputs.append(output(node.outputs[3], .channelsLast)) }
    let (last, outputPixel) = (inputs.count - 1, y?.pixel ?? channels)
    emit(
      "batch_norm_gradient", inputs: inputs, outputs: outputs,
      workspaceBytes: BatchNormKernel.workspaceBytes(rows: rows, channels: channels), inPlaceInput: 0
    ) { call in
      let mask: BatchNormKernel.Mask? =
        switch attributes.mask {
        case .output(let function):
          .init(
            .output(ChannelRows(call.input(5), pixel: outputPixel)), function == .relu6 ? .relu6 : .relu)
        case .shift(let function): .init(.shift(call.input(5)), function == .relu6 ? .relu6 : .relu)
        case nil: nil
        }
      BatchNormKernel.backward(
        ChannelRows(call.input(0), pixel: dy.pixel), x: ChannelRows(call.input(1), pixel: x.pixel), mask: mask,
        rows: rows, channels: channels, gamma: call.input(2), savedMean: call.input(3),
        savedInverseDeviation: call.input(4),
        residual: residual.map { ChannelRows(call.input(last), pixel: $0.pixel) },
        maskedGradient: attributes.returnsMasked ? call.output(3) : nil, dx: call.output(), dgamma: call.output(1),
        dbeta: call.output(2), workspace: call.workspace, pool: call.pool)
    }
  }
}

/// The moments of a value's channels, taken by the kernel that computes it.
struct MomentsBuffer {
  var value: Int
  var parts: Int
  var channels: Int

  func moments(at memory: UnsafeMutablePointer<UInt8>) -> ChannelMoments {
    ChannelMoments(memory, parts: parts, channels: channels)
  }
}

extension Lowering {
  /// Where the convolution that computes a value in `parts` puts its moments; nil if no batch norm wants them.
  mutating func momentsBuffer(of id: Graph.ValueID, _ epilogue: Epilogue, parts: Int?) -> MomentsBuffer? {
    guard let parts, options.fuses, valuesWithStatistics.contains(id), epilogue.activation == nil,
      !epilogue.addsResidual
    else { return nil }
    let channels = shape(id)[1]
    let bytes = ChannelMoments.byteCount(parts: parts, channels: channels)
    let buffer = MomentsBuffer(value: temporary(TensorType([bytes], .uint8)), parts: parts, channels: channels)
    moments[id] = buffer
    return buffer
  }
}

extension Graph {
  /// The values of which a batch norm takes statistics.
  func valuesWithStatistics() -> Set<ValueID> {
    var values: Set<ValueID> = []
    for node in nodes { if case .batchNormTraining = node.operation { values.insert(node.inputs[0]) } }
    return values
  }
}

extension UnsafeMutablePointer<Float> {
  /// Copies, unless both are the same memory.
  func replace(with source: UnsafePointer<Float>, count: Int) {
    if UnsafePointer(self) != source { update(from: source, count: count) }
  }
}

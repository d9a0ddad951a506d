import Graph
import Kernels

extension Lowering {
  /// The convolution that alone reads a batch norm in inference and can apply it to what it reads.
  func normalizingReader(of norm: Graph.Node) -> Graph.Node? {
    let normalized = norm.outputs[0]
    guard options.fuses, !graph.outputs.contains(where: { $0.value == normalized }) else { return nil }
    let readers = graph.nodes.filter { $0.inputs.contains(normalized) }
    guard readers.count == 1, let reader = readers.first, case .conv(let attributes) = reader.operation,
      reader.inputs[0] == normalized, !reader.inputs.dropFirst().contains(normalized),
      !attributes.epilogue.addsResidual,
      [nil, .relu, .relu6].contains(ActivationKernel.epilogue(attributes.epilogue.activation)),
      NormalizedProduct(geometry(attributes, reader)) != nil
    else { return nil }
    return reader
  }

  private func geometry(_ attributes: ConvAttributes, _ node: Graph.Node) -> ConvGeometry {
    ConvGeometry(
      attributes, input: shape(node.inputs[0]), weight: shape(node.inputs[1]), output: shape(node.outputs[0]))
  }

  mutating func normalizingConv(_ attributes: ConvAttributes, _ node: Graph.Node, _ norm: Graph.Node) {
    guard case .batchNorm(let epsilon, let normActivation) = norm.operation,
      let product = NormalizedProduct(geometry(attributes, node))
    else { fail("a convolution cannot apply the batch norm that was left to it") }
    let channels = product.geometry.inChannels
    let sources = pieces[norm.inputs[0]] ?? [norm.inputs[0]]
    let widths = sources.map { shape($0)[1] }
    let parameters = norm.inputs[1...].map { value($0, .rowMajor) }
    var inputs = sources.map { value($0, .channelsLast) } + parameters
    inputs.append(packedWeights(node.inputs[1], product.geometry))
    if attributes.hasBias { inputs.append(value(node.inputs[2], .rowMajor)) }
    let activation = ActivationKernel.epilogue(normActivation)
    let epilogue = { @Sendable (bias: UnsafePointer<Float>?) in
      Convolution.Epilogue(bias: bias, activation: .epilogue(attributes.epilogue.activation))
    }
    // The factors of the channels come first, with room for reading past their end.
    let factors = channels + 64
    emit(
      "normalizing_gemm", inputs: inputs, outputs: [output(node.outputs[0], .channelsLast)],
      workspaceBytes: 4 * (factors + product.workspaceSize)
    ) { call in
      let workspace = call.workspace.assumingMemoryBound(to: Float.self)
      let first = widths.count
      BatchNormKernel.scale(
        gamma: call.input(first), variance: call.input(first + 3), epsilon: epsilon, into: workspace,
        channels: channels)
      var pieces: [(UnsafePointer<Float>, Int)] = []
      for (index, width) in widths.enumerated() { pieces.append((call.input(index), width)) }
      product.run(
        pieces,
        norm: .init(
          mean: call.input(first + 2), scale: workspace, shift: call.input(first + 1), activation: activation),
        weights: call.input(first + 4), into: call.output(),
        epilogue: epilogue(attributes.hasBias ? call.input(first + 5) : nil), workspace: workspace + factors,
        pool: call.pool)
    }
  }
}

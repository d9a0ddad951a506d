import Graph
import Kernels

/// What runs together with a 1x1 convolution: the depthwise one that nothing else reads, and perhaps the one before it.
struct SeparableNodes {
  var expansion: Graph.Node?
  var depthwise: Graph.Node

  /// In the order in which they run.
  var nodes: [Graph.Node] { (expansion.map { [$0] } ?? []) + [depthwise] }
}

extension Lowering {
  /// By the outputs of their last convolutions, those that run a few lines at a time (``SeparableConvolution``).
  func separableConvolutions() -> [Graph.ValueID: SeparableNodes] {
    let isReadOnce = graph.singleReaders()
    func inner(_ id: Graph.ValueID) -> Graph.Node? {
      guard isReadOnce[id.index], let node = graph.producer(of: id), case .conv(let attributes) = node.operation,
        !attributes.epilogue.addsResidual
      else { return nil }
      return node
    }
    var found: [Graph.ValueID: SeparableNodes] = [:]
    for node in graph.nodes {
      guard case .conv = node.operation, let depthwise = inner(node.inputs[0]) else { continue }
      for expansion in [inner(depthwise.inputs[0]), nil] {
        let nodes = SeparableNodes(expansion: expansion, depthwise: depthwise)
        guard separable(nodes, projection: node) != nil else { continue }
        found[node.outputs[0]] = nodes
        break
      }
    }
    return found
  }

  /// - Parameters:
  ///   - inPixel: of what the first convolution reads.
  ///   - outPixel: of what the last one writes.
  private func separable(
    _ nodes: SeparableNodes, projection: Graph.Node, inPixel: Int? = nil, outPixel: Int? = nil
  ) -> SeparableConvolution? {
    func geometry(_ node: Graph.Node, inPixel: Int? = nil, outPixel: Int? = nil) -> ConvGeometry? {
      guard case .conv(let attributes) = node.operation else { return nil }
      let geometry = ConvGeometry(
        attributes, input: shape(node.inputs[0]), weight: shape(node.inputs[1]), output: shape(node.outputs[0]),
        inPixel: inPixel, outPixel: outPixel)
      return ConvAlgorithm.forward(geometry, options.algorithmRules) == .direct ? geometry : nil
    }
    let expansion = nodes.expansion.flatMap { geometry($0, inPixel: inPixel) }
    guard (expansion != nil) == (nodes.expansion != nil),
      let depthwise = geometry(nodes.depthwise, inPixel: nodes.expansion == nil ? inPixel : nil),
      let projection = geometry(projection, outPixel: outPixel)
    else { return nil }
    return SeparableConvolution(expansion: expansion, depthwise: depthwise, projection: projection)
  }

  mutating func separableConv(_ nodes: SeparableNodes, projection: Graph.Node) {
    let (x, y) = (sliceInput(nodes.nodes[0].inputs[0]), sliceOutput(projection.outputs[0]))
    guard let separable = separable(nodes, projection: projection, inPixel: x.pixel, outPixel: y.pixel) else {
      fail("convolutions that were to run together cannot")
    }
    var inputs = [x.value]
    /// Adds the inputs of a convolution, and says how to find them in a call.
    func part(_ node: Graph.Node, _ geometry: ConvGeometry)
      -> @Sendable (borrowing Invocation)
      -> SeparableConvolution.Part
    {
      guard case .conv(let attributes) = node.operation else { fail("\(node.name) is no convolution") }
      let weights = inputs.count
      inputs.append(packedWeights(node.inputs[1], geometry))
      inputs += extras(attributes, node)
      let bias = attributes.hasBias ? weights + 1 : nil
      let residual = attributes.epilogue.addsResidual ? inputs.count - 1 : nil
      let activation = ActivationKernel.epilogue(attributes.epilogue.activation)
      return { call in
        SeparableConvolution.Part(
          weights: call.input(weights),
          epilogue: .init(
            bias: bias.map { call.input($0) }, residual: residual.map { call.input($0) }, activation: activation))
      }
    }
    let expansion = nodes.expansion.flatMap { node in separable.expansion.map { part(node, $0) } }
    let depthwise = part(nodes.depthwise, separable.depthwise)
    let last = part(projection, separable.projection)
    emit(
      nodes.expansion == nil ? "separable" : "inverted_residual", and: nodes.nodes, inputs: inputs, outputs: [y.value],
      workspaceBytes: separable.workspaceSize * 4
    ) { call in
      separable.run(
        call.input(0), expansion: expansion?(call), depthwise: depthwise(call), projection: last(call),
        into: call.output(), workspace: call.workspace.assumingMemoryBound(to: Float.self), pool: call.pool)
    }
  }
}

extension Graph {
  /// Folds each inference batch norm that alone reads a convolution into the convolution's weights and bias. The
  /// folding itself becomes nodes that depend on parameters only, which a plan computes once.
  public func foldingBatchNorm() -> Graph {
    let single = singleReaders()
    // Such convolutions move to the place of their batch norm.
    let absorbed = Set(nodes.compactMap { foldableConvolution(before: $0, single: single)?.outputs[0] })
    var rewriting = Rewriting(self)
    for node in nodes where !absorbed.contains(node.outputs[0]) {
      guard case .batchNorm(let epsilon, let activation) = node.operation,
        let producer = foldableConvolution(before: node, single: single),
        case .conv(var attributes) = producer.operation
      else {
        rewriting.copy(node)
        continue
      }
      let statistics = node.inputs[1...].map { rewriting[$0] }
      let (scale, shift, mean, variance) = (statistics[0], statistics[1], statistics[2], statistics[3])
      let weight = rewriting[producer.inputs[1]]
      let weightShape = shape(of: producer.inputs[1])
      var builder = rewriting.builder
      let stabilised = builder(.unary(.affine(scale: 1, shift: epsilon)), variance)
      let factor = builder(.binary(.divide), scale, builder(.unary(.sqrt), stabilised))
      let perOutput = Shape([weightShape[0]] + Array(repeating: 1, count: weightShape.rank - 1))
      let foldedWeight = builder(.binary(.multiply), weight, builder(.reshape(perOutput), factor))
      let centre =
        attributes.hasBias ? builder(.binary(.subtract), mean, rewriting[producer.inputs[2]]) : mean
      let foldedBias = builder(.binary(.subtract), shift, builder(.binary(.multiply), centre, factor))
      rewriting.builder = builder
      attributes.hasBias = true
      attributes.epilogue.activation = activation
      var merged = producer
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: .conv(attributes), inputs: [rewriting[producer.inputs[0]], foldedWeight, foldedBias])
    }
    return rewriting.finished().removingDeadCode()
  }

  private func foldableConvolution(before node: Node, single: [Bool]) -> Node? {
    guard case .batchNorm = node.operation, single[node.inputs[0].index],
      let producer = producer(of: node.inputs[0]), case .conv(let attributes) = producer.operation,
      attributes.epilogue == .none
    else { return nil }
    return producer
  }
}

extension Graph {
  /// Folds each inference batch norm that alone reads a convolution into the convolution's weights and bias. The
  /// folding itself becomes nodes that depend on parameters only, which a plan computes once.
  public func foldingBatchNorm() -> Graph {
    let consumers = consumers()
    let kept = Set(outputs.map(\.value))
    var rewriting = Rewriting(self)
    for node in nodes {
      guard case .batchNorm(let epsilon, let activation) = node.operation,
        let producer = producer(of: node.inputs[0]), case .conv(var attributes) = producer.operation,
        attributes.epilogue == .none, consumers[node.inputs[0].index].count == 1, !kept.contains(node.inputs[0])
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
      // The convolution takes the place of both; the one copied before is dead now.
      var merged = producer
      merged.outputs = node.outputs
      rewriting.copy(
        merged, as: .conv(attributes), inputs: [rewriting[producer.inputs[0]], foldedWeight, foldedBias])
    }
    return rewriting.finished().removingDeadCode()
  }
}

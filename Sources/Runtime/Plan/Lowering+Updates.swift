import Graph
import Kernels

extension Lowering {
  mutating func clipFactor(_ maximumNorm: Double?, _ node: Graph.Node) {
    let counts = node.inputs.map { shape($0).elementCount }
    // A sum of squares does not depend on the order of elements, but its rounding does: one layout, always the same.
    let inputs = node.inputs.map { value($0, .rowMajor) }
    let outputs = node.outputs.map { output($0, .rowMajor) }
    emit("clip_factor", inputs: inputs, outputs: outputs) { call in
      let gradients = (1..<counts.count).map { UnsafeBufferPointer(start: call.input($0), count: counts[$0]) }
      let norm = ReductionKernel.sumOfSquares(gradients, pool: call.pool).squareRoot()
      let isFinite = norm.isFinite && call.input(0)[0].isFinite
      let factor = maximumNorm.map { min(1, $0 / (norm + 1e-6)) } ?? 1
      call.output(0)[0] = isFinite ? Float(factor) : .nan
      call.output(1)[0] = Float(norm)
    }
  }

  mutating func sgd(_ attributes: SGDAttributes, _ node: Graph.Node) {
    let decay = WeightDecay(attributes.weightDecay, isDecoupled: attributes.isDecoupled)
    emitUpdate("sgd", node, rateFactor: attributes.rateFactor) { rate, _, factor, call, count in
      SGDKernel(
        rate: rate, momentum: Float(attributes.momentum), nesterov: attributes.isNesterov, decay: decay,
        gradientScale: factor
      ).update(
        call.output(0), gradient: call.input(1), velocity: call.step.outputs.count > 1 ? call.output(1) : nil,
        count: count, pool: call.pool)
    }
  }

  mutating func adam(_ attributes: AdamAttributes, _ node: Graph.Node) {
    let decay = WeightDecay(attributes.weightDecay, isDecoupled: attributes.isDecoupled)
    emitUpdate("adam", node, rateFactor: attributes.rateFactor) { rate, step, factor, call, count in
      AdamKernel(
        rate: rate, beta1: attributes.beta1, beta2: attributes.beta2, epsilon: Float(attributes.epsilon),
        decay: decay, gradientScale: factor
      ).update(
        call.output(0), gradient: call.input(1), mean: call.output(1), variance: call.output(2), step: step,
        count: count, pool: call.pool)
    }
  }

  /// An update works in place on its outputs, which are the parameter and its optimizer state unless the caller wants
  /// them elsewhere. A factor that is not a number leaves everything as it was.
  private mutating func emitUpdate(
    _ kernel: String, _ node: Graph.Node, rateFactor: Double,
    _ update:
      @escaping @Sendable (
        _ rate: Float, _ step: Int, _ factor: Float, _ call: borrowing Invocation, _ count: Int
      ) -> Void
  ) {
    let count = shape(node.outputs[0]).elementCount
    let inputs = node.inputs.map { value($0, .rowMajor) }
    let outputs = node.outputs.map { output($0, .rowMajor) }
    emit(kernel, inputs: inputs, outputs: outputs) { call in
      call.output(0).replace(with: call.input(0), count: count)
      for state in 1..<max(1, outputs.count) { call.output(state).replace(with: call.input(3 + state), count: count) }
      let (factor, rate) = (call.input(2)[0], call.input(3))
      if factor.isNaN { return }
      update(Float(Double(rate[0]) * rateFactor), Int(rate[1]), factor, call, count)
    }
  }
}

extension WeightDecay {
  fileprivate init(_ rate: Double, isDecoupled: Bool) {
    self = rate == 0 ? .none : isDecoupled ? .decoupled(Float(rate)) : .coupled(Float(rate))
  }
}

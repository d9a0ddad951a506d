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

  mutating func update(_ node: Graph.Node) {
    let inputs = node.inputs.map { value($0, .rowMajor) }
    updates.append(
      PendingUpdate(node: node, inputs: inputs, outputs: node.outputs.map { output($0, .rowMajor) }))
  }

  /// Emits the updates of parameters that wait as one kernel over all of them.
  ///
  /// It works in place on its outputs, which are the parameters and their optimizer states unless the caller wants them
  /// elsewhere. A factor that is not a number leaves everything as it was.
  mutating func emitUpdates() {
    guard let first = updates.first else { return }
    let counts = updates.map { shape($0.node.outputs[0]).elementCount }
    let parts = updates.map { ($0.node.operation, inputs: $0.inputs.count, outputs: $0.outputs.count) }
    let (inputs, outputs) = (updates.flatMap(\.inputs), updates.flatMap(\.outputs))
    let loop = UpdateLoop(counts)
    emit(first.node.operation.name, of: updates.map(\.node), inputs: inputs, outputs: outputs) { call in
      var updates: [ParameterUpdate] = []
      updates.reserveCapacity(parts.count)
      var (input, output) = (0, 0)
      for (part, count) in zip(parts, counts) {
        call.output(output).replace(with: call.input(input), count: count)
        for state in 1..<max(1, part.outputs) {
          call.output(output + state).replace(with: call.input(input + 3 + state), count: count)
        }
        if let update = ParameterUpdate(part.0, call, input: input, output: output) { updates.append(update) }
        (input, output) = (input + part.inputs, output + part.outputs)
      }
      if updates.count == counts.count { loop.run(updates, pool: call.pool) }
    }
    updates = []
  }
}

/// An update of a parameter that waits for others, to run with them.
struct PendingUpdate {
  var node: Graph.Node
  var inputs: [Int]
  var outputs: [Int]
}

extension ParameterUpdate {
  /// What a node does whose inputs and outputs begin at these positions of the call; nil if its factor is not a number.
  fileprivate init?(_ operation: Operation, _ call: borrowing Invocation, input: Int, output: Int) {
    let (factor, rate) = (call.input(input + 2)[0], call.input(input + 3))
    if factor.isNaN { return nil }
    let (parameter, gradient) = (call.output(output), call.input(input + 1))
    switch operation {
    case .sgd(let attributes):
      let kernel = SGDKernel(
        rate: Float(Double(rate[0]) * attributes.rateFactor), momentum: Float(attributes.momentum),
        nesterov: attributes.isNesterov,
        decay: WeightDecay(attributes.weightDecay, isDecoupled: attributes.isDecoupled), gradientScale: factor)
      let velocity = attributes.momentum == 0 ? nil : call.output(output + 1)
      self.init(kernel, parameter, gradient: gradient, velocity: velocity)
    case .adam(let attributes):
      let kernel = AdamKernel(
        rate: Float(Double(rate[0]) * attributes.rateFactor), beta1: attributes.beta1, beta2: attributes.beta2,
        epsilon: Float(attributes.epsilon),
        decay: WeightDecay(attributes.weightDecay, isDecoupled: attributes.isDecoupled), gradientScale: factor)
      self.init(
        kernel, parameter, gradient: gradient, mean: call.output(output + 1), variance: call.output(output + 2),
        step: Int(rate[1]))
    default: fail("\(operation.name) updates no parameter")
    }
  }
}

extension WeightDecay {
  fileprivate init(_ rate: Double, isDecoupled: Bool) {
    self = rate == 0 ? .none : isDecoupled ? .decoupled(Float(rate)) : .coupled(Float(rate))
  }
}

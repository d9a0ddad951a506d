import Graph
import Runtime
import Testing

/// Gradients in float64 against central finite differences, for every operation there is.
@Suite struct GradientCheckTests {
  @Test(arguments: OperationKind.allCases) func gradient(kind: OperationKind) throws {
    switch kind.gradientSamples {
    case .endOfGradients(let operation):
      #expect(OperationKind(operation) == kind)
      #expect(!operation.isDifferentiable)
    case .samples(let samples):
      #expect(!samples.isEmpty)
      for (index, sample) in samples.enumerated() {
        #expect(OperationKind(sample.operation) == kind)
        #expect(sample.operation.isDifferentiable)
        try check(sample, name: "\(sample.operation.name) \(index)")
      }
    }
  }

  /// Builds `sum(operation(x) * weights)` and its gradients as one graph, and runs both.
  private func check(_ sample: GradientSample, name: String) throws {
    let problem = try LossGraph(sample.operation, sample.inputs.map(\.type))
    var stream = RandomStream(seed: 3)
    let shape = problem.graph.shape(of: problem.upstream)
    let weights = Tensor(
      (0..<shape.elementCount).map { _ in Double.random(in: -1...1, using: &stream) }, shape: shape)

    var builder = GraphBuilder(problem.graph)
    let gradients = problem.graph.gradients(
      of: problem.loss, withRespectTo: sample.differentiable.map { problem.inputs[$0] }, in: &builder, resolve: { $0 })
    let given = Dictionary(
      uniqueKeysWithValues: zip(problem.inputs + [problem.upstream], sample.inputs + [weights]))
    let values = try ReferenceBackend.run(builder.graph, inputs: given)

    for (input, gradient) in zip(sample.differentiable, gradients) {
      let expected = try finiteDifferences(problem, given, by: problem.inputs[input])
      // Nothing flows: the gradient is zero everywhere.
      let zeros = Tensor([Double](repeating: 0, count: expected.elementCount), shape: expected.shape)
      let found = try gradient.map { try #require(values[$0.index]) } ?? zeros
      #expect(found.shape == expected.shape, "\(name), input \(input)")
      for (a, b) in zip(found.numbers, expected.numbers) {
        #expect(abs(a - b) <= 1e-7 * max(1, abs(b)), "\(name), input \(input): \(a) instead of \(b)")
      }
    }
  }

  private func finiteDifferences(_ problem: LossGraph, _ given: [Graph.ValueID: Tensor], by input: Graph.ValueID) throws
    -> Tensor
  {
    let start = given[input]!
    let step = 1e-5
    func loss(_ index: Int, _ change: Double) throws -> Double {
      var numbers = start.numbers
      numbers[index] += change
      var inputs = given
      inputs[input] = Tensor(numbers, shape: start.shape)
      return try ReferenceBackend.run(problem.graph, inputs: inputs)[problem.loss.index]!.item(as: Double.self)
    }
    return Tensor(
      try (0..<start.elementCount).map { try (loss($0, step) - loss($0, -step)) / (2 * step) }, shape: start.shape)
  }
}

import Graph
import Runtime
import Testing

/// Training steps that compute cheap values again, against the same steps that keep them.
@Suite struct RecomputationTests {
  /// Four blocks of convolution, batch norm and activation, and the gradients of all their parameters.
  private func step(_ activation: UnaryFunction) throws -> (graph: Graph, parameters: [Tensor]) {
    var graph = Graph()
    var parameters: [Tensor] = []
    func parameter(_ path: String, _ shape: Shape, _ range: Range<Float>) -> Graph.ValueID {
      var random = RandomStream(seed: UInt64(parameters.count))
      parameters.append(Tensor((0..<shape.elementCount).map { _ in random.uniform(range) as Float }, shape: shape))
      return graph.addParameter(path, TensorType(shape))
    }
    var x = graph.addInput("x", TensorType([2, 8, 20, 20]))
    let attributes = ConvAttributes(stride: [1, 1], dilation: [1, 1], paddingBefore: [1, 1], paddingAfter: [1, 1])
    var trained: [Graph.ValueID] = []
    for block in 0..<4 {
      let weight = parameter("\(block).conv.weight", [8, 8, 3, 3], -0.3..<0.3)
      let scale = parameter("\(block).norm.weight", [8], 0.5..<1.5)
      let shift = parameter("\(block).norm.bias", [8], -0.5..<0.5)
      let mean = parameter("\(block).norm.mean", [8], -0.1..<0.1)
      let variance = parameter("\(block).norm.variance", [8], 0.5..<1.5)
      trained += [weight, scale, shift]
      x = try graph.append(.conv(attributes), [x, weight])[0]
      let norm = Operation.batchNormTraining(epsilon: 1e-5, momentum: 0.1)
      x = try graph.append(norm, [x, scale, shift, mean, variance])[0]
      x = try graph.append(.unary(activation), [x])[0]
    }
    let loss = try graph.append(.reduce(.mean, axes: [0, 1, 2, 3], keepsDimensions: false), [x])[0]
    var builder = GraphBuilder(graph)
    let gradients = graph.gradients(of: loss, withRespectTo: trained, in: &builder, resolve: { $0 })
    graph = builder.graph
    graph.outputs = [.init(name: "loss", value: loss)]
    for (index, gradient) in gradients.enumerated() {
      graph.outputs.append(.init(name: "d\(index)", value: try #require(gradient)))
    }
    return (graph, parameters)
  }

  @Test(arguments: [UnaryFunction.relu, .relu6, .hardSwish], [true, false])
  func sameBitsInLessMemory(activation: UnaryFunction, fuses: Bool) throws {
    let (graph, parameters) = try step(activation)
    var random = RandomStream(seed: 99)
    let x = Tensor((0..<6400).map { _ in random.uniform(-1..<1) as Float }, shape: [2, 8, 20, 20])
    func run(threshold: Int) throws -> (outputs: [[Float]], arena: Int) {
      let options = Plan.Options(parametersAreConstant: false, fuses: fuses, recomputationThreshold: threshold)
      let plan = try LoadedPlan(Plan(graph, options: options), parameters: parameters)
      // Twice: nothing of the first run may be left in the second.
      _ = try plan.run([x])
      return (try plan.run([x]).map(\.numbers).map { $0.map { Float($0) } }, plan.plan.arenaByteCount)
    }
    let (kept, again) = (try run(threshold: .max), try run(threshold: 0))
    #expect(kept.outputs == again.outputs)
    #expect(Double(again.arena) < 0.95 * Double(kept.arena), "\(again.arena) and \(kept.arena) bytes")
  }
}

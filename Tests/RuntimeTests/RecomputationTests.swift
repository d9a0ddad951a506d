import Graph
import Runtime
import Testing

/// Training steps that compute cheap values again, against the same steps that keep them.
@Suite struct RecomputationTests {
  /// Four blocks of convolution, batch norm and activation, and the gradients of all their parameters.
  ///
  /// - Parameter shortcuts: whether what a convolution of its own and its norm make of a block's input is added before
  ///   the activation.
  private func step(_ activation: UnaryFunction, shortcuts: Bool = false) throws -> (graph: Graph, parameters: [Tensor])
  {
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
    func convolutionAndNorm(_ x: Graph.ValueID, _ path: String) throws -> Graph.ValueID {
      let weight = parameter("\(path).conv.weight", [8, 8, 3, 3], -0.3..<0.3)
      let scale = parameter("\(path).norm.weight", [8], 0.5..<1.5)
      let shift = parameter("\(path).norm.bias", [8], -0.5..<0.5)
      let mean = parameter("\(path).norm.mean", [8], -0.1..<0.1)
      let variance = parameter("\(path).norm.variance", [8], 0.5..<1.5)
      trained += [weight, scale, shift]
      let y = try graph.append(.conv(attributes), [x, weight])[0]
      return try graph.append(
        .batchNormTraining(epsilon: 1e-5, momentum: 0.1), [y, scale, shift, mean, variance])[0]
    }
    for block in 0..<4 {
      var y = try convolutionAndNorm(x, "\(block)")
      if shortcuts { y = try graph.append(.binary(.add), [y, convolutionAndNorm(x, "\(block).shortcut")])[0] }
      x = try graph.append(.unary(activation), [y])[0]
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
    try checkMemory(step(activation), fuses: fuses, ratio: 0.95)
  }

  /// A block's output can be made again only from the shortcut's, which can be made again as well.
  @Test func shortcutsAreMadeAgainFirst() throws {
    try checkMemory(step(.relu, shortcuts: true), fuses: true, ratio: 0.88)
  }

  private func checkMemory(_ step: (graph: Graph, parameters: [Tensor]), fuses: Bool, ratio: Double) throws {
    let (graph, parameters) = step
    var random = RandomStream(seed: 99)
    let x = Tensor((0..<6400).map { _ in random.uniform(-1..<1) as Float }, shape: [2, 8, 20, 20])
    func run(threshold: Int) throws -> (outputs: [[Float]], arena: Int) {
      let options = Plan.Options(parametersAreConstant: false, fuses: fuses, recomputationThreshold: threshold)
      let plan = try LoadedPlan(Plan(graph, options: options), parameters: parameters)
      // Twice: nothing of the first run may be left in the second.
      _ = try plan.run([x])
      #expect(Double(plan.plan.arenaByteCount) <= 1.01 * Double(plan.plan.mostBytesInUse))
      return (try plan.run([x]).map(\.numbers).map { $0.map { Float($0) } }, plan.plan.arenaByteCount)
    }
    let (kept, again) = (try run(threshold: .max), try run(threshold: 0))
    #expect(kept.outputs == again.outputs)
    #expect(Double(again.arena) < ratio * Double(kept.arena), "\(again.arena) and \(kept.arena) bytes")
  }
}

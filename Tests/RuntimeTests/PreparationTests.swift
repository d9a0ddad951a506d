import Graph
import Runtime
import Testing

/// What a plan computes ahead, and the memory that this takes.
@Suite struct PreparationTests {
  /// Convolutions whose weights and biases are both made of the same scaled weights, as folding a norm makes them.
  private func chain(_ count: Int) throws -> (graph: Graph, parameters: [Tensor], input: Tensor) {
    var graph = Graph()
    var parameters: [Tensor] = []
    var random = RandomStream(seed: 3)
    func tensor(_ shape: Shape) -> Tensor {
      Tensor((0..<shape.elementCount).map { _ in random.uniform(-0.3..<0.3) as Float }, shape: shape)
    }
    func parameter(_ shape: Shape) -> Graph.ValueID {
      parameters.append(tensor(shape))
      return graph.addParameter("p\(parameters.count)", TensorType(shape))
    }
    let attributes = ConvAttributes(
      stride: [1, 1], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0], hasBias: true)
    var x = graph.addInput("x", TensorType([1, 64, 3, 3]))
    for _ in 0..<count {
      let scaled = try graph.append(
        .binary(.multiply), [parameter([64, 64, 1, 1]), parameter([1, 64, 1, 1])])[0]
      let sums = try graph.append(.reduce(.sum, axes: [1, 2, 3], keepsDimensions: false), [scaled])[0]
      x = try graph.append(.conv(attributes), [x, scaled, sums])[0]
    }
    graph.outputs = [.init(name: "y", value: x)]
    return (graph, parameters, tensor([1, 64, 3, 3]))
  }

  @Test func intermediatesDoNotPileUp() throws {
    let byteCounts = try [1, 6].map { try Plan(chain($0).graph).preparationByteCount }
    #expect(byteCounts[0] >= 64 * 64 * 4)
    #expect(byteCounts[1] < 2 * byteCounts[0])
  }

  @Test func resultsAreTheReferences() throws {
    let (graph, parameters, x) = try chain(6)
    var tensors = [graph.inputs[0]: x]
    for (id, tensor) in zip(graph.parameters, parameters) { tensors[id] = tensor }
    let expected = try #require(try ReferenceBackend.run(graph, inputs: tensors)[graph.outputs[0].value.index])
    let plan = try LoadedPlan(Plan(graph), parameters: parameters)
    #expect(relativeDifference(try plan.run([x])[0], expected) < 1e-5)
    #expect(plan.parameterByteCount >= 6 * 64 * 64 * 4)
  }
}

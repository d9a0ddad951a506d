import Foundation
import Graph
import Runtime
import Testing

@Suite struct PlanTests {
  /// What depends on parameters alone is computed before all else. A node of it that could work in place must not
  /// overwrite what an earlier node of the program has yet to read.
  @Test func preparedValuesLastUntilTheyAreRead() throws {
    let type = TensorType([4])
    var graph = Graph()
    let x = graph.addInput("x", type)
    let parameter = graph.addParameter("p", type)
    let exponential = try graph.append(.unary(.exp), [parameter])[0]
    let product = try graph.append(.binary(.multiply), [x, exponential])[0]
    let bounded = try graph.append(.unary(.tanh), [exponential])[0]
    graph.outputs = [.init(name: "y", value: try graph.append(.binary(.add), [product, bounded])[0])]

    let (inputs, parameters): ([Float], [Float]) = ([1, -2, 3, 0.5], [0, 1, -1, 0.25])
    let plan = try LoadedPlan(Plan(graph), parameters: [Tensor(parameters)])
    for _ in 0..<2 {
      let found = try plan.run([Tensor(inputs)])[0].scalars(as: Float.self)
      for (index, value) in found.enumerated() {
        let e = exp(parameters[index])
        #expect(abs(value - (inputs[index] * e + tanh(e))) < 1e-5)
      }
    }
  }

  /// Channels moved to the end, or from there to the front, are another reading of the bytes that a plan works on.
  @Test(arguments: [[0, 2, 3, 1], [0, 3, 1, 2]], [true, false]) func movingChannelsCopiesNothing(
    _ permutation: [Int], _ isInside: Bool
  ) throws {
    var graph = Graph()
    let x = graph.addInput("x", TensorType([2, 3, 5, 4]))
    let pooling = PoolAttributes(
      kind: .max, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], paddingBefore: [1, 1], paddingAfter: [1, 1])
    // Pooling wants and leaves its images with channels last.
    var value = isInside ? try graph.append(.pool(pooling), [x])[0] : x
    value = try graph.append(.transpose(permutation), [value])[0]
    let first = value
    value = try graph.append(.unary(.tanh), [value])[0]
    value = try graph.append(.pool(pooling), [value])[0]
    graph.outputs = [.init(name: "first", value: first), .init(name: "y", value: value)]

    let input = Tensor((0..<120).map { sin(Float($0) * 1.7) }, shape: [2, 3, 5, 4])
    let plan = try LoadedPlan(Plan(graph, options: .init(fuses: false)))
    var kernels: [String] = []
    let found = try plan.run([input]) {
      kernels.append($0.kernel)
      return true
    }
    let values = try ReferenceBackend.run(graph, inputs: [graph.inputs[0]: input])
    for (output, tensor) in zip(graph.outputs, found) {
      let expected = try #require(values[output.value.index])
      #expect(tensor.shape == expected.shape)
      for (a, b) in zip(tensor.scalars(as: Float.self), expected.scalars(as: Float.self)) { #expect(abs(a - b) < 1e-6) }
    }
    #expect(!kernels.contains("transpose"))
    if isInside && permutation == [0, 2, 3, 1] { #expect(kernels.count { $0 == "convert_layout" } <= 3) }
  }
}

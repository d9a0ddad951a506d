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
}

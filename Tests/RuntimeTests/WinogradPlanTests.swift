import Graph
import Runtime
import Testing

/// Plans with Winograd's algorithm, for inference and training, against the same plans without it.
@Suite struct WinogradPlanTests {
  @Test(arguments: [(56, 32, true), (56, 32, false), (19, 24, true), (19, 24, false)])
  func convolutionAndGradients(side: Int, channels: Int, parametersAreConstant: Bool) throws {
    let (input, weight): (Shape, Shape) = ([2, channels, side, side], [20, channels, 3, 3])
    let output: Shape = [2, 20, side, side]
    var graph = Graph()
    let x = graph.addInput("x", TensorType(input))
    let dy = graph.addInput("dy", TensorType(output))
    let bias = graph.addInput("bias", TensorType([20]))
    let w = graph.addParameter("w", TensorType(weight))
    var attributes = ConvAttributes(
      stride: [1, 1], dilation: [1, 1], paddingBefore: [1, 1], paddingAfter: [1, 1])
    let dx = try graph.append(.convTransposed(attributes, output: input), [dy, w])[0]
    let dw = try graph.append(.convWeightGradient(attributes, weight: weight), [x, dy])[0]
    attributes.hasBias = true
    attributes.epilogue = Epilogue(addsResidual: true, activation: .relu)
    let y = try graph.append(.conv(attributes), [x, w, bias, dy])[0]
    graph.outputs = [.init(name: "y", value: y), .init(name: "dx", value: dx), .init(name: "dw", value: dw)]

    let inputs = [uniform(input, seed: 1), uniform(output, seed: 2), uniform([20], seed: 3)]
    func run(allowsWinograd: Bool) throws -> [Tensor] {
      let options = Plan.Options(
        parametersAreConstant: parametersAreConstant, fuses: false, allowsWinograd: allowsWinograd)
      return try LoadedPlan(Plan(graph, options: options), parameters: [uniform(weight, seed: 4)]).run(inputs)
    }
    for (fast, exact) in zip(try run(allowsWinograd: true), try run(allowsWinograd: false)) {
      #expect(relativeDifference(fast, exact) < 2e-5)
      #expect(fast.numbers != exact.numbers, "Winograd's algorithm was not used")
    }
  }

  private func uniform(_ shape: Shape, seed: UInt64) -> Tensor {
    var random = RandomStream(seed: seed)
    return Tensor((0..<shape.elementCount).map { _ in random.uniform(-1..<1) as Float }, shape: shape)
  }
}

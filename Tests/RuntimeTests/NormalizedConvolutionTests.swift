import Graph
import Runtime
import Testing

/// Batch norms that the 1x1 convolution behind them applies, against the reference backend.
@Suite struct NormalizedConvolutionTests {
  /// A graph under construction, with numbers for its sources.
  private struct Network {
    var graph = Graph()
    private(set) var tensors: [Graph.ValueID: Tensor] = [:]
    private var random = Samples(.conv)

    mutating func input(_ shape: Shape) -> Graph.ValueID {
      let id = graph.addInput("x\(graph.inputs.count)", TensorType(shape))
      tensors[id] = tensor(shape, -1...1)
      return id
    }

    private mutating func parameter(_ shape: Shape, _ range: ClosedRange<Double> = -0.3...0.3) -> Graph.ValueID {
      let id = graph.addParameter("p\(graph.parameters.count)", TensorType(shape))
      tensors[id] = tensor(shape, range)
      return id
    }

    private mutating func tensor(_ shape: Shape, _ range: ClosedRange<Double>) -> Tensor {
      Tensor(random.tensor(shape, in: range).numbers.map { Float($0) }, shape: shape)
    }

    mutating func norm(_ x: Graph.ValueID, _ activation: UnaryFunction?) throws -> Graph.ValueID {
      let channels: Shape = [graph.shape(of: x)[1]]
      let inputs = [x, parameter(channels), parameter(channels), parameter(channels), parameter(channels, 0.5...2)]
      let y = try graph.append(.batchNorm(epsilon: 1e-5), inputs)[0]
      return try activation.map { try graph.append(.unary($0), [y])[0] } ?? y
    }

    mutating func conv(
      _ x: Graph.ValueID, _ outputs: Int, kernel: Int = 1, stride: Int = 1, hasBias: Bool = false
    ) throws -> Graph.ValueID {
      let weight = parameter([outputs, graph.shape(of: x)[1], kernel, kernel])
      let bias = hasBias ? [parameter([outputs])] : []
      let padding = [kernel / 2, kernel / 2]
      let attributes = ConvAttributes(
        stride: [stride, stride], dilation: [1, 1], paddingBefore: padding, paddingAfter: padding, groups: 1,
        hasBias: hasBias)
      return try graph.append(.conv(attributes), [x, weight] + bias)[0]
    }

    /// Runs the graph by plans and by the reference.
    ///
    /// - Returns: the kernels of the fused plan.
    func check(_ outputs: [Graph.ValueID]) throws -> [String] {
      var graph = graph
      graph.outputs = outputs.enumerated().map { .init(name: "y\($0)", value: $1) }
      let exact = try ReferenceBackend.run(graph, inputs: tensors)
      var kernels: [String] = []
      for fuses in [false, true] {
        let plan = try LoadedPlan(
          Plan(graph, options: .init(fuses: fuses)), parameters: graph.parameters.compactMap { tensors[$0] })
        kernels = []
        let found = try plan.run(graph.inputs.compactMap { tensors[$0] }) { step in
          kernels.append(step.kernel)
          return true
        }
        for (tensor, id) in zip(found, outputs) {
          let expected = try #require(exact[id.index])
          #expect(relativeDifference(tensor, expected) < 1e-5, "fuses: \(fuses)")
        }
        if !fuses { #expect(!kernels.contains("normalizing_gemm")) }
      }
      return kernels
    }
  }

  /// A dense block: each layer reads everything before it; few and many rows and channels.
  @Test(arguments: [(1, 3, 5), (2, 9, 24), (3, 17, 70)])
  func denseBlock(batch: Int, side: Int, channels: Int) throws {
    var net = Network()
    var pieces = [net.input([batch, channels, side, side])]
    for layer in 0..<3 {
      let joined = layer == 0 ? pieces[0] : try net.graph.append(.concatenate(axis: 1), pieces)[0]
      let inner = try net.conv(net.norm(joined, .relu), 40, hasBias: layer == 1)
      pieces.append(try net.conv(net.norm(inner, .relu), 12, kernel: 3))
    }
    let joined = try net.graph.append(.concatenate(axis: 1), pieces)[0]
    let output = try net.conv(net.norm(joined, layerActivation(channels)), 130)
    let kernels = try net.check([output])
    #expect(kernels.count { $0 == "normalizing_gemm" } == 4, "\(kernels)")
    #expect(!kernels.contains("joining_batch_norm"))
  }

  private func layerActivation(_ channels: Int) -> UnaryFunction? {
    switch channels {
    case 5: nil
    case 24: .relu6
    default: .silu
    }
  }

  /// A norm that others read too, that is an output, or whose convolution has a stride, taps or a late activation.
  @Test func normsThatStay() throws {
    var net = Network()
    let x = net.input([2, 20, 8, 8])
    let shared = try net.norm(x, .relu)
    let seen = try net.norm(x, .relu)
    let outputs = [
      try net.conv(shared, 16), try net.conv(shared, 8), seen, try net.conv(seen, 16),
      try net.conv(net.norm(x, .relu), 16, stride: 2), try net.conv(net.norm(x, .relu), 16, kernel: 3),
      try net.graph.append(.unary(.tanh), [net.conv(net.norm(x, .relu), 16)])[0],
    ]
    #expect(!(try net.check(outputs)).contains("normalizing_gemm"))
  }
}

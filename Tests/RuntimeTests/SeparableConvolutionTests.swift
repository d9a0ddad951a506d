import Graph
import Runtime
import Testing

/// Inverted residuals and separable convolutions that plans run a few lines at a time, against the reference backend.
@Suite struct SeparableConvolutionTests {
  private struct Network {
    var graph = Graph()
    private var tensors: [Graph.ValueID: Tensor] = [:]
    private var random = Samples(.conv)

    mutating func input(_ shape: Shape) -> Graph.ValueID {
      let id = graph.addInput("x\(graph.inputs.count)", TensorType(shape))
      tensors[id] = Tensor(random.tensor(shape, in: -1...1).numbers.map { Float($0) }, shape: shape)
      return id
    }

    private mutating func parameter(_ shape: Shape) -> Graph.ValueID {
      let id = graph.addParameter("p\(graph.parameters.count)", TensorType(shape))
      tensors[id] = Tensor(random.tensor(shape, in: -0.3...0.3).numbers.map { Float($0) }, shape: shape)
      return id
    }

    mutating func conv(
      _ x: Graph.ValueID, _ outputs: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1,
      _ activation: UnaryFunction? = .relu6
    ) throws -> Graph.ValueID {
      let weight = parameter([outputs, graph.shape(of: x)[1] / groups, kernel, kernel])
      let padding = [kernel / 2, kernel / 2]
      let attributes = ConvAttributes(
        stride: [stride, stride], dilation: [1, 1], paddingBefore: padding, paddingAfter: padding, groups: groups,
        hasBias: true)
      let y = try graph.append(.conv(attributes), [x, weight, parameter([outputs])])[0]
      return try activation.map { try graph.append(.unary($0), [y])[0] } ?? y
    }

    /// Runs the graph by a plan and by the reference.
    ///
    /// - Returns: how often the plan runs convolutions together, with an expansion and without.
    func check(_ outputs: [Graph.ValueID]) throws -> [Int] {
      var graph = graph
      graph.outputs = outputs.enumerated().map { .init(name: "y\($0)", value: $1) }
      let exact = try ReferenceBackend.run(graph, inputs: tensors)
      let plan = try LoadedPlan(Plan(graph), parameters: graph.parameters.compactMap { tensors[$0] })
      var (kernels, multiplications) = ([String](), 0)
      let found = try plan.run(graph.inputs.compactMap { tensors[$0] }) { step in
        kernels.append(step.kernel)
        multiplications += step.cost.multiplyAccumulates
        return true
      }
      for (tensor, id) in zip(found, outputs) {
        #expect(relativeDifference(tensor, try #require(exact[id.index])) < 1e-5)
      }
      let work = graph.nodes.map { node in
        node.operation.cost(inputs: node.inputs.map { graph[$0].type }, outputs: node.outputs.map { graph[$0].type })
      }
      #expect(multiplications == work.reduce(0) { $0 + $1.multiplyAccumulates }, "work is counted once")
      return ["inverted_residual", "separable"].map { name in kernels.count { $0 == name } }
    }
  }

  /// MobileNetV2's beginning: the first convolution, blocks with and without shortcuts, a late activation.
  @Test func mobileNet() throws {
    var net = Network()
    let x = net.input([2, 3, 33, 29])
    var y = try net.conv(x, 16, kernel: 3, stride: 2)
    y = try net.conv(net.conv(y, 16, kernel: 3, groups: 16), 12, nil)
    y = try net.conv(net.conv(net.conv(y, 48), 48, kernel: 5, stride: 2, groups: 48, .silu), 20, nil)
    let inner = try net.conv(net.conv(net.conv(y, 60, .relu), 60, kernel: 3, groups: 60, nil), 20, nil)
    y = try net.graph.append(.binary(.add), [y, inner])[0]
    #expect(try net.check([y]) == [3, 0])
  }

  /// The depthwise convolution reads the network's input, or what others read too.
  @Test func withoutExpansion() throws {
    var net = Network()
    let x = net.input([1, 24, 15, 15])
    let shared = try net.conv(x, 24)
    let outputs = [
      try net.conv(net.conv(x, 24, kernel: 3, groups: 24), 10),
      try net.conv(net.conv(shared, 24, kernel: 3, groups: 24), 10), shared,
    ]
    #expect(try net.check(outputs) == [0, 2])
  }

  /// Joined channels: the block reads a slice of a wider tensor, and writes one.
  @Test func slices() throws {
    var net = Network()
    let x = net.input([2, 8, 12, 12])
    let joined = try net.graph.append(.concatenate(axis: 1), [net.conv(x, 16), net.conv(x, 16)])[0]
    let blocks = try [24, 40].map { width in
      try net.conv(net.conv(net.conv(joined, width), width, kernel: 3, groups: width), 16)
    }
    let y = try net.conv(net.graph.append(.concatenate(axis: 1), blocks)[0], 8)
    #expect(try net.check([y]) == [2, 0])
  }

  /// What is read elsewhere must exist; groups of several channels are no depthwise convolution.
  @Test func apart() throws {
    var net = Network()
    let x = net.input([4, 16, 9, 9])
    let seen = try net.conv(x, 16, kernel: 3, groups: 16)
    let twice = try net.conv(x, 16, kernel: 3, groups: 16)
    let outputs = [
      seen, try net.conv(seen, 8), try net.conv(twice, 8), try net.conv(twice, 4),
      try net.conv(net.conv(x, 16, kernel: 3, groups: 4), 8),
      try net.conv(net.conv(x, 16, kernel: 3, groups: 16), 8, kernel: 3),
    ]
    #expect(try net.check(outputs) == [0, 0])
  }
}

import Graph
import Runtime
import Testing

/// Passes must not change what a graph computes: each is run before and after, in float64.
@Suite struct PassTests {
  @Test func foldingBatchNorm() throws {
    var net = Network([2, 3, 7, 6])
    try net.conv(4, name: "conv1", hasBias: true)
    try net.batchNorm(name: "bn1")
    try net.unary(.silu)
    try net.conv(4, name: "conv2", groups: 4)
    try net.batchNorm(name: "bn2")
    // Two nodes read this convolution, so the batch norm after it stays.
    try net.conv(2, name: "conv3")
    let shared = net.value
    try net.batchNorm(name: "bn3")
    net.value = try net.graph.append(.binary(.add), [net.value, shared])[0]
    net.graph.outputs = [.init(name: "y", value: net.value)]

    let folded = net.graph.foldingBatchNorm()
    try expectEqual(net, folded)
    #expect(folded.count(of: .batchNorm) == 1)
    #expect(names(folded, of: .conv) == ["conv1", "conv2", "conv3"])
  }

  @Test func foldingChannelFactors() throws {
    var net = Network([2, 3, 7, 6])
    func apply(_ function: BinaryFunction, _ operand: Graph.ValueID) throws {
      net.value = try net.graph.append(.binary(function), [net.value, operand])[0]
    }
    // Behind a convolution: a factor, then a shift.
    try net.conv(4, name: "conv1")
    try apply(.multiply, net.parameter("scale1", [4, 1, 1]))
    try apply(.add, net.parameter("shift1", [1, 4, 1, 1]))
    try net.unary(.silu)
    // In front of one without padding.
    try apply(.multiply, net.parameter("scale2", [4, 1, 1]))
    try apply(.add, net.parameter("shift2", [4, 1, 1]))
    try net.conv(5, name: "conv2", kernel: 2, padding: 0)
    try net.unary(.relu)
    // Padding is not shifted, and columns are not channels.
    try apply(.add, net.parameter("shift3", [5, 1, 1]))
    try net.conv(5, name: "conv3", hasBias: true)
    try apply(.multiply, net.parameter("columns", [5]))
    net.graph.outputs = [.init(name: "y", value: net.value)]

    let folded = net.graph.foldingChannelFactors()
    try expectEqual(net, folded)
    #expect(names(folded, of: .conv) == ["conv1", "conv2", "conv3"])
    // On images, unlike on weights, only the last two are left.
    let onImages = folded.nodes.count { node in
      guard case .binary = node.operation else { return false }
      return folded.shape(of: node.outputs[0]).dimensions.first == 2
    }
    #expect(onImages == 2)
  }

  @Test func fusingForInference() throws {
    let net = try residualNetwork(isTraining: false)
    let fused = net.graph.foldingBatchNorm().fusingEpilogues()
    try expectEqual(net, fused)
    try expectEqual(net, net.graph.fusingEpilogues())
    #expect(fused.count(of: .batchNorm) == 0)
    #expect(names(fused, of: .conv) == ["conv1", "conv2", "conv3"])
    let epilogues = fused.nodes.compactMap { node -> Epilogue? in
      guard case .conv(let attributes) = node.operation else { return nil }
      return attributes.epilogue
    }
    let relu = Epilogue(activation: .relu)
    #expect(epilogues == [relu, Epilogue(addsResidual: true, activation: .relu), Epilogue(activation: .relu6)])
    // The only activation left is the one in front of which nothing computes.
    #expect(fused.nodes.count { $0.operation == .unary(.relu) } == 0)
    #expect(fused.nodes.contains { $0.operation == .linear(hasBias: true, epilogue: relu) })
  }

  @Test func fusingATrainingStep() throws {
    var net = try residualNetwork(isTraining: true)
    let loss = net.graph.outputs[0].value
    var builder = GraphBuilder(net.graph)
    let parameters = net.graph.parameters.filter { net.isTrained($0) }
    let gradients = net.graph.gradients(of: loss, withRespectTo: parameters, in: &builder, resolve: { $0 })
    net.graph = builder.graph
    for (parameter, gradient) in zip(parameters, gradients) {
      net.graph.outputs.append(
        .init(name: "d\(parameter.index)", value: try #require(gradient, "no gradient for \(parameter)")))
    }

    let fused = net.graph.fusingEpilogues()
    try expectEqual(net, fused)
    #expect(
      fused.nodes.count { $0.operation == .unary(.relu) } < net.graph.nodes.count { $0.operation == .unary(.relu) })
    #expect(fused.nodes.contains { $0.operation == .batchNormGradient(fusesReLU: true) })
    #expect(
      fused.nodes.contains {
        $0.operation == .batchNormTraining(epsilon: 1e-5, momentum: 0.1, activation: .relu)
      })
  }

  /// Where fusing must choose, or must not happen at all.
  @Test func fusingAmongNeighbours() throws {
    var net = Network([2, 3, 5, 4])
    let input = net.value
    // Both operands could take the other: the later one does.
    try net.conv(4, name: "left")
    try net.batchNorm(name: "left_bn")
    let left = net.value
    net.value = input
    try net.conv(4, name: "right")
    try net.batchNorm(name: "right_bn")
    net.value = try net.graph.append(.binary(.add), [net.value, left])[0]
    try net.unary(.relu)
    // A convolution added to itself, one that is an output, and one in front of an activation without a kernel.
    try net.conv(4, name: "twice")
    net.value = try net.graph.append(.binary(.add), [net.value, net.value])[0]
    try net.conv(4, name: "seen")
    net.graph.outputs.append(.init(name: "seen", value: net.value))
    try net.unary(.relu)
    try net.conv(4, name: "squared")
    try net.unary(.square)
    // Broadcast: no residual of the output's shape.
    let offset = net.parameter("offset", [4, 1, 1])
    try net.conv(4, name: "shifted")
    net.value = try net.graph.append(.binary(.add), [net.value, offset])[0]
    net.graph.outputs.append(.init(name: "y", value: net.value))

    let fused = net.graph.foldingBatchNorm().fusingEpilogues()
    try expectEqual(net, fused)
    let epilogues = fused.nodes.reduce(into: [String: Epilogue]()) { found, node in
      if case .conv(let attributes) = node.operation { found[node.name] = attributes.epilogue }
    }
    #expect(
      epilogues == [
        "left": .none, "right": Epilogue(addsResidual: true, activation: .relu), "twice": .none, "seen": .none,
        "squared": .none, "shifted": .none,
      ])
  }

  // MARK: What the tests are made of

  /// conv -> batch norm -> ReLU -> conv -> batch norm -> + input -> ReLU -> conv -> ReLU6 -> mean -> linear -> ReLU.
  private func residualNetwork(isTraining: Bool) throws -> Network {
    var net = Network([2, 3, 6, 5], isTraining: isTraining)
    let input = net.value
    try net.conv(4, name: "conv1")
    try net.batchNorm(name: "bn1")
    try net.unary(.relu)
    try net.conv(3, name: "conv2")
    try net.batchNorm(name: "bn2")
    net.value = try net.graph.append(.binary(.add), [net.value, input])[0]
    try net.unary(.relu)
    try net.conv(4, name: "conv3", hasBias: true)
    try net.unary(.relu6)
    net.value = try net.graph.append(.reduce(.mean, axes: [2, 3], keepsDimensions: false), [net.value])[0]
    let weight = net.parameter("fc.weight", [5, 4])
    let bias = net.parameter("fc.bias", [5])
    net.value = try net.graph.append(.linear(hasBias: true), [net.value, weight, bias])[0]
    try net.unary(.relu)
    let loss = try net.graph.append(.reduce(.sum, axes: [0, 1], keepsDimensions: false), [net.value])[0]
    net.graph.outputs.insert(.init(name: "loss", value: loss), at: 0)
    return net
  }

  private func expectEqual(
    _ net: Network, _ rewritten: Graph, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = try net.run(net.graph)
    let found = try net.run(rewritten)
    #expect(expected.count == found.count, sourceLocation: sourceLocation)
    for ((name, a), (_, b)) in zip(found, expected) {
      #expect(relativeDifference(a, b) < 1e-12, "\(name)", sourceLocation: sourceLocation)
      #expect(b.numbers.contains { $0 != 0 }, "\(name) is zero everywhere", sourceLocation: sourceLocation)
    }
  }

  private func names(_ graph: Graph, of kind: OperationKind) -> [String] {
    graph.nodes.filter { OperationKind($0.operation) == kind }.map(\.name)
  }
}

extension Graph {
  fileprivate func count(of kind: OperationKind) -> Int { nodes.count { OperationKind($0.operation) == kind } }
}

/// A graph in float64 under construction, with random tensors for its sources.
private struct Network {
  var graph = Graph()
  var value: Graph.ValueID
  let isTraining: Bool
  private var random = Samples(.conv)
  private var tensors: [Graph.ValueID: Tensor] = [:]

  init(_ input: Shape, isTraining: Bool = false) {
    self.isTraining = isTraining
    value = graph.addInput("x", TensorType(input, .float64))
    tensors[value] = random.tensor(input)
  }

  mutating func parameter(_ path: String, _ shape: Shape, in range: ClosedRange<Double> = -1...1) -> Graph.ValueID {
    let id = graph.addParameter(path, TensorType(shape, .float64))
    tensors[id] = random.tensor(shape, in: range)
    return id
  }

  mutating func unary(_ function: UnaryFunction) throws { value = try graph.append(.unary(function), [value])[0] }

  /// 3 x 3, padded to keep the extents.
  mutating func conv(
    _ outputs: Int, name: String, kernel: Int = 3, padding: Int = 1, groups: Int = 1, hasBias: Bool = false
  ) throws {
    let weight = parameter("\(name).weight", [outputs, graph.shape(of: value)[1] / groups, kernel, kernel])
    let bias = hasBias ? [parameter("\(name).bias", [outputs])] : []
    let attributes = ConvAttributes(
      stride: [1, 1], dilation: [1, 1], paddingBefore: [padding, padding], paddingAfter: [padding, padding],
      groups: groups, hasBias: hasBias)
    value = try graph.append(.conv(attributes), [value, weight] + bias)[0]
  }

  mutating func batchNorm(name: String) throws {
    let channels: Shape = [graph.shape(of: value)[1]]
    let inputs = [
      value, parameter("\(name).weight", channels), parameter("\(name).bias", channels),
      parameter("\(name).running_mean", channels), parameter("\(name).running_var", channels, in: 0.5...2),
    ]
    let operation: Operation =
      isTraining ? .batchNormTraining(epsilon: 1e-5, momentum: 0.1) : .batchNorm(epsilon: 1e-5)
    let outputs = try graph.append(operation, inputs)
    value = outputs[0]
    if isTraining {
      graph.outputs.append(.init(name: "\(name).running_mean", value: outputs[3]))
      graph.outputs.append(.init(name: "\(name).running_var", value: outputs[4]))
    }
  }

  func isTrained(_ id: Graph.ValueID) -> Bool {
    guard case .parameter(let path) = graph[id].source else { return false }
    return !path.contains("running")
  }

  /// The outputs of a graph with the same sources.
  func run(_ other: Graph) throws -> [(name: String, tensor: Tensor)] {
    let sources = zip(graph.inputs + graph.parameters, other.inputs + other.parameters)
    let given = Dictionary(uniqueKeysWithValues: sources.map { ($1, tensors[$0]!) })
    let values = try ReferenceBackend.run(other, inputs: given)
    return other.outputs.map { ($0.name, values[$0.value.index]!) }
  }
}

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
    // Behind a convolution: a factor, then a shift.
    try net.conv(4, name: "conv1")
    try net.binary(.multiply, net.parameter("scale1", [4, 1, 1]))
    try net.binary(.add, net.parameter("shift1", [1, 4, 1, 1]))
    try net.unary(.silu)
    // In front of one without padding.
    try net.binary(.multiply, net.parameter("scale2", [4, 1, 1]))
    try net.binary(.add, net.parameter("shift2", [4, 1, 1]))
    try net.conv(5, name: "conv2", kernel: 2, padding: 0)
    try net.unary(.relu)
    // Padding is not shifted, and columns are not channels.
    try net.binary(.add, net.parameter("shift3", [5, 1, 1]))
    try net.conv(5, name: "conv3", hasBias: true)
    try net.binary(.multiply, net.parameter("columns", [5]))
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

  @Test func foldingPadding() throws {
    var net = Network([2, 3, 7, 6])
    func pad(_ before: [Int], _ after: [Int], value: Double = 0) throws {
      net.value = try net.graph.append(.pad(before: before, after: after, value: value), [net.value])[0]
    }
    try pad([0, 0, 0, 1], [0, 0, 1, 2])
    try net.conv(4, name: "uneven", hasBias: true)
    // Read by another node, too.
    try pad([0, 0, 2, 0], [0, 0, 0, 2])
    let shared = net.value
    try net.conv(4, name: "shared", padding: 0, groups: 4)
    let row = SliceAttributes(starts: [0, 0, 1, 1], counts: [2, 4, 1, 9], steps: [1, 1, 1, 1])
    let slice = try net.graph.append(.slice(row), [shared])[0]
    net.value = try net.graph.append(.concatenate(axis: 2), [net.value, slice])[0]
    // Ones, and channels, stay.
    try pad([0, 0, 1, 0], [0, 0, 0, 0], value: 1)
    try net.conv(3, name: "ones")
    try pad([0, 1, 1, 0], [0, 0, 0, 0])
    try net.conv(2, name: "channels")
    net.graph.outputs = [.init(name: "y", value: net.value)]

    let folded = net.graph.foldingPadding()
    try expectEqual(net, folded)
    #expect(folded.count(of: .pad) == 3)
    guard case .conv(let uneven)? = folded.nodes.first(where: { $0.name == "uneven" })?.operation else { return }
    #expect((uneven.paddingBefore, uneven.paddingAfter) == ([1, 2], [2, 3]))
  }

  /// Linear layers as exporters write them: a product with a matrix, and around it factors and shifts of features.
  @Test func recognizingLinearLayers() throws {
    var net = Network([2, 5, 3])
    try net.binary(.multiply, net.parameter("scale1", [3]))
    try net.binary(.add, net.parameter("shift1", [1, 3]))
    try net.matmul(4, name: "fc1")
    try net.binary(.add, net.parameter("shift2", [4]))
    try net.binary(.multiply, net.parameter("scale2", [1, 1, 4]))
    try net.unary(.gelu)
    try net.matmul(6, name: "fc2", transposesB: true)
    // Rows, not features; then a product of two values that are computed.
    try net.binary(.add, net.parameter("rows", [5, 1]))
    net.value = try net.graph.append(.matmul(transposesA: false, transposesB: true), [net.value, net.value])[0]
    net.graph.outputs = [.init(name: "y", value: net.value)]

    let recognized = net.graph.recognizingLinearLayers()
    try expectEqual(net, recognized)
    #expect(names(recognized, of: .linear) == ["fc1", "fc2"])
    let folded = recognized.foldingChannelFactors()
    try expectEqual(net, folded)
    #expect(folded.nodes.filter { OperationKind($0.operation) == .linear }.map(\.operation.inputCount) == [3, 2])
    let onRows = folded.nodes.filter { folded.shape(of: $0.outputs[0]).rank == 3 }
    #expect(onRows.map { OperationKind($0.operation) } == [.linear, .unary, .linear, .binary, .matmul])
  }

  /// A block in the manner of ConvNeXt, for images of each rank.
  @Test(arguments: [[6], [5, 4], [3, 4, 2]]) func cancellingTransposes(_ extents: [Int]) throws {
    var net = Network(Shape([2, 3] + extents))
    let image = net.value
    try net.transposeToEnd()
    let last = extents.count + 1
    net.value = try net.graph.append(.standardize(axis: last, epsilon: 1e-6), [net.value])[0]
    try net.binary(.multiply, net.parameter("norm.weight", [3]))
    try net.binary(.add, net.parameter("norm.bias", [3]))
    try net.matmul(6, name: "fc1")
    try net.binary(.add, net.parameter("fc1.bias", [6]))
    try net.unary(.gelu)
    // Global response normalisation: a branch that is joined again.
    let branch = net.value
    net.value = try net.graph.append(.reduce(.sum, axes: Array(1..<last), keepsDimensions: true), [branch])[0]
    net.value = try net.graph.append(.softmax(axis: last), [net.value])[0]
    try net.binary(.multiply, branch)
    net.value = try net.graph.append(.concatenate(axis: last), [branch, net.value])[0]
    try net.matmul(3, name: "fc2")
    // A map of positions, the same for all channels.
    try net.binary(.multiply, net.parameter("positions", Shape(extents + [1])))
    try net.transposeToFront()
    try net.binary(.add, image)
    net.graph.outputs = [.init(name: "y", value: net.value)]

    let cancelled = net.graph.recognizingLinearLayers().cancellingTransposes()
    try expectEqual(net, cancelled)
    #expect(names(cancelled, of: .conv) == ["fc1", "fc2"])
    #expect(cancelled.nodes.allSatisfy { node in !isOnImage(node, cancelled) || !isTranspose(node) })
    let folded = cancelled.foldingChannelFactors().fusingEpilogues()
    try expectEqual(net, folded)
    // Of norm and first layer two nodes are left.
    let first = try #require(folded.nodes.first { $0.name == "fc1" })
    #expect(folded.producer(of: first.inputs[0])?.operation == .standardize(axis: 1, epsilon: 1e-6))
    guard case .conv(let attributes) = first.operation else { return }
    #expect(attributes.hasBias && attributes.epilogue.activation == .gelu)
  }

  /// Of three axes, one transposition is its own inverse: which of several begins and which ends is the passes' choice.
  @Test func cancellingTransposesOfSequences() throws {
    for changes in [[2], [4], [2, 4], [1, 3], [3]] {
      var net = Network([2, 3, 4])
      for index in 0...4 {
        try net.transposeToEnd()
        try net.unary(.tanh)
        if changes.contains(index) {
          // Cannot be rewritten.
          let shape = net.graph.shape(of: net.value)
          net.value = try net.graph.append(.reshape(Shape([shape[0], shape[2], shape[1]])), [net.value])[0]
        }
        if index == 2 { try net.transposeToEnd() }
      }
      net.graph.outputs = [.init(name: "y", value: net.value)]
      let cancelled = net.graph.cancellingTransposes()
      try expectEqual(net, cancelled)
      #expect(cancelled.nodes.count(where: isTranspose) < net.graph.nodes.count(where: isTranspose))
    }
  }

  /// Transpositions stay where something between them is seen from outside or cannot be rewritten.
  @Test func transposesThatCannotBeCancelled() throws {
    var net = Network([2, 3, 5, 4])
    let image = net.value
    func block(_ name: String, _ body: () throws -> Void) throws {
      net.value = image
      try net.transposeToEnd()
      try body()
      try net.transposeToFront()
      net.graph.outputs.append(.init(name: name, value: net.value))
    }
    try block("seen") {
      try net.unary(.relu)
      net.graph.outputs.append(.init(name: "inside", value: net.value))
      try net.unary(.tanh)
    }
    try block("reshaped") {
      try net.unary(.relu)
      net.value = try net.graph.append(.reshape([2, 4, 5, 3]), [net.value])[0]
      try net.unary(.tanh)
    }
    try block("joined") { try net.binary(.add, net.graph.addInput("other", TensorType([2, 5, 4, 3], .float64))) }
    net.give(net.graph.inputs[1])
    try block("widened") { try net.binary(.multiply, net.parameter("wide", [1, 2, 1, 1, 3])) }
    // Nothing between, and only activations: these go.
    try block("nothing") {}
    try block("activated") { try net.unary(.relu) }

    let cancelled = net.graph.cancellingTransposes()
    try expectEqual(net, cancelled)
    #expect(cancelled.nodes.count(where: isTranspose) == net.graph.nodes.count(where: isTranspose) - 4)
  }

  private func isTranspose(_ node: Graph.Node) -> Bool { OperationKind(node.operation) == .transpose }

  private func isOnImage(_ node: Graph.Node, _ graph: Graph) -> Bool {
    graph.shape(of: node.outputs[0]).dimensions.first == 2
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
    // The first norm masks by what it computes again, the second, behind a residual, by what it gave.
    for mask in [BatchNormGradientAttributes.Mask.shift(.relu), .output(.relu)] {
      let attributes = BatchNormGradientAttributes(mask: mask)
      #expect(fused.nodes.count { $0.operation == .batchNormGradient(attributes) } == 1, "\(mask)")
    }
    for addsResidual in [false, true] {
      let norm = Operation.batchNormTraining(
        epsilon: 1e-5, momentum: 0.1, epilogue: Epilogue(addsResidual: addsResidual, activation: .relu))
      #expect(fused.nodes.count { $0.operation == norm } == 1)
    }
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

  mutating func binary(_ function: BinaryFunction, _ operand: Graph.ValueID) throws {
    value = try graph.append(.binary(function), [value, operand])[0]
  }

  /// A product with a matrix `[in, out]`, or transposed.
  mutating func matmul(_ outputs: Int, name: String, transposesB: Bool = false) throws {
    let inputs = graph.shape(of: value).dimensions.last!
    let matrix = parameter("\(name).weight", transposesB ? [outputs, inputs] : [inputs, outputs])
    value = try graph.append(
      .matmul(transposesA: false, transposesB: transposesB), [value, matrix], name: name)[0]
  }

  mutating func transposeToEnd() throws {
    let rank = graph.shape(of: value).rank
    value = try graph.append(.transpose([0] + Array(2..<rank) + [1]), [value])[0]
  }

  mutating func transposeToFront() throws {
    let rank = graph.shape(of: value).rank
    value = try graph.append(.transpose([0, rank - 1] + Array(1..<rank - 1)), [value])[0]
  }

  /// Draws a tensor for an input.
  mutating func give(_ id: Graph.ValueID) { tensors[id] = random.tensor(graph.shape(of: id)) }

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

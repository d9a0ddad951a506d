import Graph
import Runtime
import Testing

/// What a plan of a training step makes of residual blocks and of many parameters, against the reference backend.
@Suite struct TrainingFusionTests {
  /// A graph under construction, with random numbers for its sources.
  private struct Network {
    var graph = Graph()
    var tensors: [Tensor] = []
    var value: Graph.ValueID
    private var random = RandomStream(seed: 5)

    init(_ input: Shape) {
      value = graph.addInput("x", TensorType(input))
      tensors = []
    }

    mutating func uniform(_ shape: Shape, _ range: Range<Float> = -1..<1) -> Tensor {
      Tensor((0..<shape.elementCount).map { _ in random.uniform(range) as Float }, shape: shape)
    }

    mutating func parameter(_ shape: Shape) -> Graph.ValueID {
      tensors.append(uniform(shape))
      return graph.addParameter("p\(tensors.count)", TensorType(shape))
    }

    mutating func apply(_ operation: Operation, _ others: Graph.ValueID...) throws {
      value = try graph.append(operation, [value] + others)[0]
    }

    mutating func conv(_ channels: Int) throws {
      let weight = parameter([channels, graph.shape(of: value)[1], 3, 3])
      try apply(
        .conv(ConvAttributes(stride: [1, 1], dilation: [1, 1], paddingBefore: [1, 1], paddingAfter: [1, 1])), weight)
    }

    mutating func norm() throws {
      let channels: Shape = [graph.shape(of: value)[1]]
      let parameters = (0..<4).map { _ in parameter(channels) }
      value = try graph.append(.batchNormTraining(epsilon: 1e-3, momentum: 0.1), [value] + parameters)[0]
    }

    /// Compares plans of the value and its gradients with the reference.
    ///
    /// - Returns: the kernels and operations of the fused plan.
    mutating func checkGradients(sourceLocation: SourceLocation = #_sourceLocation) throws
      -> (kernels: [String], operations: [Operation])
    {
      let loss = value
      var builder = GraphBuilder(graph)
      let gradients = graph.gradients(of: loss, withRespectTo: graph.parameters, in: &builder, resolve: { $0 })
        .compactMap { $0 }
      var graph = builder.graph
      graph.outputs = ([loss] + gradients).enumerated().map { .init(name: "y\($0)", value: $1) }
      let x = uniform(graph.shape(of: graph.inputs[0]))
      let sources = Dictionary(uniqueKeysWithValues: zip(graph.inputs + graph.parameters, [x] + tensors))
      let exact = try ReferenceBackend.run(graph, inputs: sources)
      var kernels: [String] = []
      var operations: [Graph.Node] = []
      for fuses in [false, true] {
        let plan = try Plan(graph, options: .init(parametersAreConstant: false, fuses: fuses))
        let loaded = try LoadedPlan(plan, parameters: tensors)
        for (found, id) in zip(try loaded.run([x]), [loss] + gradients) {
          #expect(
            relativeDifference(found, try #require(exact[id.index])) < 2e-5, "\(id.index), fuses: \(fuses)",
            sourceLocation: sourceLocation)
        }
        (kernels, operations) = ([], plan.graph.nodes)
        _ = try loaded.run([x]) { step in
          kernels.append(step.kernel)
          return true
        }
      }
      return (kernels, operations.map(\.operation))
    }
  }

  /// A block with a norm on either side and activation behind the sum, then one with norm and activation in front.
  @Test(arguments: [UnaryFunction.relu, .relu6]) func residualBlocks(activation: UnaryFunction) throws {
    var net = Network([3, 4, 9, 7])
    try net.conv(12)
    let stem = net.value
    try net.conv(12)
    try net.norm()
    let shortcut = net.value
    net.value = stem
    try net.conv(12)
    try net.norm()
    try net.apply(.binary(.add), shortcut)
    try net.apply(.unary(activation))
    let trunk = net.value
    try net.norm()
    try net.apply(.unary(activation))
    try net.conv(12)
    try net.apply(.binary(.add), trunk)
    try net.apply(.unary(.square))
    try net.apply(.reduce(.mean, axes: [0, 1, 2, 3], keepsDimensions: false))
    let (kernels, operations) = try net.checkGradients()
    let unfused = ["add", "relu", "relu6", "relu_gradient", "relu6_gradient"]
    #expect(Set(unfused).isDisjoint(with: kernels), "\(kernels)")
    for epilogue in [
      Epilogue(), Epilogue(addsResidual: true, activation: activation), Epilogue(activation: activation),
    ] {
      let norm = Operation.batchNormTraining(epsilon: 1e-3, momentum: 0.1, epilogue: epilogue)
      #expect(operations.count { $0 == norm } == 1, "\(epilogue)")
    }
    for attributes in [
      BatchNormGradientAttributes(), BatchNormGradientAttributes(mask: .output(activation), returnsMasked: true),
      BatchNormGradientAttributes(mask: .shift(activation), addsResidual: true),
    ] {
      #expect(operations.count { $0 == .batchNormGradient(attributes) } == 1, "\(attributes)")
    }
  }

  /// The gradients of activations go into the kernels that make what they mask, those behind maximum pooling and a
  /// flattening past these.
  @Test(arguments: [UnaryFunction.relu, .relu6]) func masks(activation: UnaryFunction) throws {
    func pool(_ kind: PoolAttributes.Kind) -> Operation {
      .pool(
        PoolAttributes(
          kind: kind, kernel: [2, 2], stride: [2, 2], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0]))
    }
    var net = Network([3, 4, 17, 12])
    try net.conv(6)
    try net.apply(.unary(activation))
    try net.apply(pool(.max))
    try net.conv(20)
    try net.apply(.unary(activation))
    // Read twice: its gradient is a sum.
    let shortcut = net.value
    try net.conv(20)
    try net.apply(.unary(activation))
    try net.conv(20)
    try net.apply(.binary(.add), shortcut)
    try net.apply(.unary(activation))
    try net.apply(pool(.average(countsPadding: true)))
    try net.conv(8)
    try net.apply(.unary(activation))
    try net.apply(pool(.max))
    try net.apply(.reshape([3, 16]))
    let first = net.parameter([7, 16])
    try net.apply(.linear(hasBias: false), first)
    try net.apply(.unary(activation))
    let second = net.parameter([2, 7])
    try net.apply(.linear(hasBias: false), second)
    try net.apply(.unary(.square))
    try net.apply(.reduce(.mean, axes: [0, 1], keepsDimensions: false))
    let (kernels, operations) = try net.checkGradients()
    let names = ["relu", "relu6", "relu_gradient", "relu6_gradient", "add"]
    #expect(Set(names).isDisjoint(with: kernels), "\(kernels)")
    let masked = operations.compactMap { operation -> Epilogue? in
      switch operation {
      case .convTransposed(let attributes, _): attributes.epilogue
      case .matmul(_, _, let epilogue), .poolGradient(_, _, let epilogue): epilogue
      default: nil
      }
    }
    #expect(masked.count { $0 == Epilogue(mask: activation) } == 5)
    #expect(masked.count { $0 == Epilogue(addsResidual: true, mask: activation) } == 1)
  }

  /// Parameters of two rules and several rates are updated by one kernel; none is where the factor is not a number.
  @Test(arguments: [Float(0.5), .nan]) func updates(factor: Float) throws {
    var net = Network([1])
    let factorID = net.value
    let rate = net.graph.addInput("rate", TensorType([2]))
    let operations: [(Operation, Shape)] = [
      (.sgd(SGDAttributes(momentum: 0.9, weightDecay: 0.1)), [5, 7]), (.sgd(SGDAttributes(rateFactor: 0.1)), [1]),
      (.adam(AdamAttributes(weightDecay: 0.2)), [40_001]), (.adam(AdamAttributes(rateFactor: 3)), [3, 3]),
      (.sgd(SGDAttributes(momentum: 0.5, isNesterov: true)), [20_000]),
    ]
    var outputs: [Graph.ValueID] = []
    for (operation, shape) in operations {
      let (parameter, gradient) = (net.parameter(shape), net.parameter(shape))
      let states = (4..<(operation.inputCount ?? 4)).map { _ in net.parameter(shape) }
      // Moving averages of squares are not negative.
      if let last = states.last { net.tensors[net.graph.parameters.firstIndex(of: last)!] = net.uniform(shape, 0..<1) }
      outputs += try net.graph.append(operation, [parameter, gradient, factorID, rate] + states)
    }
    net.graph.outputs = outputs.enumerated().map { .init(name: "y\($0)", value: $1) }
    let inputs = [Tensor([factor]), Tensor([0.1, 3] as [Float])]
    let sources = zip(net.graph.inputs + net.graph.parameters, inputs + net.tensors)
    let exact = try ReferenceBackend.run(net.graph, inputs: Dictionary(uniqueKeysWithValues: sources))
    let plan = try LoadedPlan(
      Plan(net.graph, options: .init(parametersAreConstant: false)), parameters: net.tensors)
    for (found, id) in zip(try plan.run(inputs), outputs) {
      #expect(relativeDifference(found, try #require(exact[id.index])) < 1e-6)
    }
    var kernels: [String] = []
    _ = try plan.run(inputs) { step in
      kernels.append(step.kernel)
      return true
    }
    #expect(kernels == ["sgd"])
  }
}

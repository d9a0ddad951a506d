import Graph
import Runtime
import Testing

/// Concatenations whose inputs are written where they are joined, against the reference backend.
@Suite struct ConcatenationTests {
  /// A graph under construction, with random numbers for its sources.
  private struct Network {
    var graph = Graph()
    var tensors: [Graph.ValueID: Tensor] = [:]
    private var random = RandomStream(seed: 7)

    private mutating func tensor(_ shape: Shape, _ range: Range<Float>) -> Tensor {
      Tensor((0..<shape.elementCount).map { _ in random.uniform(range) as Float }, shape: shape)
    }

    mutating func input(_ shape: Shape) -> Graph.ValueID {
      let id = graph.addInput("x\(graph.inputs.count)", TensorType(shape))
      tensors[id] = tensor(shape, -1..<1)
      return id
    }

    mutating func parameter(_ shape: Shape) -> Graph.ValueID {
      let id = graph.addParameter("p\(graph.parameters.count)", TensorType(shape))
      tensors[id] = tensor(shape, -0.3..<0.3)
      return id
    }

    mutating func conv(
      _ x: Graph.ValueID, _ channels: Int, kernel: Int = 1, groups: Int = 1, hasBias: Bool = true,
      _ activation: UnaryFunction? = nil
    ) throws -> Graph.ValueID {
      let shape = graph.shape(of: x)
      let rank = shape.rank - 2
      let weight = parameter(Shape([channels, shape[1] / groups] + .init(repeating: kernel, count: rank)))
      let (ones, padding) = ([Int](repeating: 1, count: rank), [Int](repeating: kernel / 2, count: rank))
      let attributes = ConvAttributes(
        stride: ones, dilation: ones, paddingBefore: padding, paddingAfter: padding, groups: groups, hasBias: hasBias)
      let y = try graph.append(.conv(attributes), [x, weight] + (hasBias ? [parameter([channels])] : []))[0]
      return try activation.map { try unary($0, y) } ?? y
    }

    /// Twice the extents.
    mutating func up(_ x: Graph.ValueID, _ channels: Int) throws -> Graph.ValueID {
      let shape = graph.shape(of: x)
      let weight = parameter([shape[1], channels, 2, 2])
      let attributes = ConvAttributes(
        stride: [2, 2], dilation: [1, 1], paddingBefore: [0, 0], paddingAfter: [0, 0], hasBias: true)
      let output: Shape = [shape[0], channels, 2 * shape[2], 2 * shape[3]]
      return try graph.append(.convTransposed(attributes, output: output), [x, weight, parameter([channels])])[0]
    }

    mutating func pool(_ kind: PoolAttributes.Kind, _ x: Graph.ValueID, kernel: Int, stride: Int) throws
      -> Graph.ValueID
    {
      func all(_ extent: Int) -> [Int] { .init(repeating: extent, count: graph.shape(of: x).rank - 2) }
      let padding = all(stride == 1 ? kernel / 2 : 0)
      let attributes = PoolAttributes(
        kind: kind, kernel: all(kernel), stride: all(stride), dilation: all(1), paddingBefore: padding,
        paddingAfter: padding)
      return try graph.append(.pool(attributes), [x])[0]
    }

    mutating func unary(_ function: UnaryFunction, _ x: Graph.ValueID) throws -> Graph.ValueID {
      try graph.append(.unary(function), [x])[0]
    }

    /// Batch norm in training.
    mutating func norm(_ x: Graph.ValueID, _ activation: UnaryFunction) throws -> Graph.ValueID {
      let parameters = (0..<4).map { _ in parameter([graph.shape(of: x)[1]]) }
      let y = try graph.append(.batchNormTraining(epsilon: 1e-3, momentum: 0.1), [x] + parameters)[0]
      return try unary(activation, y)
    }

    /// The mean square of a value, and its gradient by all parameters that have one.
    mutating func lossAndGradients(of y: Graph.ValueID) throws -> [Graph.ValueID] {
      let axes = Array(0..<graph.shape(of: y).rank)
      let loss = try graph.append(.reduce(.mean, axes: axes, keepsDimensions: false), [unary(.square, y)])
      var builder = GraphBuilder(graph)
      let gradients = graph.gradients(of: loss[0], withRespectTo: graph.parameters, in: &builder, resolve: { $0 })
      graph = builder.graph
      return loss + gradients.compactMap { $0 }
    }

    mutating func join(_ values: Graph.ValueID...) throws -> Graph.ValueID {
      try graph.append(.concatenate(axis: 1), values)[0]
    }

    /// Runs the graph for some values, by plans and by the reference.
    ///
    /// - Returns: the kernels of the fused plan.
    @discardableResult
    mutating func check(
      _ outputs: [Graph.ValueID], isTraining: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String] {
      graph.outputs = outputs.enumerated().map { .init(name: "y\($0)", value: $1) }
      let exact = try ReferenceBackend.run(graph, inputs: tensors)
      var kernels: [String] = []
      for fuses in [false, true] {
        let options = Plan.Options(parametersAreConstant: !isTraining, fuses: fuses)
        let plan = try LoadedPlan(
          Plan(graph, options: options), parameters: graph.parameters.compactMap { tensors[$0] })
        let inputs = graph.inputs.compactMap { tensors[$0] }
        kernels = []
        _ = try plan.run(inputs) { step in
          kernels.append(step.kernel)
          return true
        }
        // Again: nothing of the first run may be left in the second.
        for (found, id) in zip(try plan.run(inputs), outputs) {
          let expected = try #require(exact[id.index])
          #expect(
            relativeDifference(found, expected) < 2e-5, "output \(id.index), fuses: \(fuses)",
            sourceLocation: sourceLocation)
        }
      }
      return kernels
    }
  }

  /// Branches as in GoogLeNet: each kind of kernel that can write a slice, of channels that fill no vector.
  @Test func branches() throws {
    var net = Network()
    let x = net.input([2, 12, 18, 17])
    let joined = try net.join(
      net.conv(x, 20, .relu),
      net.conv(net.conv(x, 32, .relu), 35, kernel: 3, .silu),
      net.conv(net.pool(.max, x, kernel: 3, stride: 1), 7),
      net.pool(.average(countsPadding: false), x, kernel: 3, stride: 1),
      net.conv(x, 12, kernel: 5, groups: 12, .relu6),
      net.conv(x, 24, kernel: 3, groups: 3, .tanh))
    let kernels = try net.check([net.conv(joined, 24, .relu), net.pool(.max, joined, kernel: 2, stride: 2)])
    #expect(!kernels.contains("concatenate") && !kernels.contains("copy_slice"), "\(kernels)")
    #expect(kernels.contains("winograd4"))
  }

  @Test(arguments: [1, 3])
  func otherRanks(rank: Int) throws {
    var net = Network()
    let x = net.input(Shape([2, 3] + [Int](repeating: 6, count: rank)))
    let joined = try net.join(net.conv(x, 5, kernel: 3), net.pool(.max, x, kernel: 3, stride: 1), net.conv(x, 4))
    let kernels = try net.check([net.conv(joined, 6, kernel: 3)])
    #expect(!kernels.contains("concatenate"), "\(kernels)")
  }

  /// A skip connection as in U-Net: what is joined is pooled as well, and the rest comes from a transposed convolution.
  private func skip() throws -> (Network, output: Graph.ValueID) {
    var net = Network()
    let x = net.input([2, 3, 16, 12])
    let left = try net.conv(net.conv(x, 32, kernel: 3, .relu), 32, kernel: 3, .relu)
    let low = try net.conv(net.pool(.max, left, kernel: 2, stride: 2), 20, kernel: 3, .relu)
    let joined = try net.join(left, net.up(low, 33))
    let y = try net.conv(net.conv(joined, 32, kernel: 3, .relu), 2)
    return (net, y)
  }

  @Test func skipConnection() throws {
    var (net, y) = try skip()
    let kernels = try net.check([y])
    #expect(!kernels.contains("concatenate") && !kernels.contains("add"), "\(kernels)")
  }

  /// Gradients read both parts, and what comes back to them, where they lie.
  @Test func skipConnectionInTraining() throws {
    var (net, y) = try skip()
    let kernels = try net.check(net.lossAndGradients(of: y), isTraining: true)
    #expect(copies.isDisjoint(with: kernels), "\(kernels)")
    #expect(kernels.contains("max_pool_gradient") && kernels.contains("sum"))
  }

  /// Branches without norms: gradients of activations and sums read slices of what comes back.
  @Test(arguments: [UnaryFunction.relu, .silu]) func branchesInTraining(activation: UnaryFunction) throws {
    var net = Network()
    let x = try net.conv(net.input([2, 4, 10, 9]), 16, kernel: 3, .relu)
    let joined = try net.join(
      net.conv(x, 20, .relu), net.conv(net.conv(x, 17, .relu6), 24, kernel: 3, .relu6),
      net.conv(net.pool(.max, x, kernel: 3, stride: 1), 7))
    let y = try net.unary(
      activation, net.conv(net.pool(.average(countsPadding: true), joined, kernel: 2, stride: 2), 5))
    let kernels = try net.check(net.lossAndGradients(of: y), isTraining: true)
    #expect(copies.subtracting(["relu_gradient", "relu6_gradient"]).isDisjoint(with: kernels), "\(kernels)")
  }

  /// Kernels that only move, add or mask.
  private let copies: Set = [
    "concatenate", "copy_slice", "slice", "slice_gradient", "add", "relu_gradient", "relu6_gradient", "relu", "relu6",
  ]

  /// Growing joins, as in DenseNet: each norm reads a slice of one buffer, its gradient adds what lies in the next one's.
  @Test(arguments: [UnaryFunction.relu, .relu6]) func denseBlockInTraining(activation: UnaryFunction) throws {
    var net = Network()
    // Without biases, whose gradients a norm makes 0.
    var x = try net.conv(net.input([3, 3, 10, 9]), 13, kernel: 3, hasBias: false)
    for growth in [8, 5, 16] {
      let inner = try net.norm(net.conv(net.norm(x, activation), 24, hasBias: false), activation)
      x = try net.join(x, net.conv(inner, growth, kernel: 3, hasBias: false))
    }
    let y = try net.conv(net.norm(x, activation), 3)
    let kernels = try net.check(net.lossAndGradients(of: y), isTraining: true)
    #expect(copies.isDisjoint(with: kernels), "\(kernels)")
  }

  /// Norms write where a join wants their results, and their gradients read there.
  @Test func branchesOfNormsInTraining() throws {
    var net = Network()
    let x = try net.conv(net.input([3, 4, 10, 9]), 16, kernel: 3, .relu)
    let joined = try net.join(
      net.norm(net.conv(x, 12, hasBias: false), .relu),
      net.norm(net.conv(x, 16, kernel: 3, hasBias: false), .relu6),
      net.norm(net.conv(net.pool(.max, x, kernel: 3, stride: 1), 7, hasBias: false), .relu))
    let kernels = try net.check(
      net.lossAndGradients(of: net.conv(net.pool(.max, joined, kernel: 2, stride: 2), 5)), isTraining: true)
    #expect(Set(["concatenate", "copy_slice", "slice"]).isDisjoint(with: kernels), "\(kernels)")
    // Convolutions take the statistics of what they write.
    #expect(kernels.contains("batch_norm_of_moments"), "\(kernels)")
  }

  /// Where values cannot lie in the joint buffer, or have more than one place to lie in.
  @Test func readersAndWritersOfAllKinds() throws {
    var net = Network()
    let x = net.input([2, 6, 9, 8])
    let (twice, seen) = (try net.conv(x, 9), try net.conv(x, 5, kernel: 3))
    let (squared, residual) = (try net.conv(x, 7), try net.conv(x, 6))
    let added = try net.graph.append(.binary(.add), [net.conv(residual, 6, kernel: 3), residual])[0]
    let (deep, shared) = (try net.conv(x, 11), try net.conv(x, 20))
    let inner = try net.join(deep, net.conv(x, 4, .silu))
    let other = try net.join(shared, net.conv(x, 3))
    let outer = try net.join(inner, twice, twice, seen, x, squared, added, shared)
    try net.check([
      net.conv(outer, 8), net.pool(.max, inner, kernel: 3, stride: 1), seen, net.unary(.tanh, squared),
      net.conv(other, 4, kernel: 3), net.unary(.sigmoid, net.join(net.conv(x, 8), net.conv(x, 8))),
    ])
  }

  /// What a plan has packed need not be kept.
  @Test func packedParametersAreLetGo() throws {
    var (net, y) = try skip()
    net.graph.outputs = [.init(name: "y", value: y)]
    let inputs = net.graph.inputs.compactMap { net.tensors[$0] }
    let expected = try #require(try ReferenceBackend.run(net.graph, inputs: net.tensors)[y.index])
    var parameters = net.graph.parameters.compactMap { net.tensors[$0] }
    net.tensors = [:]
    weak let weight = parameters[0].storage
    weak let bias = parameters[1].storage
    let plan = try LoadedPlan(Plan(net.graph), parameters: consume parameters)
    parameters = []
    #expect(weight == nil && bias != nil)
    for _ in 0..<2 { #expect(relativeDifference(try plan.run(inputs)[0], expected) < 2e-5) }
  }
}

import Graph
import Runtime
import Testing

/// Compares outputs and all gradients of every fixture of a file with PyTorch's.
///
/// - Parameters:
///   - tolerance: the largest difference allowed, relative to the largest magnitude of each expected tensor.
///   - convert: how the float32 inputs are given to `run`.
func expectPyTorch(
  _ file: String, tolerance: Double, convert: (Tensor) -> Tensor = { $0 },
  sourceLocation: SourceLocation = #_sourceLocation,
  run: OperationRunner
) throws {
  let cases = try OperationFixture.all(in: file)
  #expect(cases.count > 400, sourceLocation: sourceLocation)
  for fixture in cases {
    let results = try fixture.results(run: run, convert: convert)
    #expect(results.count == fixture.outputs.count, "\(fixture.name)", sourceLocation: sourceLocation)
    for (index, (result, expected)) in zip(results, fixture.outputs).enumerated() {
      let difference = relativeDifference(result, expected)
      #expect(difference <= tolerance, "\(fixture.name): output \(index)", sourceLocation: sourceLocation)
    }
    guard let upstream = fixture.upstream else { continue }
    let wanted = fixture.gradients.indices.filter { fixture.gradients[$0] != nil }
    let found = try gradients(
      of: fixture.operation, fixture.inputs.map(convert), upstream: convert(upstream), withRespectTo: wanted, run: run)
    for (index, gradient) in zip(wanted, found) {
      let difference = gradient.map { relativeDifference($0, fixture.gradients[index]!) } ?? .infinity
      #expect(difference <= tolerance, "\(fixture.name): gradient \(index)", sourceLocation: sourceLocation)
    }
  }
}

@Suite struct PyTorchTests {
  @Test(arguments: OperationFixture.files) func referenceInFloat32(file: String) throws {
    try expectPyTorch(file, tolerance: 1e-6) { try ReferenceBackend.apply($0, $1) }
  }

  /// The expected numbers are float32, rounded once.
  @Test(arguments: OperationFixture.files) func referenceInFloat64(file: String) throws {
    try expectPyTorch(file, tolerance: 1e-7, convert: \.widened) { try ReferenceBackend.apply($0, $1) }
  }
}

@Suite struct KernelsAgainstPyTorchTests {
  @Test(arguments: OperationFixture.files) func eager(file: String) throws {
    try expectPyTorch(file, tolerance: 2e-6) { apply($0, $1) }
  }

  /// Every image-like input comes in channels last, as it does in the middle of a network.
  @Test(arguments: OperationFixture.files) func channelsLast(file: String) throws {
    try expectPyTorch(file, tolerance: 2e-6) { operation, inputs in
      var graph = Graph()
      let values = try inputs.enumerated().map { index, tensor in
        let value = graph.addInput("\(index)", tensor.type)
        guard tensor.dtype == .float32, (3...5).contains(tensor.rank), !tensor.shape.dimensions.contains(0) else {
          return value
        }
        // Pooling of single elements changes nothing but the layout.
        let ones = [Int](repeating: 1, count: tensor.rank - 2)
        let zeros = [Int](repeating: 0, count: tensor.rank - 2)
        let identity = PoolAttributes(
          kind: .max, kernel: ones, stride: ones, dilation: ones, paddingBefore: zeros, paddingAfter: zeros)
        return try graph.append(.pool(identity), [value])[0]
      }
      let outputs = try graph.append(operation, values)
      graph.outputs = outputs.enumerated().map { Graph.Output(name: "\($0)", value: $1) }
      let plan = try Plan(graph, options: .init(parametersAreConstant: false, fuses: false, allowsWinograd: false))
      return try LoadedPlan(plan).run(inputs)
    }
  }
}

import Graph
import Runtime
import Testing

/// Compares outputs and all gradients of every fixture with PyTorch's.
///
/// - Parameters:
///   - tolerance: the largest difference allowed, relative to the largest magnitude of each expected tensor.
///   - convert: how the float32 inputs are given to `run`.
func expectPyTorch(
  tolerance: Double, convert: (Tensor) -> Tensor = { $0 }, sourceLocation: SourceLocation = #_sourceLocation,
  run: OperationRunner
) throws {
  let cases = try OperationFixture.all()
  #expect(cases.count > 300, sourceLocation: sourceLocation)
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
  @Test func referenceInFloat32() throws {
    try expectPyTorch(tolerance: 1e-6) { try ReferenceBackend.apply($0, $1) }
  }

  /// The expected numbers are float32, rounded once.
  @Test func referenceInFloat64() throws {
    try expectPyTorch(tolerance: 1e-7, convert: \.widened) { try ReferenceBackend.apply($0, $1) }
  }
}

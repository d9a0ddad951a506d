import Graph
import Runtime

/// The part of a model that its input and frozen tensors alone determine, compiled: it turns examples into features,
/// once, and a training step or an evaluation goes on from there.
final class FrozenPrefix: Sendable {
  /// Of one example: `[3, 224, 224]`.
  let exampleShape: Shape
  /// Of one example's features: `[1280]`.
  let featureShape: Shape
  /// Recognises the same computation with the same frozen numbers.
  let fingerprint: UInt64
  private let graph: Graph
  private let plan: LoadedPlan

  /// Always as many at a time, filled up at the end of a data set: which algorithm a kernel chooses depends on the
  /// batch, and features may not depend on what else was in it.
  static let batchSize = 16

  /// - Returns: `nil` if the model begins with something that learns.
  init?<Model: Layer>(
    of model: Model, exampleShape: Shape, allowsWinograd: Bool, isFrozen: @escaping @Sendable (String) -> Bool
  ) throws {
    let traced = try Self.trace(model, exampleShape, isTraining: true, isFrozen)
    guard let halves = traced.graph.removingFrozenDropout(isFrozen: isFrozen).cutAfterFrozenPrefix(isFrozen: isFrozen)
    else { return nil }
    graph = halves.prefix
    self.exampleShape = exampleShape
    let output = graph.shape(of: graph.outputs[0].value)
    featureShape = Shape(Array(output.dimensions.dropFirst()))
    let plan = try Plan(graph, constants: traced.constants, options: .init(allowsWinograd: allowsWinograd))
    let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.path, $0.tensor) })
    let parameters = plan.parameterPaths.compactMap { tensors[$0] }
    self.plan = try LoadedPlan(plan, parameters: parameters)

    var hash = XXHash64.hash("\(exampleShape) \(allowsWinograd)")
    for node in graph.nodes { hash = XXHash64.hash("\(node.operation) \(node.inputs)", seed: hash) }
    for (path, tensor) in zip(plan.parameterPaths, parameters) {
      hash = XXHash64.hash(path, seed: hash)
      hash = tensor.withUnsafeBuffer(of: Float.self) { XXHash64.hash(UnsafeRawBufferPointer($0), seed: hash) }
    }
    fingerprint = hash
  }

  /// Whether an evaluation, too, may go on from the features: what comes before the cut must be the same in inference.
  func isPartOfInference<Model: Layer>(
    of model: Model, isFrozen: @escaping @Sendable (String) -> Bool
  ) throws -> Bool {
    let inference = try Self.trace(model, exampleShape, isTraining: false, isFrozen).graph
    let halves = inference.cutAfterFrozenPrefix(nodeLimit: graph.nodes.count, isFrozen: isFrozen)
    return halves?.prefix.computesTheSame(as: graph) ?? false
  }

  /// The second half of a graph traced from the same model, for a batch of any size.
  func suffix(of graph: Graph, isFrozen: (String) -> Bool) throws(ShapeError) -> Graph {
    let halves = graph.cutAfterFrozenPrefix(nodeLimit: self.graph.nodes.count, isFrozen: isFrozen)
    guard let halves, halves.prefix.nodes.count == self.graph.nodes.count else {
      throw ShapeError(message: "the frozen part of the model is not the same for batches of all sizes")
    }
    return halves.suffix
  }

  /// The features of a batch, `[n, ...]` from `[n, ...]`; the same for an example whatever the others are.
  func features(of input: Tensor) throws -> Tensor {
    let count = input.shape[0]
    return try Tensor(shape: Shape([count] + featureShape.dimensions), of: Float.self) { result in
      for start in stride(from: 0, to: count, by: Self.batchSize) {
        let rows = min(Self.batchSize, count - start)
        let output = try plan.run([input.rows(from: start, count: rows, filledTo: Self.batchSize)])[0]
        output.withUnsafeBuffer(of: Float.self) { features in
          let wanted = UnsafeBufferPointer(rebasing: features[..<(rows * featureShape.elementCount)])
          _ = UnsafeMutableBufferPointer(rebasing: result[(start * featureShape.elementCount)...])
            .update(fromContentsOf: wanted)
        }
      }
    }
  }

  private static func trace<Model: Layer>(
    _ model: Model, _ exampleShape: Shape, isTraining: Bool, _ isFrozen: @escaping @Sendable (String) -> Bool
  ) throws -> Tracer.Trace {
    let tracer = Tracer(isTraining: isTraining, isFrozen: isFrozen)
    let x = tracer.input("input", TensorType(Shape([batchSize] + exampleShape.dimensions)))
    let symbolic = try model.mapParameters { path, _, tensor in tracer.parameter(path, tensor, isTracked: false) }
    let output = Tracer.$current.withValue(tracer) { symbolic(x) }
    return try tracer.finish(outputs: [("output", output)])
  }
}

extension Tensor {
  /// Some rows, followed by zeros up to a count.
  fileprivate func rows(from start: Int, count: Int, filledTo total: Int) -> Tensor {
    let row = Shape(Array(shape.dimensions.dropFirst()))
    return withUnsafeBuffer(of: Float.self) { own in
      Tensor(shape: Shape([total] + row.dimensions), of: Float.self) { buffer in
        let taken = own[(start * row.elementCount)..<((start + count) * row.elementCount)]
        let end = buffer.update(fromContentsOf: taken)
        buffer[end...].update(repeating: 0)
      }
    }
  }
}

import Graph
import Runtime

/// How an operation is run: by the reference backend, or by whatever is compared with the same numbers.
typealias OperationRunner = (Operation, [Tensor]) throws -> [Tensor]

extension Tensor {
  /// The numbers of a tensor of floating point or of int32.
  var numbers: [Double] {
    switch dtype {
    case .float64: scalars(as: Double.self)
    case .int32: scalars(as: Int32.self).map(Double.init)
    default: scalars(as: Float.self).map(Double.init)
    }
  }

  /// The same numbers as `float64`; integers stay.
  var widened: Tensor { dtype == .float32 ? Tensor(numbers, shape: shape) : self }

  var type: TensorType { TensorType(shape, dtype) }
}

/// The largest difference between two tensors, relative to the largest magnitude of the second; infinite if the shapes
/// differ or if one has a NaN or an infinity that the other has not.
func relativeDifference(_ found: Tensor, _ expected: Tensor) -> Double {
  guard found.shape == expected.shape else { return .infinity }
  let (a, b) = (found.numbers, expected.numbers)
  let scale = b.reduce(1e-30) { $1.isFinite ? max($0, abs($1)) : $0 }
  return zip(a, b).reduce(0) { worst, pair in
    if pair.0 == pair.1 || pair.0.isNaN && pair.1.isNaN { return worst }
    let difference = abs(pair.0 - pair.1) / scale
    return difference.isFinite ? max(worst, difference) : .infinity
  }
}

/// Builds gradients by computing them at once.
struct EagerBuilder: OperationBuilder {
  let run: OperationRunner

  func type(of value: Tensor) -> TensorType { value.type }

  func apply(_ operation: Operation, _ inputs: [Tensor]) -> [Tensor] {
    do {
      return try run(operation, inputs)
    } catch {
      fatalError("\(operation.name) in a gradient: \(error)")
    }
  }
}

/// The graph of `sum(operation(inputs)[0] * upstream)`.
struct LossGraph {
  let graph: Graph
  let inputs: [Graph.ValueID]
  let upstream: Graph.ValueID
  let loss: Graph.ValueID

  init(_ operation: Operation, _ inputs: [TensorType]) throws {
    var graph = Graph()
    self.inputs = inputs.enumerated().map { graph.addInput("x\($0)", $1) }
    let output = try graph.append(operation, self.inputs)[0]
    upstream = graph.addInput("upstream", graph[output].type)
    let product = try graph.append(.binary(.multiply), [output, upstream])[0]
    let axes = Array(0..<graph.shape(of: product).rank)
    loss = try graph.append(.reduce(.sum, axes: axes, keepsDimensions: false), [product])[0]
    self.graph = graph
  }
}

/// The gradients of an operation's inputs, every step of them computed by `run`.
func gradients(
  of operation: Operation, _ inputs: [Tensor], upstream: Tensor, withRespectTo wanted: [Int], run: OperationRunner
) throws -> [Tensor?] {
  let problem = try LossGraph(operation, inputs.map(\.type))
  var tensors = [Tensor?](repeating: nil, count: problem.graph.values.count)
  for (id, tensor) in zip(problem.inputs + [problem.upstream], inputs + [upstream]) { tensors[id.index] = tensor }
  for node in problem.graph.nodes {
    let results = try run(node.operation, node.inputs.map { tensors[$0.index]! })
    for (id, tensor) in zip(node.outputs, results) { tensors[id.index] = tensor }
  }
  return withoutActuallyEscaping(run) { run in
    var builder = EagerBuilder(run: run)
    return problem.graph.gradients(
      of: problem.loss, withRespectTo: wanted.map { problem.inputs[$0] }, in: &builder,
      resolve: { tensors[$0.index]! })
  }
}

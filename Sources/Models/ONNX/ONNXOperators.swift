import Layers

/// What an operator of ONNX means: its outputs from its inputs, said in operations of the graph.
typealias ONNXOperator = @Sendable (ONNXCall) throws -> [Tensor]

/// The operators of the standard domain that can be imported, by family.
enum ONNXOperators {
  static let table: [String: ONNXOperator] = [
    activations, arithmetic, logic, functions, convolution, pooling, normalization, reduction, movement, shapes,
    indexing, resizing, losses, detection, quantization,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }
}

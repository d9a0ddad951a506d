import Formats
import Layers

/// What an operator of ONNX means: its outputs from its inputs, said in operations of the graph.
typealias ONNXOperator = @Sendable (ONNXCall) throws -> [Tensor]

/// The operators that can be imported, by family.
enum ONNXOperators {
  /// Those of the standard domain.
  static let table: [String: ONNXOperator] = [
    activations, arithmetic, logic, functions, convolution, pooling, normalization, reduction, movement, shapes,
    indexing, resizing, losses, detection, quantization,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

  /// The domain of operators that ONNX lacks (``ONNXComposites``).
  static let ownDomain = "convnet"

  static func named(by node: ONNXFile.Node) -> ONNXOperator? {
    switch node.domain {
    case "": table[node.operation]
    case ownDomain: own[node.operation]
    default: nil
    }
  }

  private static let own: [String: ONNXOperator] = [
    // `(x - mean) / sqrt(variance + epsilon)` along `axis`.
    "Standardize": { call in
      let x = try call.input()
      let axis = try call.axis(call.integer("axis", -1), rank: x.rank)
      return [try call.compute(.standardize(axis: axis, epsilon: call.number("epsilon", 1e-5)), [x])[0]]
    }
  ]
}

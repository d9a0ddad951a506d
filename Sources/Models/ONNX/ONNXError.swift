/// Why an ONNX model cannot be imported or run. Each description is one line.
public enum ONNXError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Operators that the importer does not know, with the number of nodes of each.
  case unsupportedOperators(path: String, counts: [String: Int])
  /// A node uses its operator in a way that is not supported.
  case unsupported(node: String, reason: String)
  /// A node, or what it is given, breaks the rules of its operator.
  case invalid(node: String, reason: String)
  /// The inputs are not those that the model declares.
  case inputs(reason: String)

  public var description: String {
    switch self {
    case .unsupportedOperators(let path, let counts):
      "\(path): operators that are not supported: "
        + counts.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.joined(separator: ", ")
    case .unsupported(let node, let reason): "\(node): not supported: \(reason)"
    case .invalid(let node, let reason): "\(node): \(reason)"
    case .inputs(let reason): reason
    }
  }

  var isUnsupported: Bool {
    switch self {
    case .unsupportedOperators, .unsupported: true
    case .invalid, .inputs: false
    }
  }
}

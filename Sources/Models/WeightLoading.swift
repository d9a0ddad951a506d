import Formats
public import Layers

/// Weights that do not fit a model: every difference at once.
public struct WeightsError: Error, CustomStringConvertible {
  public var path: String
  public var missing: [String]
  public var unexpected: [String]
  /// Name, the shape in the file, and the shape in the model.
  public var misshapen: [(name: String, found: Shape, expected: Shape)]

  public var description: String {
    var parts: [String] = []
    if !missing.isEmpty {
      let names = missing.map { name in
        let near = nearestNames(to: name, among: unexpected).first.map { " (the file has \($0))" } ?? ""
        return name + near
      }
      parts.append("missing: " + names.joined(separator: ", "))
    }
    if !unexpected.isEmpty { parts.append("not in the model: " + unexpected.joined(separator: ", ")) }
    if !misshapen.isEmpty {
      let rows = misshapen.map { "\($0.name) is \($0.found), the model needs \($0.expected)" }
      parts.append("of another shape: " + rows.joined(separator: ", "))
    }
    return "\(path): the weights do not fit the model; " + parts.joined(separator: "; ")
  }
}

extension Module {
  /// The module with all tensors replaced by those of a file.
  ///
  /// - Parameter path: the file's, for the error text.
  /// - Throws: ``WeightsError`` unless names and shapes match exactly.
  public func loading(_ tensors: [String: Tensor], from path: String) throws -> Self {
    let own = Dictionary(uniqueKeysWithValues: parameters.map { ($0.path, $0.tensor.shape) })
    let error = WeightsError(
      path: path, missing: own.keys.filter { tensors[$0] == nil }.sorted(),
      unexpected: tensors.keys.filter { own[$0] == nil && !$0.hasSuffix("num_batches_tracked") }.sorted(),
      misshapen: own.sorted { $0.key < $1.key }.compactMap { name, shape in
        tensors[name].flatMap { $0.shape == shape ? nil : (name, $0.shape, shape) }
      })
    if !(error.missing.isEmpty && error.unexpected.isEmpty && error.misshapen.isEmpty) { throw error }
    return try mapParameters { name, _, _ in tensors[name]!.cast(to: .float32) }
  }
}
